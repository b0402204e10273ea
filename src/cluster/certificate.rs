//! When a client certificate ends: just enough of X.509 (RFC 5280, 4.1) to find `notAfter`.

use super::kubeconfig::Context;
use crate::world::time::Time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// When the client certificate of a context ends; `None`: it has none. (Files that are missing are told on connecting.)
///
/// # Errors
/// A sentence: it cannot be read.
pub fn expiry(context: &Context) -> Option<Result<Time, String>> {
    let user = &context.entries.user.0;
    let pem = match (&user.client_certificate_data, &user.client_certificate) {
        (Some(data), _) if !data.is_empty() => STANDARD.decode(data.trim()).map_err(|e| e.to_string()),
        (_, Some(file)) if !file.is_empty() => std::fs::read(file).map_err(|e| format!("{file} cannot be read: {e}")),
        _ => return None,
    };
    Some(pem.and_then(|pem| {
        not_after(&pem).ok_or_else(|| "the client certificate is none in PEM; correct the kubeconfig".into())
    }))
}

/// `notAfter` of the first certificate of a PEM file.
fn not_after(pem: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(pem).ok()?;
    let body = text.split("-----BEGIN CERTIFICATE-----").nth(1)?.split("-----END").next()?;
    let der = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
    let (_, certificate, _) = element(&der)?;
    let (_, mut rest, _) = element(certificate)?;
    // [0] version, which may be left out; then serial number, algorithm, issuer.
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (tag, date, _) = element(element(validity)?.2)?;
    let date = std::str::from_utf8(date).ok()?;
    // UTCTime has two digits of the year; 50 and above are of the last century.
    let date = match (tag, date.get(..2)?.parse::<u32>().ok()?) {
        (0x17, 50..) => format!("19{date}"),
        (0x17, _) => format!("20{date}"),
        _ => date.to_string(),
    };
    let part = |from: usize, to: usize| date.get(from..to);
    Time::parse(&format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

/// The first element of DER: its tag, its content, and what comes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_found() {
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, end) in [(2031, "2031-05-06T00:00:00Z"), (2093, "2093-05-06T00:00:00Z")] {
            let mut params = rcgen::CertificateParams::new(vec!["mara".into()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 5, 6);
            let pem = params.self_signed(&key).unwrap().pem();
            assert_eq!(not_after(pem.as_bytes()), Time::parse(end));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for text in ["", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"]
        {
            assert_eq!(not_after(text.as_bytes()), None);
        }
        assert_eq!(element(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 1]), None);
    }
}
