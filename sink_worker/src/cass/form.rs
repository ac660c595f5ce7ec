//! How a column's values are read from events and written for PostgreSQL (the table of types in the requirements, B5).

use std::net::IpAddr;

use crate::cass::cql::Cql;
use crate::cass::json::{address, lossy, render};
use crate::fault::{Class, Res, convert};
use crate::json::connect::{Scratch, read};
use crate::json::cursor::Json;
use crate::mask::Mask;
use crate::pg::encode::{Enc, encode};
use crate::pg::{Pg, field, null_field, raw_field};
use crate::value::{Phys, Sem, Val};

const INET: (u32, u32) = (869, 1041);
const AF_INET: u8 = 2;
const AF_INET6: u8 = 3;

#[derive(Clone, Debug)]
pub enum Form {
    Scalar(Cql, Phys, Enc),
    Inet,
    Array(Box<Form>),
    Json(Cql),
    /// What no text can stand for: NULL in place of every value.
    Redacted(Box<Form>),
}

fn enc(pg: Pg, sem: Sem) -> Enc {
    Enc { pg, sem, nullable: true, zero_is_epoch: false, mask: None }
}

impl Form {
    /// `in_key`: collections become jsonb there.
    pub fn of(cql: Cql, in_key: bool) -> Form {
        let (phys, pg, sem) = match &cql {
            Cql::Boolean => (Phys::Bool, Pg::Bool, Sem::Plain),
            Cql::TinyInt | Cql::SmallInt => (Phys::Int16, Pg::Int2, Sem::Plain),
            Cql::Int => (Phys::Int32, Pg::Int4, Sem::Plain),
            Cql::BigInt => (Phys::Int64, Pg::Int8, Sem::Plain),
            Cql::Float => (Phys::F32, Pg::Float4, Sem::Plain),
            Cql::Double => (Phys::F64, Pg::Float8, Sem::Plain),
            Cql::Text => (Phys::Str, Pg::Text, Sem::Plain),
            Cql::Blob => (Phys::Bytes, Pg::Bytea, Sem::Plain),
            Cql::Decimal => (Phys::VarDec, Pg::Numeric, Sem::VarDecimal),
            Cql::VarInt => (Phys::Bytes, Pg::Numeric, Sem::Decimal(0)),
            Cql::Uuid => (Phys::Str, Pg::Uuid, Sem::Uuid),
            Cql::Timestamp => (Phys::Int64, Pg::TimestampTz, Sem::Millis),
            Cql::Date => (Phys::Int32, Pg::Date, Sem::Date),
            Cql::Time => (Phys::Int64, Pg::Time, Sem::TimeNanos),
            Cql::Duration => (Phys::Int64, Pg::Interval, Sem::DurationNanos),
            Cql::Inet => return Form::Inet,
            Cql::List(item) if item.is_scalar() && !in_key => {
                let Cql::List(item) = cql else { return Form::Json(cql) };
                return Form::Array(Box::new(Form::of(*item, false)));
            }
            _ => return Form::Json(cql),
        };
        Form::Scalar(cql, phys, enc(pg, sem))
    }

    /// The same, its values masked.
    pub fn masked(self, mask: Mask) -> Res<Form> {
        let Form::Scalar(cql, phys, bare) = self else {
            return match mask.redacts() {
                true => Ok(Form::Redacted(Box::new(self))),
                false => Err(convert(
                    Class::UnsupportedSchema,
                    "a collection, a structure or an address cannot be hashed, tokenized or shown in part: redact it",
                )),
            };
        };
        let pg = mask.column(bare.pg, phys, bare.sem)?;
        Ok(Form::Scalar(cql, phys, Enc { pg, mask: Some(mask), ..bare }))
    }

    /// The same, written as a number of the wider type that the table's column has; itself where that does not hold all of it.
    pub fn widened(self, column: &Cql) -> Form {
        match (self, column) {
            (Form::Scalar(cql, phys, bare), wide) => {
                let pg = wider(&cql, wide).unwrap_or(bare.pg);
                Form::Scalar(cql, phys, Enc { pg, ..bare })
            }
            (Form::Array(item), Cql::List(wide)) => Form::Array(Box::new(item.widened(wide))),
            (form, _) => form,
        }
    }

    /// (oid, the array's oid).
    pub fn oids(&self) -> (u32, u32) {
        match self {
            Form::Scalar(_, _, enc) => enc.pg.oids(),
            Form::Inet => INET,
            Form::Array(item) => (item.oids().1, 0),
            Form::Json(_) => Pg::Jsonb.oids(),
            Form::Redacted(form) => form.oids(),
        }
    }

    pub fn pg_type(&self) -> String {
        match self {
            Form::Scalar(_, _, enc) => enc.pg.name().to_owned(),
            Form::Inet => "inet".to_owned(),
            Form::Array(item) => format!("{}[]", item.pg_type()),
            Form::Json(_) => "jsonb".to_owned(),
            Form::Redacted(form) => form.pg_type(),
        }
    }

    /// Whether a GIN index helps.
    pub fn is_map(&self) -> bool {
        matches!(self, Form::Json(Cql::Map(_, _)))
    }

