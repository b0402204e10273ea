//! Points in time and ages. Nothing in this room asks the system for the time: `now` is an argument.

use serde::{Deserialize, Serialize};

/// Seconds since the Unix epoch, UTC. Negative before 1970; [`Time::NEVER`] stands for "not set".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct Time(pub i64);

impl Time {
    /// "Not set": smaller than every real time.
    pub const NEVER: Time = Time(i64::MIN);

    /// Reads RFC 3339 as Kubernetes writes it (`2026-11-21T10:00:00Z`, with or without fractions).
    pub fn parse(text: &str) -> Option<Time> {
        fixed(text.as_bytes()).or_else(|| text.parse::<jiff::Timestamp>().ok().map(|t| Time(t.as_second())))
    }

    /// Whether this is a real time.
    pub fn is_set(self) -> bool {
        self != Time::NEVER
    }

    /// Seconds from this time to `now`; 0 when it lies in the future (clocks differ).
    pub fn age(self, now: Time) -> i64 {
        now.0.saturating_sub(self.0).max(0)
    }

    /// RFC 3339 in UTC, `2026-11-21T10:00:00Z`.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.0).map(|t| t.to_string()).unwrap_or_default()
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ` by position, the form of nearly every timestamp in a list.
fn fixed(b: &[u8]) -> Option<Time> {
    if b.len() != 20 || b[4] != b'-' || b[7] != b'-' || b[10] != b'T' || b[13] != b':' || b[16] != b':' || b[19] != b'Z'
    {
        return None;
    }
    let num = |from: usize, to: usize| {
        b[from..to].iter().try_fold(0i64, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
    };
    let (year, month, day) = (num(0, 4)?, num(5, 7)?, num(8, 10)?);
    let (hour, minute, second) = (num(11, 13)?, num(14, 16)?, num(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days from civil, proleptic Gregorian: shift the year to start in March so that the leap day is last.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(Time(days * 86_400 + hour * 3_600 + minute * 60 + second))
}

/// A duration as `kubectl` prints ages (`apimachinery/pkg/util/duration/duration.go`, HumanDuration):
/// `45s`, `3m12s`, `41m`, `2h4m`, `17h`, `2d4h`, `3d`, `2y13d`, `5y`.
pub fn human(seconds: i64) -> String {
    let s = seconds.max(0);
    let (m, h, d) = (s / 60, s / 3_600, s / 86_400);
    let two = |big: i64, bu: &str, small: i64, su: &str| {
        if small == 0 { format!("{big}{bu}") } else { format!("{big}{bu}{small}{su}") }
    };
    match () {
        _ if s < 120 => format!("{s}s"),
        _ if m < 10 => two(m, "m", s % 60, "s"),
        _ if m < 180 => format!("{m}m"),
        _ if h < 8 => two(h, "h", m % 60, "m"),
        _ if h < 48 => format!("{h}h"),
        _ if h < 192 => two(d, "d", h % 24, "h"),
        _ if d < 365 * 2 => format!("{d}d"),
        _ if d < 365 * 8 => two(d / 365, "y", d % 365, "d"),
        _ => format!("{}y", d / 365),
    }
}

/// A duration as Go writes it (`time.ParseDuration`), in whole seconds: `90s`, `1h30m`, `1.5h`, `0`.
/// `None` for what is none, and for negative ones.
pub fn seconds(text: &str) -> Option<i64> {
    const UNITS: &[(&str, f64)] =
        &[("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        total += number.parse::<f64>().ok()? * UNITS.iter().find(|(name, _)| *name == unit)?.1;
        rest = tail;
    }
    (!text.is_empty() && total < 1e12).then_some(total as i64)
}

/// How far the clock of a time zone (`Europe/Berlin`; empty is UTC) is ahead of UTC at a time, in seconds; `None` for
/// a zone that this machine does not know.
pub fn zone_offset(zone: &str, at: Time) -> Option<i64> {
    if matches!(zone, "" | "UTC") {
        return Some(0);
    }
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    Some(zone.to_offset(jiff::Timestamp::from_second(at.0).ok()?).seconds().into())
}

/// When the clock of a time zone is changed next after a time; `None` where it never is, or the zone is not known.
pub fn clock_change(zone: &str, after: Time) -> Option<Time> {
    if matches!(zone, "" | "UTC") {
        return None;
    }
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    let next = zone.following(jiff::Timestamp::from_second(after.0).ok()?).next()?;
    Some(Time(next.timestamp().as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_go() {
        for (text, wanted) in [
            ("90s", Some(90)),
            ("1h30m", Some(5400)),
            ("1.5h", Some(5400)),
            ("500ms", Some(0)),
            ("0", Some(0)),
            ("", None),
            ("5", None),
            ("1d", None),
            ("-1h", None),
            ("h", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }

    #[test]
    fn zones_follow_the_season() {
        let at = |text| Time::parse(text).unwrap();
        assert_eq!(zone_offset("", at("2026-03-01T12:00:00Z")), Some(0));
        assert_eq!(zone_offset("No/Where", at("2026-03-01T12:00:00Z")), None);
        // A machine without the zone database knows UTC alone.
        if zone_offset("Europe/Berlin", at("2026-03-01T12:00:00Z")).is_some() {
            assert_eq!(zone_offset("Europe/Berlin", at("2026-03-01T12:00:00Z")), Some(3600));
            assert_eq!(zone_offset("Europe/Berlin", at("2026-07-01T12:00:00Z")), Some(7200));
        }
    }

    #[test]
    fn the_fast_path_agrees_with_jiff() {
        for text in ["1970-01-01T00:00:00Z", "2000-02-29T23:59:59Z", "2026-11-21T10:36:17Z", "1969-12-31T23:59:59Z"] {
            assert_eq!(
                fixed(text.as_bytes()).unwrap().0,
                text.parse::<jiff::Timestamp>().unwrap().as_second(),
                "{text}"
            );
        }
        assert_eq!(Time::parse("2026-11-21T10:36:17.123456Z"), Time::parse("2026-11-21T10:36:17Z"));
        assert_eq!(Time::parse("2026-11-21T12:36:17+02:00"), Time::parse("2026-11-21T10:36:17Z"));
        assert_eq!(Time::parse("yesterday"), None);
    }

    #[test]
    fn ages_read_like_kubectl() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (192, "3m12s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (30_000, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (187_200, "2d4h"),
            (86_400 * 800, "2y70d"),
        ] {
            assert_eq!(human(seconds), text, "{seconds}");
        }
    }
}
