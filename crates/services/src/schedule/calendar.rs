//! When a task runs: cron in a time zone, or every so often.
//!
//! Cron follows the wall clock of its zone. Where clocks are put forward, a daily time that does not exist that day is
//! made up at the first moment that does; where they are put back, a time that comes twice counts once, at the first.
//! Schedules with `*`, steps, ranges or lists in their time of day run by every moment that matches, as it passes: they
//! pass over the gap, and run through the repeated hour twice.

use std::str::FromStr;

use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use doer_core::service::ServiceError;

const MAX_CHARS: usize = 256;
const MAX_EVERY_MS: i64 = 366 * 86_400_000;
const MACROS: [(&str, &str); 5] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
];
const UNITS: [(&str, i64); 4] =
    [("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000), ("week", 7 * 86_400_000)];
const FORMS: &str = "must be cron with 5 or 6 fields, @hourly, @daily, @weekly, @monthly, @yearly, \
                     or `every N minutes|hours|days|weeks`";

/// A schedule that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Calendar {
    /// By the wall clock of a zone.
    Cron(Box<Cron>, Tz),
    /// Every so many milliseconds, counted from the task's anchor.
    Every(i64),
}

impl Calendar {
    /// Reads a schedule and a zone, as they are given to `registerTask`.
    ///
    /// # Errors
    /// `invalid_request`.
    pub(super) fn parse(schedule: &str, timezone: &str) -> Result<Self, ServiceError> {
        let zone = Tz::from_str(timezone).map_err(|_| {
            ServiceError::invalid("task.timezone: must be the IANA name of a time zone, such as Europe/Vienna")
        })?;
        let text = schedule.trim();
        if text.is_empty() || text.len() > MAX_CHARS {
            return Err(ServiceError::invalid(format!("task.schedule: {FORMS}")));
        }
        if let Some(every) = text.strip_prefix("every ") {
            return Self::every(every);
        }
        let cron = match text.starts_with('@') {
            true => MACROS.iter().find(|(name, _)| *name == text).map(|(_, cron)| *cron),
            false => Some(text),
        };
        let cron = cron.ok_or_else(|| ServiceError::invalid(format!("task.schedule: {FORMS}")))?;
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron =
            parser.parse(cron).map_err(|error| ServiceError::invalid(format!("task.schedule: {FORMS}: {error}")))?;
        Ok(Self::Cron(Box::new(cron), zone))
    }

    fn every(text: &str) -> Result<Self, ServiceError> {
        let mut words = text.split_whitespace();
        let (Some(count), Some(unit), None) = (words.next(), words.next(), words.next()) else {
            return Err(ServiceError::invalid(format!("task.schedule: {FORMS}")));
        };
        let unit = unit.strip_suffix('s').unwrap_or(unit);
        let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| ms);
        let period = unit.zip(count.parse::<u32>().ok()).map(|(unit, count)| unit * i64::from(count));
        match period {
            None => Err(ServiceError::invalid(format!("task.schedule: {FORMS}"))),
            Some(period) if (1..=MAX_EVERY_MS).contains(&period) => Ok(Self::Every(period)),
            Some(_) => Err(ServiceError::invalid("task.schedule: N must be 1 or more, and all of it 366 days at most")),
        }
    }

    /// The first time after `now`, in milliseconds since the Unix epoch; none where there is none, as on 30 February.
    /// `anchor` is when counting began.
    pub(super) fn next_after(&self, anchor: i64, now: i64) -> Option<i64> {
        match self {
            Self::Every(period) => {
                let passed = now.saturating_sub(anchor).div_euclid(*period);
                Some(anchor.saturating_add(passed.saturating_add(1).saturating_mul(*period)))
            }
            Self::Cron(cron, zone) => {
                let now: DateTime<Tz> = zone.timestamp_millis_opt(now).single()?;
                // What it cannot find is a time that never comes.
                cron.find_next_occurrence(&now, false).ok().map(|next| next.timestamp_millis())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    /// The next times after `from`, written in UTC.
    fn nexts(schedule: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let calendar = Calendar::parse(schedule, zone).unwrap();
        let mut now = at(from);
        let mut times = Vec::new();
        for _ in 0..count {
            now = calendar.next_after(at(from), now).unwrap();
            times.push(DateTime::from_timestamp_millis(now).unwrap().format("%m-%dT%H:%M:%S").to_string());
        }
        times
    }

    #[test]
    fn every_form_is_understood() {
        let from = "2026-03-02T10:30:15.500Z";
        for (schedule, next) in [
            ("*/15 * * * *", "03-02T10:45:00"),
            ("*/5 * * * * *", "03-02T10:30:20"),
            ("16 30 10 * * *", "03-02T10:30:16"),
            ("0 9 * * MON-FRI", "03-03T09:00:00"),
            ("@hourly", "03-02T11:00:00"),
            ("@daily", "03-03T00:00:00"),
            ("@weekly", "03-08T00:00:00"),
            ("@monthly", "04-01T00:00:00"),
            ("@yearly", "01-01T00:00:00"),
            ("every 1 minute", "03-02T10:31:15"),
            ("every 90 minutes", "03-02T12:00:15"),
            ("every 2 hours", "03-02T12:30:15"),
            ("every 1 days", "03-03T10:30:15"),
            ("every 2 weeks", "03-16T10:30:15"),
        ] {
            assert_eq!(nexts(schedule, "UTC", from, 1), [next], "{schedule}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for schedule in [
            "",
            "  ",
            "@reboot",
            "every",
            "every minutes",
            "every 0 minutes",
            "every 5 fortnights",
            "every -1 hours",
            "every 53 weeks",
            "every 1 minutes twice",
            "* * * *",
            "* * * * * * *",
            "61 * * * *",
            "hello",
            &"* ".repeat(200),
        ] {
            let error = Calendar::parse(schedule, "UTC").unwrap_err();
            assert!(error.message.starts_with("task.schedule: "), "{schedule}: {error}");
        }
        let error = Calendar::parse("@daily", "Mars/Olympus").unwrap_err();
        assert!(error.message.starts_with("task.timezone: "), "{error}");
    }

    #[test]
    fn a_time_that_never_comes_is_none() {
        assert_eq!(Calendar::parse("0 0 30 2 *", "UTC").unwrap().next_after(0, 0), None);
    }

    #[test]
    fn zones_have_their_own_wall_clock() {
        assert_eq!(nexts("0 9 * * *", "Europe/Vienna", "2026-01-01T12:00:00Z", 1), ["01-02T08:00:00"]);
        assert_eq!(nexts("0 9 * * *", "Europe/Vienna", "2026-07-01T12:00:00Z", 1), ["07-02T07:00:00"]);
        assert_eq!(nexts("0 9 * * *", "America/New_York", "2026-01-01T00:00:00Z", 1), ["01-01T14:00:00"]);
    }

    /// In Vienna, 2026-03-29, 02:00 is followed by 03:00.
    #[test]
    fn a_daily_time_in_the_gap_is_made_up_and_a_frequent_one_passes_over_it() {
        let daily = nexts("30 2 * * *", "Europe/Vienna", "2026-03-28T12:00:00Z", 2);
        assert_eq!(daily, ["03-29T01:00:00", "03-30T00:30:00"]);
        let half_hourly = nexts("*/30 * * * *", "Europe/Vienna", "2026-03-29T00:15:00Z", 3);
        assert_eq!(half_hourly, ["03-29T00:30:00", "03-29T01:00:00", "03-29T01:30:00"]);
    }

    /// In Vienna, 2026-10-25, 03:00 is followed by 02:00.
    #[test]
    fn a_daily_time_that_comes_twice_counts_once_and_a_frequent_one_twice() {
        let daily = nexts("30 2 * * *", "Europe/Vienna", "2026-10-24T12:00:00Z", 2);
        assert_eq!(daily, ["10-25T00:30:00", "10-26T01:30:00"]);
        let half_hourly = nexts("*/30 * * * *", "Europe/Vienna", "2026-10-24T23:45:00Z", 5);
        let expected = ["10-25T00:00:00", "10-25T00:30:00", "10-25T01:00:00", "10-25T01:30:00", "10-25T02:00:00"];
        assert_eq!(half_hourly, expected);
    }

    #[test]
    fn every_counts_from_its_anchor_on_both_sides_of_it() {
        let every = Calendar::parse("every 1 minutes", "UTC").unwrap();
        assert_eq!(every.next_after(1000, 1000), Some(61_000));
        assert_eq!(every.next_after(1000, 60_999), Some(61_000));
        assert_eq!(every.next_after(1000, 61_000), Some(121_000));
        // The clock was set back behind it.
        assert_eq!(every.next_after(1_000_000, 10_000), Some(40_000));
        // And far forward.
        assert_eq!(every.next_after(0, 60_000 * 1_000_000), Some(60_000 * 1_000_001));
    }
}
