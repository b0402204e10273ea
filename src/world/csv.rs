//! Comma-separated values as RFC 4180 has them, made safe for spreadsheets.

/// One line with its end. A cell that a spreadsheet would take for a formula gets an apostrophe in front
/// (OWASP, CSV injection); numbers stay numbers.
pub fn line<'c>(cells: impl IntoIterator<Item = &'c str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let safe = if formula && text.parse::<f64>().is_err() { format!("'{text}") } else { text.to_string() };
    let quoted = safe.contains([',', '"', '\n', '\r', ';', '\t']) || safe.trim() != safe;
    if quoted { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(line(["a", "b c", "", "1/2"]), "a,b c,,1/2\r\n");
        assert_eq!(
            line(["a,b", "say \"hi\"", "two\nlines", " x"]),
            "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\" x\"\r\n"
        );
        assert_eq!(line([]), "\r\n");
    }

    #[test]
    fn nothing_is_a_formula() {
        assert_eq!(line(["=1+1", "+cmd|' /C calc'!A0", "@SUM(1)", "-x"]), "'=1+1,'+cmd|' /C calc'!A0,'@SUM(1),'-x\r\n");
        assert_eq!(line(["\t=1"]), "\"'\t=1\"\r\n");
        assert_eq!(line(["-5", "+1.5"]), "-5,+1.5\r\n");
    }
}
