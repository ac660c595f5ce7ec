//! One value as one COPY field of its column's type.

use crate::fault::{Class, Fault, Res, convert};
use crate::json::text;
use crate::mask::Mask;
use crate::pg::{Pg, field, null_field, numeric, raw_field, time};
use crate::value::{Binary, Sem, Val, decode_binary};

/// How a column's values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enc {
    pub pg: Pg,
    pub sem: Sem,
    pub nullable: bool,
    /// A text 0000-00-00… becomes 1970-01-01 rather than NULL.
    pub zero_is_epoch: bool,
    pub mask: Option<Mask>,
}

#[cold]
#[inline(never)]
fn mismatch(enc: &Enc, value: &Val<'_>) -> Box<Fault> {
    let found = match value {
        Val::Null => "null",
        Val::Bool(_) => "a boolean",
        Val::Int(_) => "an integer",
        Val::F32(_) | Val::F64(_) => "a float",
        Val::Str(_) => "a text",
        Val::Bytes(_) => "bytes",
        Val::Num(_) => "a number",
        Val::Dec { .. } => "a decimal",
        Val::Geo { .. } => "a geometry",
        Val::Json(_) => "a structure",
    };
    convert(Class::TypeMismatch, format!("{found} is no value of type {}", enc.pg.name()))
}

#[cold]
fn beyond(enc: &Enc) -> Box<Fault> {
    convert(Class::OutOfRange, format!("the value is outside the range of type {}", enc.pg.name()))
}

/// Appends the field: int32 length and value, or NULL.
#[inline]
pub fn encode(enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
    if let Some(mask) = &enc.mask {
        return mask.encode(enc, value, out);
    }
    match (enc.pg, value) {
        (_, Val::Null) if enc.nullable => null_field(out),
        (_, Val::Null) => return Err(convert(Class::NullNotAllowed, "null in a column that is required")),
        (Pg::Text, Val::Str(value)) => put_text(value, out)?,
        (Pg::Int4, Val::Int(value)) => raw_field(out, &narrow::<i32>(enc, value)?.to_be_bytes()),
        (Pg::Int8, Val::Int(value)) => raw_field(out, &value.to_be_bytes()),
        (Pg::Int2, Val::Int(value)) => raw_field(out, &narrow::<i16>(enc, value)?.to_be_bytes()),
        (Pg::Bool, Val::Bool(value)) => raw_field(out, &[u8::from(value)]),
        (Pg::Float8, Val::F64(value)) => raw_field(out, &value.to_be_bytes()),
        (Pg::Bytea, Val::Bytes(value)) => raw_field(out, value),
        (Pg::Numeric, Val::Bytes(value)) => {
            let Sem::Decimal(scale) = enc.sem else { return Err(mismatch(enc, &value_of(value))) };
            field(out, |out| numeric::from_unscaled(value, scale, out))?;
        }
        _ => encode_other(enc, value, out)?,
    }
    Ok(())
}

fn value_of(bytes: &[u8]) -> Val<'_> {
    Val::Bytes(bytes)
}

fn narrow<T: TryFrom<i64>>(enc: &Enc, value: i64) -> Res<T> {
    T::try_from(value).map_err(|_| beyond(enc))
}

#[inline]
fn put_text(value: &str, out: &mut Vec<u8>) -> Res<()> {
    if memchr::memchr(0, value.as_bytes()).is_some() {
        return Err(convert(Class::NulInText, "the text holds a NUL character, which PostgreSQL cannot store"));
    }
    raw_field(out, value.as_bytes());
    Ok(())
}

