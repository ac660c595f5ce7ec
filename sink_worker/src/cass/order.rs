//! Cassandra's orders on values that are written for PostgreSQL: by type, for the bounds of ranges, and by serialized bytes, which
//! decide between two values of one timestamp.

use std::cmp::Ordering;

/// How a clustering column's type compares (`AbstractType#compareCustom` of 5.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Big-endian two's complement of any length: integers, dates, times.
    Signed,
    /// Bytes: text, blob, boolean.
    Unsigned,
    Float,
    Numeric,
    Uuid,
    TimeUuid,
    Inet,
}

impl Order {
    pub fn code(self) -> u8 {
        match self {
            Order::Signed => 0,
            Order::Unsigned => 1,
            Order::Float => 2,
            Order::Numeric => 3,
            Order::Uuid => 4,
            Order::TimeUuid => 5,
            Order::Inet => 6,
        }
    }

    pub fn of_code(code: u8) -> Option<Order> {
        [Order::Signed, Order::Unsigned, Order::Float, Order::Numeric, Order::Uuid, Order::TimeUuid, Order::Inet]
            .into_iter()
            .find(|order| order.code() == code)
    }

    pub fn compare(self, left: &[u8], right: &[u8]) -> Ordering {
        match self {
            Order::Signed => signed(left).cmp(&signed(right)),
            Order::Unsigned => left.cmp(right),
            Order::Float => float(left).total_cmp(&float(right)),
            Order::Numeric => numeric(left, right),
            Order::Uuid => uuid(left, right, false),
            Order::TimeUuid => uuid(left, right, true),
            // After family, bits, network and length comes the address.
            Order::Inet => left.get(4..).cmp(&right.get(4..)),
        }
    }
}

fn signed(bytes: &[u8]) -> i64 {
    let fill = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut wide = [fill; 8];
    let count = bytes.len().min(8);
    wide[8 - count..].copy_from_slice(&bytes[..count]);
    i64::from_be_bytes(wide)
}

fn float(bytes: &[u8]) -> f64 {
    let value = match (<[u8; 4]>::try_from(bytes), <[u8; 8]>::try_from(bytes)) {
        (Ok(bytes), _) => f64::from(f32::from_be_bytes(bytes)),
        (_, Ok(bytes)) => f64::from_be_bytes(bytes),
        _ => 0.0,
    };
    if value.is_nan() { f64::NAN } else { value }
}

/// PostgreSQL's binary numeric: count of groups, weight, sign, scale, groups of four digits.
fn numeric(left: &[u8], right: &[u8]) -> Ordering {
    let short = |bytes: &[u8], at: usize| bytes.get(at..at + 2).map_or(0, |two| i16::from_be_bytes([two[0], two[1]]));
    let groups = |bytes: &[u8]| -> Vec<i16> { (8..bytes.len()).step_by(2).map(|at| short(bytes, at)).collect() };
    let sign = |bytes: &[u8]| match (bytes.len() > 8, short(bytes, 4)) {
        (false, _) => 0,
        (true, 0) => 1,
        (true, _) => -1,
    };
    let (one, other) = (sign(left), sign(right));
    if one != other || one == 0 {
        return one.cmp(&other);
    }
    let trimmed = |bytes: &[u8]| {
        let mut groups = groups(bytes);
        while groups.last() == Some(&0) {
            groups.pop();
        }
        (short(bytes, 2), groups)
    };
    let size = trimmed(left).cmp(&trimmed(right));
    if one > 0 { size } else { size.reverse() }
}

