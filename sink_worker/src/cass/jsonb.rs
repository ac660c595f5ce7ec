//! Objects, strings and numbers as `jsonb` prints them.

use crate::fault::{Class, Res, convert};

/// jsonb's order of keys: by length, then by bytes; of one that comes twice the last counts.
pub fn object(mut found: Vec<(String, String)>, out: &mut String) -> Res<()> {
    found.sort_by(|left, right| left.0.len().cmp(&right.0.len()).then_with(|| left.0.cmp(&right.0)));
    out.push('{');
    let mut first = true;
    for (index, (name, value)) in found.iter().enumerate() {
        if found.get(index + 1).is_some_and(|next| next.0 == *name) {
            continue;
        }
        if !first {
            out.push_str(", ");
        }
        first = false;
        quote(name, out)?;
        out.push_str(": ");
        out.push_str(value);
    }
    out.push('}');
    Ok(())
}

/// A JSON string.
pub fn quote(text: &str, out: &mut String) -> Res<()> {
    out.push('"');
    for character in text.chars() {
        match character {
            '\0' => return Err(convert(Class::NulInText, "a text holds a NUL character, which jsonb cannot store")),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{1}'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
    Ok(())
}

/// A number as PostgreSQL's numeric prints it: no exponent, the scale that was written.
pub fn number(literal: &str, out: &mut String) {
    let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
    // Beyond what numeric holds it is refused there; the text stays as it is.
    let Ok(exponent) = exponent.parse::<i64>() else { return out.push_str(literal) };
    if exponent.abs() > 20_000 {
        return out.push_str(literal);
    }
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    let mut scale = fraction.len() as i64 - exponent;
    while scale < 0 {
        digits.push('0');
        scale += 1;
    }
    let scale = scale as usize;
    while digits.len() <= scale {
        digits.insert(0, '0');
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let whole = whole.trim_start_matches('0');
    if negative && digits.bytes().any(|digit| digit != b'0') {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_numeric_prints_them() {
        for (literal, text) in [
            ("1.0E10", "10000000000"),
            ("1.10", "1.10"),
            ("-0.0", "0.0"),
            ("1e-7", "0.0000001"),
            ("120", "120"),
            ("-1.5e1", "-15"),
        ] {
            let mut out = String::new();
            number(literal, &mut out);
            assert_eq!(out, text);
        }
    }
}