fn encode_other(enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
    match enc.pg {
        Pg::Bool => raw_field(out, &[u8::from(boolean(enc, value)?)]),
        Pg::Int2 => raw_field(out, &narrow::<i16>(enc, integer(enc, value)?)?.to_be_bytes()),
        Pg::Int4 => raw_field(out, &narrow::<i32>(enc, integer(enc, value)?)?.to_be_bytes()),
        Pg::Int8 => raw_field(out, &integer(enc, value)?.to_be_bytes()),
        Pg::Float4 => raw_field(out, &single(enc, value)?.to_be_bytes()),
        Pg::Float8 => raw_field(out, &double(enc, value)?.to_be_bytes()),
        Pg::Numeric => field(out, |out| decimal(enc, value, out))?,
        Pg::Text => any_text(enc, value, out)?,
        Pg::Bytea => bytea(enc, value, out)?,
        Pg::Uuid => raw_field(out, &uuid(enc, value)?),
        Pg::Json => field(out, |out| json(enc, value, out))?,
        Pg::Jsonb => field(out, |out| {
            out.push(1); // the version of jsonb's binary form
            json(enc, value, out)
        })?,
        Pg::VarBit => field(out, |out| bits(enc, value, out))?,
        Pg::Geometry => field(out, |out| ewkb(enc, value, out))?,
        Pg::Date | Pg::Time | Pg::TimeTz | Pg::Timestamp | Pg::TimestampTz | Pg::Interval => {
            if let Val::Str(text) = value
                && time::is_zero(text)
            {
                let replaced = if enc.zero_is_epoch { Val::Str("1970-01-01") } else { Val::Null };
                return if enc.zero_is_epoch { temporal(enc, replaced, out) } else { encode(enc, replaced, out) };
            }
            temporal(enc, value, out)?;
        }
    }
    Ok(())
}

fn boolean(enc: &Enc, value: Val<'_>) -> Res<bool> {
    match value {
        Val::Bool(value) => Ok(value),
        Val::Str("true" | "t") => Ok(true),
        Val::Str("false" | "f") => Ok(false),
        _ => match integer(enc, value)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(beyond(enc)),
        },
    }
}

fn integer(enc: &Enc, value: Val<'_>) -> Res<i64> {
    match value {
        Val::Int(value) => Ok(value),
        Val::Bool(value) => Ok(i64::from(value)),
        Val::Num(text) | Val::Str(text) => text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => beyond(enc),
            _ => mismatch(enc, &value),
        }),
        _ => Err(mismatch(enc, &value)),
    }
}

fn single(enc: &Enc, value: Val<'_>) -> Res<f32> {
    match value {
        Val::F32(value) => Ok(value),
        Val::Num(text) | Val::Str(text) => match text.parse::<f32>() {
            Ok(value) if value.is_finite() || is_special(text) => Ok(value),
            Ok(_) => Err(beyond(enc)),
            Err(_) => Err(mismatch(enc, &value)),
        },
        _ => Err(mismatch(enc, &value)),
    }
}

fn double(enc: &Enc, value: Val<'_>) -> Res<f64> {
    match value {
        Val::F64(value) => Ok(value),
        Val::F32(value) => Ok(f64::from(value)),
        // Every integer of up to 53 bits is a double; a larger one would change.
        Val::Int(value) if value.unsigned_abs() <= 1 << 53 => Ok(value as f64),
        Val::Int(_) => Err(beyond(enc)),
        Val::Num(text) | Val::Str(text) => match text.parse::<f64>() {
            Ok(value) if value.is_finite() || is_special(text) => Ok(value),
            Ok(_) => Err(beyond(enc)),
            Err(_) => Err(mismatch(enc, &value)),
        },
        _ => Err(mismatch(enc, &value)),
    }
}

fn is_special(text: &str) -> bool {
    matches!(text, "NaN" | "Infinity" | "-Infinity")
}

