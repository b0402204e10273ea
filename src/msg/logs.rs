//! One line of a log.

/// A line as it was read, cleaned: the server's timestamp in front of the text, in one piece of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    raw: Box<str>,
    /// Where the text begins.
    text: u8,
}

impl LogLine {
    /// From what the server sends for `timestamps=true`; a line of the runtime itself may have none.
    pub fn new(raw: String) -> Self {
        let text = stamp(&raw);
        Self { raw: raw.into(), text }
    }

    /// The timestamp as the server wrote it (RFC 3339), empty where there is none.
    pub fn at(&self) -> &str {
        self.raw.get(..usize::from(self.text.saturating_sub(1))).unwrap_or_default()
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.raw.get(self.text.into()..).unwrap_or_default()
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.raw.len() + size_of::<Self>()
    }
}

/// Length of the timestamp with its blank: `2026-11-21T09:21:10.644183076Z `, or with the offset of the node's zone.
fn stamp(raw: &str) -> u8 {
    let bytes = raw.as_bytes();
    let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    if !(is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':')) {
        return 0;
    }
    let Some(end) = memchr::memchr(b' ', bytes.get(..40.min(bytes.len())).unwrap_or_default()) else { return 0 };
    let zone =
        bytes.get(19..end).is_some_and(|rest| rest.ends_with(b"Z") || rest.contains(&b'+') || rest.contains(&b'-'));
    if zone { (end + 1) as u8 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_of_the_server_is_told_from_the_text() {
        let parts = |raw: &str| {
            let line = LogLine::new(raw.into());
            (line.at().to_string(), line.text().to_string())
        };
        let both = |at: &str, text: &str| (at.to_string(), text.to_string());
        assert_eq!(parts("2026-11-21T09:21:10.644183076Z up"), both("2026-11-21T09:21:10.644183076Z", "up"));
        assert_eq!(parts("2026-11-21T09:21:10.6+01:00 up"), both("2026-11-21T09:21:10.6+01:00", "up"));
        assert_eq!(parts("2026-11-21T09:21:10Z "), both("2026-11-21T09:21:10Z", ""));
        assert_eq!(parts("2026-11-21 09:21:10 up"), both("", "2026-11-21 09:21:10 up"));
        assert_eq!(parts("unable to retrieve logs"), both("", "unable to retrieve logs"));
        assert_eq!(parts(""), both("", ""));
    }
}
