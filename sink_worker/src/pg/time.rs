//! Dates, times and intervals: counts since the Unix epoch and ISO 8601 texts in, PostgreSQL's counts out.

use crate::fault::{Class, Res, convert};

/// Days from 1970-01-01 to PostgreSQL's 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;
const DAY_MICROS: i64 = 86_400_000_000;
const EPOCH_MICROS: i64 = EPOCH_DAYS * DAY_MICROS;
/// What PostgreSQL's timestamp holds: 4713 BC (Julian day 0) up to the year 294276, in µs since 2000.
const MIN_TIMESTAMP: i64 = -211_813_488_000_000_000;
const END_TIMESTAMP: i64 = 9_223_371_331_200_000_000;
/// What its date holds: days since 2000, up to the year 5874897.
const MIN_DATE: i64 = -2_451_545;
const END_DATE: i64 = 2_145_031_949;

/// Days since 2000 from days since 1970.
pub fn date(days: i64) -> Res<i32> {
    match days.checked_sub(EPOCH_DAYS) {
        Some(days) if (MIN_DATE..END_DATE).contains(&days) => Ok(days as i32),
        _ => Err(convert(Class::OutOfRange, "a date is outside 4713 BC .. 5874897 AD")),
    }
}

/// µs since 2000 from µs since 1970 (of which i64 ends before PostgreSQL's last year does).
pub fn timestamp(micros: i128) -> Res<i64> {
    match i64::try_from(micros - i128::from(EPOCH_MICROS)) {
        Ok(micros) if (MIN_TIMESTAMP..END_TIMESTAMP).contains(&micros) => Ok(micros),
        _ => Err(out_of_range()),
    }
}

/// µs from ms, for a time or a duration.
pub fn from_millis(count: i64) -> Res<i64> {
    count.checked_mul(1_000).ok_or_else(out_of_range)
}

fn out_of_range() -> Box<crate::fault::Fault> {
    convert(Class::OutOfRange, "a point in time is outside 4713 BC .. 294276 AD")
}

/// µs of a whole number of days since 1970.
pub fn days_to_micros(days: i64) -> i128 {
    i128::from(days) * i128::from(DAY_MICROS)
}

/// µs since midnight, for the type `time`: 0 up to and with 24:00.
pub fn time_of_day(micros: i64) -> Res<i64> {
    if (0..=DAY_MICROS).contains(&micros) {
        return Ok(micros);
    }
    Err(convert(Class::OutOfRange, "a time is outside 00:00 .. 24:00, which only an interval column holds"))
}

/// Days since 1970 of a proleptic Gregorian date (year 0 is 1 BC), or None where there is no such day.
fn civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// A reader over ASCII text.
struct Text<'a> {
    rest: &'a [u8],
}

impl Text<'_> {
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    /// Between `least` and `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let count = self.rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        if count < least {
            return None;
        }
        let value = self.rest[..count].iter().fold(0i64, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        self.rest = &self.rest[count..];
        Some(value)
    }

    fn date(&mut self) -> Option<i64> {
        let before = self.eat(b'-');
        if !before {
            self.eat(b'+');
        }
        let year = self.number(4, 9)?;
        let month = self.eat(b'-').then(|| self.number(2, 2)).flatten()?;
        let day = self.eat(b'-').then(|| self.number(2, 2)).flatten()?;
        civil(if before { -year } else { year }, month, day)
    }

    /// µs since midnight of `HH:MM[:SS[.f…]]`; digits after the sixth are cut.
    fn time(&mut self) -> Option<i64> {
        let hour = self.number(2, 2).filter(|hour| *hour <= 24)?;
        let minute = self.eat(b':').then(|| self.number(2, 2)).flatten().filter(|minute| *minute < 60)?;
        let second = if self.eat(b':') { self.number(2, 2).filter(|second| *second <= 60)? } else { 0 };
        let mut micros = ((hour * 60 + minute) * 60 + second) * 1_000_000;
        if self.eat(b'.') || self.eat(b',') {
            micros += self.fraction()?;
        }
        Some(micros)
    }

    fn fraction(&mut self) -> Option<i64> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 || count > 12 {
            return None;
        }
        let micros = (0..6).fold(0i64, |sum, place| {
            sum * 10 + self.rest[..count].get(place).map_or(0, |digit| i64::from(digit - b'0'))
        });
        self.rest = &self.rest[count..];
        Some(micros)
    }

    /// Seconds east of UTC; None in the outer option: malformed, in the inner: no zone.
    fn zone(&mut self) -> Option<Option<i64>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        if self.eat(b'Z') || self.eat(b'z') {
            return Some(Some(0));
        }
        let sign = if self.eat(b'-') { -1 } else { self.eat(b'+').then_some(1)? };
        let hours = self.number(2, 2).filter(|hours| *hours <= 18)?;
        let minutes = if self.eat(b':') || !self.rest.is_empty() { self.number(2, 2)? } else { 0 };
        let seconds = if self.eat(b':') { self.number(2, 2)? } else { 0 };
        Some(Some(sign * (hours * 3600 + minutes * 60 + seconds)))
    }
}

