//! Cron schedules of five fields, read as `robfig/cron` v3 (`parser.go`, `spec.go`) reads them, the library behind
//! CronJobs and the sync windows of Argo CD.

use super::time::Time;
use jiff::civil::Date;

/// A schedule: the minutes, hours, days of the month, months and days of the week (0 is Sunday) at which it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// The values of a field, one bit each, and whether it was written `*` or `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bits: u64,
    any: bool,
}

impl Field {
    fn has(self, value: i64) -> bool {
        (0..64).contains(&value) && self.bits & (1 << value) != 0
    }
}

const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Days that are looked at for the next start; like the library, five years.
const HORIZON_DAYS: usize = 5 * 366;

impl Schedule {
    /// Reads `minute hour day-of-month month day-of-week`; `None` for what is not such a schedule.
    pub fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else { return None };
        Some(Self {
            minutes: field(minute, 0, 59, &[])?,
            hours: field(hour, 0, 23, &[])?,
            days: field(day, 1, 31, &[])?,
            months: field(month, 1, 12, MONTHS)?,
            weekdays: field(weekday, 0, 6, WEEKDAYS)?,
        })
    }

    /// The first start later than a time, by the clock of the zone that the time is given in; `None` where there is
    /// none within five years (`0 0 30 2 *`).
    pub fn next(&self, after: Time) -> Option<Time> {
        let from = after.0.checked_sub(after.0.rem_euclid(60))?.checked_add(60)?;
        let midnight = from - from.rem_euclid(86_400);
        let mut date = jiff::Timestamp::from_second(midnight).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date();
        for day in 0..HORIZON_DAYS {
            let start = midnight + i64::try_from(day).ok()? * 86_400;
            if self.is_on(date)
                && let Some(minute) = (0..1440).find(|m| start + m * 60 >= from && self.is_at(*m))
            {
                return Some(Time(start + minute * 60));
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn is_at(&self, minute_of_day: i64) -> bool {
        self.hours.has(minute_of_day / 60) && self.minutes.has(minute_of_day % 60)
    }

    /// Day of month and day of week restrict together; where both are given, either is enough.
    fn is_on(&self, date: Date) -> bool {
        let day = self.days.has(date.day().into());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset().into());
        let today = if self.days.any || self.weekdays.any { day && weekday } else { day || weekday };
        today && self.months.has(date.month().into())
    }
}

/// A comma-separated list of ranges.
fn field(text: &str, min: i64, max: i64, names: &[&str]) -> Option<Field> {
    let mut all = Field { bits: 0, any: false };
    for part in text.split(',') {
        let one = range(part, min, max, names)?;
        all = Field { bits: all.bits | one.bits, any: all.any || one.any };
    }
    Some(all)
}

/// `*`, `5`, `1-5`, `mon-fri`, each with an optional `/step`; `5/10` goes on to the end.
fn range(text: &str, min: i64, max: i64, names: &[&str]) -> Option<Field> {
    let (span, step) = match text.split_once('/') {
        Some((span, step)) => (span, Some(step.parse::<i64>().ok().filter(|s| *s > 0)?)),
        None => (text, None),
    };
    let value = |word: &str| number(word, min, names);
    let (from, to, any) = match span {
        "*" | "?" => (min, max, step.is_none_or(|s| s == 1)),
        _ => match span.split_once('-') {
            Some((from, to)) => (value(from)?, value(to)?, false),
            None => (value(span)?, if step.is_some() { max } else { value(span)? }, false),
        },
    };
    if from < min || to > max || from > to {
        return None;
    }
    let values = (from..=to).step_by(usize::try_from(step.unwrap_or(1)).ok()?);
    Some(Field { bits: values.fold(0, |bits, value| bits | 1 << value), any })
}

fn number(word: &str, first: i64, names: &[&str]) -> Option<i64> {
    let lower = word.to_ascii_lowercase();
    match names.iter().position(|name| *name == lower) {
        Some(at) => i64::try_from(at).ok().map(|at| at + first),
        None => word.parse::<u32>().ok().map(i64::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let next = Schedule::parse(schedule).unwrap().next(Time::parse(after).unwrap());
        next.map_or("never".into(), Time::rfc3339)
    }

    #[test]
    fn the_next_start_is_found() {
        // 2026-03-01 is a Sunday.
        for (schedule, after, wanted) in [
            ("0 8 * * 1-5", "2026-03-01T12:00:00Z", "2026-03-02T08:00:00Z"),
            ("0 8 * * mon-FRI", "2026-03-06T08:00:00Z", "2026-03-09T08:00:00Z"),
            ("*/15 * * * *", "2026-03-01T12:00:00Z", "2026-03-01T12:15:00Z"),
            ("*/15 * * * *", "2026-03-01T12:14:59Z", "2026-03-01T12:15:00Z"),
            ("5/20 10 * * *", "2026-03-01T10:25:00Z", "2026-03-01T10:45:00Z"),
            ("0 0 1 1 ?", "2026-03-01T12:00:00Z", "2027-01-01T00:00:00Z"),
            ("0 0 29 feb *", "2026-03-01T12:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 30 2 *", "2026-03-01T12:00:00Z", "never"),
            // Both days given: either is enough. `*/2` is a restriction, `*` is none.
            ("0 0 13 * 5", "2026-03-01T12:00:00Z", "2026-03-06T00:00:00Z"),
            ("0 0 */2 * 1", "2026-03-02T12:00:00Z", "2026-03-03T00:00:00Z"),
            ("0 0 * * 1", "2026-03-02T12:00:00Z", "2026-03-09T00:00:00Z"),
        ] {
            assert_eq!(next(schedule, after), wanted, "{schedule} after {after}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in ["", "* * * *", "60 * * * *", "* * * * 7", "5-1 * * * *", "*/0 * * * *", "@daily", "x * * * *"] {
            assert_eq!(Schedule::parse(text), None, "{text}");
        }
    }
}
