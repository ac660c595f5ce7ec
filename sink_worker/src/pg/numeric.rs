//! Exact decimals: two's complement or literal in, PostgreSQL's base-10000 digits out.

use crate::fault::{Class, Res, convert};

/// PostgreSQL's bounds: digits before and after the decimal point.
const MAX_WHOLE: i64 = 131_072;
const MAX_SCALE: i64 = 16_383;
/// Bytes of a two's complement number of MAX_WHOLE + MAX_SCALE digits.
const MAX_UNSCALED: usize = 61_400;
const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// `unscaled` × 10^-`scale`, of big-endian two's complement bytes (none at all mean zero).
pub fn from_unscaled(unscaled: &[u8], scale: i32, out: &mut Vec<u8>) -> Res<()> {
    if unscaled.len() <= 16 {
        let negative = unscaled.first().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = if negative { [0xff; 16] } else { [0; 16] };
        wide[16 - unscaled.len()..].copy_from_slice(unscaled);
        let value = i128::from_be_bytes(wide);
        return from_parts(negative, value.unsigned_abs(), scale, out);
    }
    if unscaled.len() > MAX_UNSCALED {
        return Err(too_large());
    }
    let (negative, digits) = big_digits(unscaled);
    from_digits(negative, &digits, i64::from(scale), out)
}

/// `value` × 10^-`scale`.
pub fn from_i128(value: i128, scale: i32, out: &mut Vec<u8>) -> Res<()> {
    from_parts(value < 0, value.unsigned_abs(), scale, out)
}

fn from_parts(negative: bool, magnitude: u128, scale: i32, out: &mut Vec<u8>) -> Res<()> {
    // The whole number is aligned to groups of four digits around the point; u64 arithmetic where it fits.
    if (0..=36).contains(&scale) {
        let pad = (4 - scale % 4) as u32 % 4;
        if let Some(aligned) = magnitude.checked_mul(10u128.pow(pad)) {
            let fraction_groups = (scale as usize).div_ceil(4);
            return small(negative, aligned, fraction_groups, scale as u16, out);
        }
    }
    from_digits(negative, magnitude.to_string().as_bytes(), i64::from(scale), out)
}

fn small(negative: bool, mut wide: u128, fraction_groups: usize, scale: u16, out: &mut Vec<u8>) -> Res<()> {
    let mut groups = [0u16; 12];
    let mut count = 0;
    while wide > u128::from(u64::MAX) {
        groups[count] = (wide % 10_000) as u16;
        wide /= 10_000;
        count += 1;
    }
    let mut narrow = wide as u64;
    while narrow > 0 {
        groups[count] = (narrow % 10_000) as u16;
        narrow /= 10_000;
        count += 1;
    }
    let weight = count as i32 - fraction_groups as i32 - 1;
    let trailing = groups[..count].iter().take_while(|group| **group == 0).count();
    header(out, count - trailing, weight, negative, scale);
    for group in groups[trailing..count].iter().rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Ok(())
}

fn header(out: &mut Vec<u8>, groups: usize, weight: i32, negative: bool, scale: u16) {
    let (weight, sign) = match (groups, negative) {
        (0, _) => (0, POSITIVE),
        (_, true) => (weight, NEGATIVE),
        (_, false) => (weight, POSITIVE),
    };
    out.extend_from_slice(&(groups as u16).to_be_bytes());
    out.extend_from_slice(&(weight as i16).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
}

fn special(sign: u16, out: &mut Vec<u8>) -> Res<()> {
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    Ok(())
}

/// ASCII digits (an integer) × 10^-scale, of any size PostgreSQL takes.
fn from_digits(negative: bool, digits: &[u8], scale: i64, out: &mut Vec<u8>) -> Res<()> {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let digits = &digits[zeros..];
    let shown = scale.max(0);
    if shown > MAX_SCALE {
        return Err(convert(Class::OutOfRange, "a decimal has more than 16383 digits after the point"));
    }
    if digits.is_empty() {
        header(out, 0, 0, false, shown as u16);
        return Ok(());
    }
    let whole = digits.len() as i64 - scale; // digits before the point; zeros are appended for a negative scale
    if whole > MAX_WHOLE {
        return Err(too_large());
    }
    // The decimal exponent of the first digit's group, then groups of four from there on.
    let weight = (whole - 1).div_euclid(4);
    let lead = (weight + 1) * 4 - whole; // zeros to put before the first digit
    let at = |index: i64| -> u16 {
        match usize::try_from(index) {
            Ok(index) => digits.get(index).map_or(0, |digit| u16::from(digit - b'0')),
            Err(_) => 0,
        }
    };
    let mut groups: Vec<u16> = Vec::with_capacity(digits.len() / 4 + 2);
    let mut index = -lead;
    while index < digits.len() as i64 {
        groups.push(at(index) * 1000 + at(index + 1) * 100 + at(index + 2) * 10 + at(index + 3));
        index += 4;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    header(out, groups.len(), weight as i32, negative, shown as u16);
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Ok(())
}

/// Sign and ASCII digits of big-endian two's complement bytes.
fn big_digits(bytes: &[u8]) -> (bool, Vec<u8>) {
    let negative = bytes[0] & 0x80 != 0;
    let mut magnitude: Vec<u8> = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            *byte = sum;
            carry = over;
        }
    }
    let mut limbs: Vec<u32> =
        magnitude.rchunks(4).map(|chunk| chunk.iter().fold(0u32, |limb, byte| limb << 8 | u32::from(*byte))).collect();
    let mut reversed: Vec<u8> = Vec::with_capacity(bytes.len() * 5 / 2);
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
    while !limbs.is_empty() {
        let mut rest = 0u64;
        for limb in limbs.iter_mut().rev() {
            let value = rest << 32 | u64::from(*limb);
            *limb = (value / 1_000_000_000) as u32;
            rest = value % 1_000_000_000;
        }
        for _ in 0..9 {
            reversed.push(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
    }
    reversed.reverse();
    (negative, reversed)
}

/// A literal: `-12.3400`, `1e-7`, `NaN`, `Infinity`.
pub fn from_literal(text: &str, out: &mut Vec<u8>) -> Res<()> {
    match text {
        "NaN" => return special(NAN, out),
        "Infinity" => return special(INFINITY, out),
        "-Infinity" => return special(MINUS_INFINITY, out),
        _ => {}
    }
    let not_decimal = || convert(Class::TypeMismatch, "the text is no decimal number");
    let (negative, body) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mantissa_end = body.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(body.len());
    let exponent: i64 = match body.get(mantissa_end + 1..) {
        Some(digits) => std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).ok_or_else(not_decimal)?,
        None => 0,
    };
    let mantissa = &body[..mantissa_end];
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let fraction = mantissa.get(point + 1..).unwrap_or(&[]);
    let digits: Vec<u8> = mantissa[..point].iter().chain(fraction).copied().collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(not_decimal());
    }
    if exponent.abs() > 1_000_000 {
        return Err(too_large());
    }
    from_digits(negative, &digits, fraction.len() as i64 - exponent, out)
}

fn too_large() -> Box<crate::fault::Fault> {
    convert(Class::OutOfRange, "a decimal is beyond numeric's 131072 digits before the point")
}