fn decimal(enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
    match (value, enc.sem) {
        (Val::Int(value), Sem::Unsigned) => numeric::from_i128(i128::from(value as u64), 0, out),
        (Val::Int(value), _) => numeric::from_i128(i128::from(value), 0, out),
        (Val::Dec { scale, unscaled }, _) => numeric::from_unscaled(unscaled, scale, out),
        (Val::Bytes(bytes), Sem::Decimal(scale)) => numeric::from_unscaled(bytes, scale, out),
        (Val::Str(text), Sem::Decimal(scale)) => {
            let mut bytes = Vec::new();
            decode_binary(text.as_bytes(), Binary::Base64, &mut bytes)
                .ok_or_else(|| convert(Class::TypeMismatch, "a decimal's text is no base64"))?;
            numeric::from_unscaled(&bytes, scale, out)
        }
        (Val::Num(text) | Val::Str(text), _) => numeric::from_literal(text, out),
        _ => Err(mismatch(enc, &value)),
    }
}

/// Text, integers and booleans as text; a fault for anything else.
pub fn any_text(enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
    match value {
        Val::Str(value) => put_text(value, out),
        Val::Num(value) | Val::Json(value) => put_text(value, out),
        Val::Int(value) if enc.sem == Sem::Unsigned => put_text(&(value as u64).to_string(), out),
        Val::Int(value) => put_text(&value.to_string(), out),
        Val::Bool(value) => put_text(if value { "true" } else { "false" }, out),
        _ => Err(mismatch(enc, &value)),
    }
}

fn bytea(enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
    match (value, enc.sem) {
        (Val::Bytes(bytes) | Val::Geo { wkb: bytes, .. }, _) => raw_field(out, bytes),
        (Val::Str(text), Sem::Text(binary)) => {
            let mut bytes = Vec::new();
            decode_binary(text.as_bytes(), binary, &mut bytes).ok_or_else(|| {
                convert(Class::TypeMismatch, "the text does not stand for bytes in the binary mode set")
            })?;
            raw_field(out, &bytes);
        }
        _ => return Err(mismatch(enc, &value)),
    }
    Ok(())
}

fn uuid(enc: &Enc, value: Val<'_>) -> Res<[u8; 16]> {
    let wrong = || convert(Class::TypeMismatch, "the text is no UUID");
    match value {
        Val::Str(text) => {
            let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
            let mut bytes = Vec::with_capacity(16);
            decode_binary(&digits, Binary::Hex, &mut bytes).ok_or_else(wrong)?;
            bytes.try_into().map_err(|_| wrong())
        }
        Val::Bytes(bytes) => bytes.try_into().map_err(|_| wrong()),
        _ => Err(mismatch(enc, &value)),
    }
}

fn json(enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
    match value {
        Val::Str(value) | Val::Json(value) => {
            text::check(value)?;
            out.extend_from_slice(value.as_bytes());
        }
        Val::Num(value) => out.extend_from_slice(value.as_bytes()),
        Val::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Val::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        _ => return Err(mismatch(enc, &value)),
    }
    Ok(())
}

/// Bits from little-endian bytes: int32 count, then the bits with the most significant first.
fn bits(enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
    let mut decoded = Vec::new();
    let bytes = match value {
        Val::Bytes(bytes) => bytes,
        Val::Bool(value) => {
            out.extend_from_slice(&1i32.to_be_bytes());
            out.push(if value { 0x80 } else { 0 });
            return Ok(());
        }
        Val::Str(text) => {
            decode_binary(text.as_bytes(), Binary::Base64, &mut decoded)
                .ok_or_else(|| convert(Class::TypeMismatch, "the bits' text is no base64"))?;
            &decoded
        }
        _ => return Err(mismatch(enc, &value)),
    };
    let count = match enc.sem {
        Sem::Bits(Some(count)) => count as usize,
        _ => bytes.len() * 8,
    };
    if count > 83_886_080 {
        return Err(beyond(enc)); // PostgreSQL's largest n of bit varying(n)
    }
    let at = |index: usize| bytes.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
    if (count..bytes.len() * 8).any(at) {
        return Err(convert(Class::OutOfRange, format!("bits are set beyond the column's {count}")));
    }
    out.extend_from_slice(&(count as i32).to_be_bytes());
    for byte in 0..count.div_ceil(8) {
        let one = (0..8).filter(|bit| byte * 8 + bit < count).filter(|bit| at(count - 1 - (byte * 8 + bit)));
        out.push(one.fold(0u8, |sum, bit| sum | 0x80 >> bit));
    }
    Ok(())
}

