//! Durations as people write them: `250ms`, `30s`, `5m`, `1h`.

use std::time::Duration;

/// Reads a duration; the error says what one looks like.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let milliseconds_per_unit: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => 0,
    };
    number
        .parse::<u64>()
        .ok()
        .filter(|_| milliseconds_per_unit > 0)
        .and_then(|number| number.checked_mul(milliseconds_per_unit))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is no duration; write a number and ms, s, m, h or d, like \"30s\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
        for bad in ["", "30", "s", "-1s", "1.5s", "1 s", "30S", "99999999999999999999s", "18446744073709551615h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