    /// Appends a COPY field of the value at the cursor. `precise`: see [`render`].
    pub fn json(&self, at: &mut Json<'_>, precise: bool, scratch: &mut Scratch, out: &mut Vec<u8>) -> Res<()> {
        let first = at.peek()?;
        if first == b'n' {
            at.word("null")?;
            null_field(out);
            return Ok(());
        }
        let digit = matches!(first, b'-' | b'0'..=b'9');
        match self {
            Form::Scalar(Cql::Decimal, _, _) if digit => {
                Err(lossy("a decimal", "decimal.handling.mode to string or precise"))
            }
            Form::Scalar(Cql::VarInt, _, _) if digit && !precise => {
                Err(lossy("a varint", "varint.handling.mode to string or precise"))
            }
            Form::Scalar(Cql::Decimal | Cql::VarInt, phys, enc) if first == b'"' => {
                let text = at.string(&mut scratch.text)?;
                if *phys == Phys::Bytes && precise {
                    // Base64 of the unscaled bytes, as JSON's converter writes a Connect decimal.
                    return encode(enc, Val::Str(text), out);
                }
                numeral(enc, text, out)
            }
            Form::Scalar(_, phys, enc) => {
                let value = read(*phys, at, scratch)?;
                encode(enc, value, out)
            }
            Form::Inet => put_inet(at.string(&mut scratch.text)?, out),
            Form::Array(item) => {
                let mut elements = Elements::default();
                let mut more = at.open(b'[', b']')?;
                while more {
                    elements.add(|out| item.json(at, precise, scratch, out))?;
                    more = at.more(b']')?;
                }
                elements.close(item.oids().0, out);
                Ok(())
            }
            Form::Json(cql) => {
                let mut text = String::new();
                render(Some(cql), at, precise, &mut text, 0)?;
                put_jsonb(&text, out)
            }
            Form::Redacted(_) => {
                at.skip()?;
                null_field(out);
                Ok(())
            }
        }
    }

    /// Appends a COPY field of a value that Avro's reader gave.
    pub fn value(&self, value: Val<'_>, precise: bool, scratch: &mut Scratch, out: &mut Vec<u8>) -> Res<()> {
        match (self, value) {
            (_, Val::Null) | (Form::Redacted(_), _) => null_field(out),
            (Form::Scalar(Cql::Decimal, _, _), Val::F64(_) | Val::F32(_)) => {
                return Err(lossy("a decimal", "decimal.handling.mode to string or precise"));
            }
            (Form::Scalar(Cql::VarInt, _, _), Val::Int(_)) => {
                return Err(lossy("a varint", "varint.handling.mode to string or precise"));
            }
            (Form::Scalar(Cql::Decimal | Cql::VarInt, _, enc), Val::Str(text)) => return numeral(enc, text, out),
            (Form::Scalar(_, _, enc), value) => return encode(enc, value, out),
            (Form::Inet, Val::Str(text)) => return put_inet(text, out),
            (Form::Array(_) | Form::Json(_), Val::Json(text)) => {
                return self.json(&mut Json::new(text.as_bytes()), precise, scratch, out);
            }
            _ => return Err(convert(Class::TypeMismatch, format!("a value is none of type {}", self.pg_type()))),
        }
        Ok(())
    }
}

/// The type of a column that numbers of a narrower one are written to without loss.
fn wider(cql: &Cql, column: &Cql) -> Option<Pg> {
    let whole = |most: u8| match cql {
        Cql::TinyInt | Cql::SmallInt => true,
        Cql::Int => most >= 4,
        Cql::BigInt => most >= 8,
        _ => false,
    };
    match column {
        Cql::Int if whole(2) => Some(Pg::Int4),
        Cql::BigInt if whole(4) => Some(Pg::Int8),
        Cql::Decimal if whole(8) => Some(Pg::Numeric),
        Cql::Double if whole(4) || *cql == Cql::Float => Some(Pg::Float8),
        _ => None,
    }
}

pub fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().next().is_some_and(|first| first.is_ascii_digit())
        && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
}

/// A number in a text.
fn numeral(enc: &Enc, text: &str, out: &mut Vec<u8>) -> Res<()> {
    if !is_number(text) {
        return Err(convert(Class::TypeMismatch, "the text is no number"));
    }
    encode(&Enc { sem: Sem::Plain, ..*enc }, Val::Str(text), out)
}

/// PostgreSQL's inet: family, bits, whether it is a network, length, address.
fn put_inet(text: &str, out: &mut Vec<u8>) -> Res<()> {
    let plain = address(text).split('%').next().unwrap_or_default();
    let parsed: IpAddr = plain.parse().map_err(|_| convert(Class::TypeMismatch, "the text is no internet address"))?;
    match parsed {
        IpAddr::V4(address) => raw_field(out, &[&[AF_INET, 32, 0, 4][..], &address.octets()].concat()),
        IpAddr::V6(address) => raw_field(out, &[&[AF_INET6, 128, 0, 16][..], &address.octets()].concat()),
    }
    Ok(())
}

fn put_jsonb(text: &str, out: &mut Vec<u8>) -> Res<()> {
    field(out, |out| {
        out.push(1);
        out.extend_from_slice(text.as_bytes());
        Ok(())
    })
}

/// A one-dimensional array in the making, exactly as array_send() writes it.
#[derive(Default)]
pub struct Elements {
    count: i32,
    nulls: bool,
    bytes: Vec<u8>,
}

impl Elements {
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Res<()>) -> Res<()> {
        let start = self.bytes.len();
        write(&mut self.bytes)?;
        self.nulls |= self.bytes[start..].starts_with(&[0xff; 4]);
        self.count += 1;
        Ok(())
    }

    /// Appends the array's bytes, without their length.
    pub fn bare(self, oid: u32, out: &mut Vec<u8>) {
        let words = [i32::from(self.count > 0), i32::from(self.nulls), oid as i32];
        words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        if self.count > 0 {
            out.extend_from_slice(&self.count.to_be_bytes());
            out.extend_from_slice(&1i32.to_be_bytes());
        }
        out.extend_from_slice(&self.bytes);
    }

    pub fn close(self, oid: u32, out: &mut Vec<u8>) {
        let length = 12 + self.bytes.len() + if self.count > 0 { 8 } else { 0 };
        out.extend_from_slice(&(length as i32).to_be_bytes());
        self.bare(oid, out);
    }
}