fn uuid(left: &[u8], right: &[u8], time: bool) -> Ordering {
    let (Ok(left), Ok(right)) = (<[u8; 16]>::try_from(left), <[u8; 16]>::try_from(right)) else {
        return left.cmp(right);
    };
    let version = |bytes: &[u8; 16]| bytes[6] >> 4;
    if version(&left) != version(&right) {
        return version(&left).cmp(&version(&right));
    }
    if version(&left) != 1 {
        return left.cmp(&right);
    }
    let stamp = |bytes: &[u8; 16]| [bytes[6], bytes[7], bytes[4], bytes[5], bytes[0], bytes[1], bytes[2], bytes[3]];
    let rest = |bytes: &[u8; 16]| {
        let mut rest = [0u8; 8];
        rest.copy_from_slice(&bytes[8..]);
        // timeuuid compares these bytes as signed ones.
        if time { rest.map(|byte| byte ^ 0x80) } else { rest }
    };
    stamp(&left).cmp(&stamp(&right)).then_with(|| rest(&left).cmp(&rest(&right)))
}

const TIMESTAMPTZ: u32 = 1184;
const DATE: u32 = 1082;
const INET: u32 = 869;
/// From PostgreSQL's epoch back to 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// The order of two values of one column by the bytes that Cassandra stores. Of decimals, varints, durations and structures it is
/// that of their bytes in PostgreSQL instead: as good for an agreement, which is what a tie needs.
pub fn by_bytes(oid: u32, left: &[u8], right: &[u8]) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    match oid {
        // Milliseconds, whose sign bit counts as any other.
        TIMESTAMPTZ => {
            let millis = |bytes: &[u8]| (signed(bytes).wrapping_add(EPOCH_MICROS).div_euclid(1_000)) as u64;
            millis(left).cmp(&millis(right))
        }
        // Stored with 2³¹ added.
        DATE => signed(left).cmp(&signed(right)),
        INET => Order::Inet.compare(left, right),
        _ => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<u8> {
        let digits: String = text.chars().filter(|character| *character != '-').collect();
        (0..16).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    /// What Cassandra 5.0.9's own comparators say of these.
    #[test]
    fn uuids_compare_as_cassandra_compares_them() {
        let a = parse("d2177dd0-eaa2-11de-a572-001b779c76e3");
        let b = parse("d2177dd0-eaa2-11de-0572-001b779c76e3");
        let later = parse("d2177dd0-eaa2-11df-8572-001b779c76e3");
        let four = parse("00112233-4455-4677-8899-aabbccddeeff");
        assert_eq!(Order::Uuid.compare(&a, &b), Ordering::Greater);
        assert_eq!(Order::TimeUuid.compare(&a, &b), Ordering::Less);
        assert_eq!(Order::Uuid.compare(&a, &later), Ordering::Less);
        assert_eq!(Order::Uuid.compare(&four, &later), Ordering::Greater);
    }

    #[test]
    fn numbers_compare_by_value() {
        let numeric = |text: &str| {
            let mut out = Vec::new();
            crate::pg::numeric::from_literal(text, &mut out).unwrap();
            out
        };
        let sorted = ["-100000.5", "-1.5", "-1.25", "0", "0.00001", "1.5", "9", "10", "123456789", "1e30"];
        for pair in sorted.windows(2) {
            assert_eq!(Order::Numeric.compare(&numeric(pair[0]), &numeric(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert_eq!(Order::Numeric.compare(&numeric("1.50"), &numeric("1.5")), Ordering::Equal);
        assert_eq!(Order::Signed.compare(&(-1i16).to_be_bytes(), &1i32.to_be_bytes()), Ordering::Less);
        assert_eq!(Order::Float.compare(&(-0.5f32).to_be_bytes(), &1.5f64.to_be_bytes()), Ordering::Less);
    }

    #[test]
    fn ties_are_broken_by_stored_bytes() {
        let ms = |count: i64| (count * 1_000 - EPOCH_MICROS).to_be_bytes();
        assert_eq!(by_bytes(TIMESTAMPTZ, &ms(-1), &ms(1)), Ordering::Greater);
        assert_eq!(by_bytes(23, &(-1i32).to_be_bytes(), &1i32.to_be_bytes()), Ordering::Greater);
        assert_eq!(by_bytes(DATE, &(-1i32).to_be_bytes(), &1i32.to_be_bytes()), Ordering::Less);
    }
}
