//! Times as Go writes them: RFC 3339, year 0 to 9999, as many fractional digits as are needed.

use crate::tar::Time;

/// Seconds from 1970 to 0000-01-01T00:00:00Z and to the second behind the year 9999.
const FIRST: i64 = -62_167_219_200;
const BEHIND_LAST: i64 = 253_402_300_800;

/// 0001-01-01T00:00:00Z, Go's `time.Time{}`: clients take it for "no time".
const GO_ZERO: Time = Time { secs: -62_135_596_800, nanos: 0 };

const DAY: i64 = 86_400;

/// What a time in a TOC says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    At(Time),
    /// Go's zero time, which older writers put where there is none.
    Absent,
}

/// False for a time that the text form can't hold, or that clients would take for none.
pub(super) fn is_representable(time: Time) -> bool {
    (FIRST..BEHIND_LAST).contains(&{ time.secs }) && time.nanos < 1_000_000_000 && time != GO_ZERO
}

/// As text in UTC; `None` for a time that it can't hold.
pub fn to_rfc3339(time: Time) -> Option<String> {
    let mut quoted = Vec::new();
    is_representable(time).then(|| push(&mut quoted, time))?;
    Some(String::from_utf8_lossy(&quoted).trim_matches('"').to_owned())
}

/// The time that a text says; `None` for Go's zero time, too.
pub fn from_rfc3339(text: &str) -> Option<Time> {
    match parse(text)? {
        Parsed::At(time) => Some(time),
        Parsed::Absent => None,
    }
}

/// Writes a representable time in UTC, in quotes.
pub(super) fn push(out: &mut Vec<u8>, time: Time) {
    let (year, month, day) = civil(time.secs.div_euclid(DAY));
    let second = time.secs.rem_euclid(DAY);
    out.push(b'"');
    push_digits(out, year, 4);
    for (mark, number) in
        [(b'-', month), (b'-', day), (b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)]
    {
        out.push(mark);
        push_digits(out, number, 2);
    }
    if time.nanos > 0 {
        out.push(b'.');
        push_digits(out, time.nanos.into(), 9);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.extend_from_slice(b"Z\"");
}

fn push_digits(out: &mut Vec<u8>, number: i64, width: u32) {
    out.extend((0..width).rev().map(|place| b'0' + (number / 10_i64.pow(place) % 10) as u8));
}

/// Reads `2024-02-29T12:00:00.5+01:00`; `None` for anything else, and for years that are outside in UTC.
pub(super) fn parse(text: &str) -> Option<Parsed> {
    let text = text.as_bytes();
    let (stamp, rest) = text.split_at_checked(19)?;
    let (&[b'-', b'-', b'T', b':', b':'], true) =
        (&[stamp[4], stamp[7], stamp[10], stamp[13], stamp[16]], stamp.is_ascii())
    else {
        return None;
    };
    let field = |from: usize, to: usize, range: std::ops::RangeInclusive<i64>| {
        number(&stamp[from..to]).filter(|value| range.contains(value))
    };
    let (year, month) = (field(0, 4, 0..=9999)?, field(5, 7, 1..=12)?);
    let day = field(8, 10, 1..=days_in(year, month))?;
    let clock = field(11, 13, 0..=23)? * 3600 + field(14, 16, 0..=59)? * 60 + field(17, 19, 0..=59)?;
    let (nanos, zone) = fraction(rest)?;
    let secs = days(year, month, day) * DAY + clock - offset(zone)?;
    let time = Time { secs, nanos };
    match time {
        GO_ZERO => Some(Parsed::Absent),
        _ => is_representable(time).then_some(Parsed::At(time)),
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum: i64, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
}

/// Nanoseconds and what stands behind them. Digits past the ninth are dropped, as Go does.
fn fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(rest) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let len = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, zone) = rest.split_at(len);
    if digits.is_empty() {
        return None;
    }
    let nanos = (0..9).fold(0, |sum, at| sum * 10 + digits.get(at).map_or(0, |digit| u32::from(digit - b'0')));
    Some((nanos, zone))
}

/// Seconds east of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match zone {
        b"Z" => return Some(0),
        [b'+', h1, h2, b':', m1, m2] => (1, [*h1, *h2], [*m1, *m2]),
        [b'-', h1, h2, b':', m1, m2] => (-1, [*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let hours = number(&hours).filter(|hours| *hours < 24)?;
    let minutes = number(&minutes).filter(|minutes| *minutes < 60)?;
    Some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01. The year is counted from March, so that a leap day is its last day
/// and the months before any month are 153 days for each five.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - MARCH_FIRST_OF_YEAR_0
}

/// Days from 0000-03-01 to 1970-01-01.
const MARCH_FIRST_OF_YEAR_0: i64 = 719_468;

/// Year, month and day of a day since 1970-01-01.
fn civil(day: i64) -> (i64, i64, i64) {
    // 400 years are 146,097 days exactly, so the mean is at most one year off.
    let mut year = (day + MARCH_FIRST_OF_YEAR_0) * 400 / 146_097;
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    while days(year, 1, 1) > day {
        year -= 1;
    }
    let mut month = 12;
    while days(year, month, 1) > day {
        month -= 1;
    }
    (year, month, day - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(secs: i64, nanos: u32) -> String {
        let mut out = Vec::new();
        push(&mut out, Time { secs, nanos });
        String::from_utf8(out).unwrap().trim_matches('"').to_owned()
    }

    #[test]
    fn writes_as_go_does() {
        assert_eq!(text(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(text(-1, 999_999_999), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(text(951_782_400, 120_000_000), "2000-02-29T00:00:00.12Z");
        assert_eq!(text(FIRST, 0), "0000-01-01T00:00:00Z");
        assert_eq!(text(BEHIND_LAST - 1, 1), "9999-12-31T23:59:59.000000001Z");
    }

    #[test]
    fn reads_offsets_and_fractions() {
        let at = |secs, nanos| Some(Parsed::At(Time { secs, nanos }));
        assert_eq!(parse("2024-02-29T12:00:00.5+01:00"), at(1_709_204_400, 500_000_000));
        assert_eq!(parse("1969-12-31T22:30:00.1234567899-01:30"), at(0, 123_456_789));
        assert_eq!(parse("0001-01-01T00:00:00Z"), Some(Parsed::Absent));
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2024-02-29",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01T00:00:00",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+0100",
            "2024-01-01T00:00:00+24:00",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+00:01",
            "-001-01-01T00:00:00Z",
            "2024-01-01t00:00:00Z",
            "2024-01-01T00:00:0\u{e9}Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(secs in FIRST..BEHIND_LAST, nanos in 0_u32..1_000_000_000) {
            let time = Time { secs, nanos };
            prop_assume!(time != GO_ZERO);
            prop_assert_eq!(parse(&text(secs, nanos)), Some(Parsed::At(time)));
        }

        #[test]
        fn any_text_is_safe(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
