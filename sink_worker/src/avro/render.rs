//! Structures that no column type stands for, as JSON text.

use std::fmt::Write;

use crate::avro::cursor::Cursor;
use crate::avro::read::deeper;
use crate::avro::schema::{AvroSchema, Id, Kind};
use crate::fault::{Class, Res, fault};

/// Items of no bytes that one record may render.
const MAX_EMPTY_ITEMS: u64 = 65_536;

pub fn render(schema: &AvroSchema, id: Id, at: &mut Cursor<'_>, out: &mut String, depth: u32) -> Res<()> {
    match schema.kind(id) {
        Kind::Null => out.push_str("null"),
        Kind::Bool => out.push_str(if at.bool()? { "true" } else { "false" }),
        Kind::Int => write_to(out, at.int()?),
        Kind::Long => write_to(out, at.long()?),
        Kind::Float => {
            let value = f32::from_le_bytes(at.array()?);
            float(f64::from(value), value, out);
        }
        Kind::Double => {
            let value = f64::from_le_bytes(at.array()?);
            float(value, value, out);
        }
        Kind::Bytes => base64(at.bytes()?, out),
        Kind::Fixed(size) => base64(at.take(*size)?, out),
        Kind::Text => quote(at.text()?, out),
        Kind::Enum(symbols) => quote(&symbols[at.choice(symbols.len(), Class::InvalidEnum)?], out),
        Kind::Union(branches) => {
            deeper(at, depth)?;
            let branch = branches[at.choice(branches.len(), Class::InvalidUnion)?];
            render(schema, branch, at, out, depth + 1)?;
        }
        Kind::Record(fields) => {
            deeper(at, depth)?;
            out.push('{');
            for (index, (name, field)) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quote(name, out);
                out.push(':');
                render(schema, *field, at, out, depth + 1)?;
            }
            out.push('}');
        }
        Kind::Array(item) => items(schema, *item, false, at, out, depth)?,
        Kind::Map(item) => items(schema, *item, true, at, out, depth)?,
    }
    Ok(())
}

fn items(schema: &AvroSchema, item: Id, keyed: bool, at: &mut Cursor<'_>, out: &mut String, depth: u32) -> Res<()> {
    deeper(at, depth)?;
    out.push(if keyed { '{' } else { '[' });
    let (mut first, mut empty) = (true, 0);
    loop {
        let count = at.block()?;
        if count == 0 {
            break;
        }
        for _ in 0..count {
            let start = at.position();
            if !std::mem::take(&mut first) {
                out.push(',');
            }
            if keyed {
                quote(at.text()?, out);
                out.push(':');
            }
            render(schema, item, at, out, depth + 1)?;
            empty += u64::from(at.position() == start);
            if empty > MAX_EMPTY_ITEMS {
                return Err(fault(Class::InvalidLength, "an array has more than 65536 items of no bytes"));
            }
        }
    }
    out.push(if keyed { '}' } else { ']' });
    Ok(())
}

fn write_to(out: &mut String, number: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{number}");
}

/// The shortest text that reads back the same; what JSON has no number for is a string.
fn float(value: f64, shown: impl std::fmt::Debug, out: &mut String) {
    if value.is_finite() {
        let _ = write!(out, "{shown:?}");
    } else {
        quote(
            if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            },
            out,
        );
    }
}

pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push('"');
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize]);
            out.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    out.push('"');
}