/// Well-known binary with its SRID, as PostGIS's input takes it.
fn ewkb(enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
    let (wkb, srid) = match value {
        Val::Geo { wkb, srid } => (wkb, srid.filter(|srid| *srid != 0)),
        Val::Bytes(bytes) => (bytes, None),
        _ => return Err(mismatch(enc, &value)),
    };
    let [order, a, b, c, d, rest @ ..] = wkb else {
        return Err(convert(Class::TypeMismatch, "a geometry's WKB is shorter than its header"));
    };
    let little = match order {
        0 => false,
        1 => true,
        _ => return Err(convert(Class::TypeMismatch, "a geometry's WKB has no byte order")),
    };
    let code = if little { u32::from_le_bytes([*a, *b, *c, *d]) } else { u32::from_be_bytes([*a, *b, *c, *d]) };
    let Some(srid) = srid.filter(|_| code & 0x2000_0000 == 0) else {
        out.extend_from_slice(wkb);
        return Ok(());
    };
    let code = code | 0x2000_0000;
    out.push(*order);
    out.extend_from_slice(&if little { code.to_le_bytes() } else { code.to_be_bytes() });
    out.extend_from_slice(&if little { srid.to_le_bytes() } else { srid.to_be_bytes() });
    out.extend_from_slice(rest);
    Ok(())
}

fn temporal(enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
    match enc.pg {
        Pg::Date => {
            let days = match value {
                Val::Str(text) => time::parse_date(text)?,
                _ => integer(enc, value)?,
            };
            raw_field(out, &time::date(days)?.to_be_bytes());
        }
        Pg::Timestamp | Pg::TimestampTz => raw_field(out, &time::timestamp(instant(enc, value)?)?.to_be_bytes()),
        Pg::Time => raw_field(out, &time::time_of_day(clock(enc, value)?)?.to_be_bytes()),
        Pg::TimeTz => {
            let (micros, east) = match value {
                Val::Str(text) => time::parse_time(text)?,
                _ => (clock(enc, value)?, 0),
            };
            out.extend_from_slice(&12i32.to_be_bytes());
            out.extend_from_slice(&time::time_of_day(micros)?.to_be_bytes());
            out.extend_from_slice(&(-east as i32).to_be_bytes()); // PostgreSQL counts west of UTC
        }
        _ => {
            let (months, days, micros) = match value {
                Val::Str(text) if text.starts_with(['P', '-']) => time::parse_interval(text)?,
                _ => (0, 0, clock(enc, value)?),
            };
            out.extend_from_slice(&16i32.to_be_bytes());
            out.extend_from_slice(&micros.to_be_bytes());
            out.extend_from_slice(&days.to_be_bytes());
            out.extend_from_slice(&months.to_be_bytes());
        }
    }
    Ok(())
}

/// µs since 1970.
fn instant(enc: &Enc, value: Val<'_>) -> Res<i128> {
    if let Val::Str(text) = value {
        return time::parse_timestamp(text);
    }
    let count = integer(enc, value)?;
    match enc.sem {
        Sem::Millis => Ok(i128::from(count) * 1_000),
        Sem::Nanos => Ok(i128::from(count.div_euclid(1_000))),
        Sem::Date => Ok(time::days_to_micros(count)),
        _ => Ok(i128::from(count)),
    }
}

/// µs since midnight, or of a duration.
fn clock(enc: &Enc, value: Val<'_>) -> Res<i64> {
    if let Val::Str(text) = value {
        return Ok(time::parse_time(text)?.0);
    }
    let count = integer(enc, value)?;
    match enc.sem {
        Sem::TimeMillis => time::from_millis(count),
        Sem::TimeNanos | Sem::DurationNanos => Ok(count.div_euclid(1_000)),
        _ => Ok(count),
    }
}