fn not(what: &str) -> Box<crate::fault::Fault> {
    convert(Class::TypeMismatch, format!("the text is no {what} of ISO 8601"))
}

/// Whether a text is MySQL's zero date, with or without a time.
pub fn is_zero(text: &str) -> bool {
    text.starts_with("0000-00-00")
}

/// µs since 1970 (UTC) of a date, a date with a time, with or without a zone.
pub fn parse_timestamp(text: &str) -> Res<i128> {
    let mut at = Text { rest: text.as_bytes() };
    let read = (|| {
        let days = at.date()?;
        if at.rest.is_empty() {
            return Some((days, 0, 0));
        }
        if !(at.eat(b'T') || at.eat(b' ')) {
            return None;
        }
        let micros = at.time()?;
        let zone = at.zone()?.unwrap_or(0);
        at.rest.is_empty().then_some((days, micros, zone))
    })();
    let (days, micros, zone) = read.ok_or_else(|| not("timestamp"))?;
    Ok(days_to_micros(days) + i128::from(micros - zone * 1_000_000))
}

/// Days since 1970 of a date, which may carry a zone (it changes nothing) but no time.
pub fn parse_date(text: &str) -> Res<i64> {
    let mut at = Text { rest: text.as_bytes() };
    match (at.date(), at.zone()) {
        (Some(days), Some(_)) if at.rest.is_empty() => Ok(days),
        _ => Err(not("date")),
    }
}

/// µs since midnight and seconds EAST of UTC (0 without a zone).
pub fn parse_time(text: &str) -> Res<(i64, i64)> {
    let mut at = Text { rest: text.as_bytes() };
    match (at.time(), at.zone()) {
        (Some(micros), Some(zone)) if at.rest.is_empty() => Ok((micros, zone.unwrap_or(0))),
        _ => Err(not("time")),
    }
}

/// (months, days, µs) of `[-]P[nY][nM][nW][nD][T[nH][nM][n[.f]S]]`, each number with a sign of its own.
pub fn parse_interval(text: &str) -> Res<(i32, i32, i64)> {
    let wrong = || not("interval");
    let (outer, body) = match text.strip_prefix('-') {
        Some(rest) => (-1i64, rest),
        None => (1, text),
    };
    let body = body.strip_prefix('P').filter(|body| !body.is_empty()).ok_or_else(wrong)?;
    let (mut months, mut days, mut micros) = (0i64, 0i64, 0i64);
    let mut at = Text { rest: body.as_bytes() };
    let mut clock = false;
    while !at.rest.is_empty() {
        if at.eat(b'T') {
            clock = true;
            continue;
        }
        let sign = if at.eat(b'-') { -outer } else { outer };
        let count = sign * at.number(1, 15).ok_or_else(wrong)?;
        let fraction = if at.eat(b'.') { sign * at.fraction().ok_or_else(wrong)? } else { 0 };
        let (&unit, rest) = at.rest.split_first().ok_or_else(wrong)?;
        at.rest = rest;
        let (sum, factor) = match (clock, unit) {
            (false, b'Y') => (&mut months, 12),
            (false, b'M') => (&mut months, 1),
            (false, b'W') => (&mut days, 7),
            (false, b'D') => (&mut days, 1),
            (true, b'H') => (&mut micros, 3_600_000_000),
            (true, b'M') => (&mut micros, 60_000_000),
            (true, b'S') => (&mut micros, 1_000_000),
            _ => return Err(wrong()),
        };
        if fraction != 0 && factor != 1_000_000 {
            return Err(wrong());
        }
        let amount = count.checked_mul(factor).and_then(|amount| amount.checked_add(fraction));
        *sum = amount.and_then(|amount| sum.checked_add(amount)).ok_or_else(out_of_range)?;
    }
    let narrow = |count: i64| i32::try_from(count).map_err(|_| out_of_range());
    Ok((narrow(months)?, narrow(days)?, micros))
}

/// `YYYY-MM-DD` of days since 1970; with nanoseconds of the day, a point in time in UTC to the millisecond.
pub fn civil_text(days: i64, nanos: Option<i64>) -> String {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let sign = if year > 9999 { "+" } else { "" };
    let date = format!("{sign}{year:04}-{month:02}-{day:02}");
    match nanos {
        Some(nanos) => {
            let (seconds, millis) = (nanos / 1_000_000_000, nanos / 1_000_000 % 1_000);
            format!("{date}T{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
        }
        None => date,
    }
}

/// `HH:MM:SS.ffffff` of nanoseconds since midnight; digits after the sixth are cut, as in a column of type `time`.
pub fn clock_text(nanos: i64) -> String {
    let (seconds, micros) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000) / 1_000);
    format!("{:02}:{:02}:{:02}.{micros:06}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}
