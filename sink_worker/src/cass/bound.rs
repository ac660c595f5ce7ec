//! Ranges of rows within a partition: the bounds of a range tombstone, and which rows lie between them.

use std::cmp::Ordering;

use crate::cass::form::Form;
use crate::cass::order::Order;
use crate::fault::{Class, Res, convert, fault};
use crate::json::connect::Scratch;
use crate::json::cursor::Json;
use crate::pg::raw_field;
use crate::value::Val;

const PACKAGE: &str = "org.apache.cassandra.db.marshal.";

type Found = Option<(Vec<u8>, Order, bool)>;

/// A clustering column in the key's order.
pub struct Clustering<'a> {
    pub name: &'a str,
    pub form: &'a Form,
}

#[cold]
fn unknown(class: &str) -> Box<crate::fault::Fault> {
    let known: String = class.chars().filter(|character| character.is_ascii_graphic()).take(120).collect();
    convert(Class::UnknownMarshal, format!("a range is bound by a value of {known}, whose order is not known"))
}

/// The order of a marshal class, and whether it is reversed.
fn order_of(class: &str) -> Res<(Order, bool)> {
    let short = class.strip_prefix(PACKAGE).ok_or_else(|| unknown(class))?;
    let inner = short.strip_prefix("ReversedType(").and_then(|rest| rest.strip_suffix(')'));
    let plain = match inner {
        Some(inner) => inner.strip_prefix(PACKAGE).ok_or_else(|| unknown(class))?,
        None => short,
    };
    let order = match plain {
        "Int32Type" | "LongType" | "ShortType" | "ByteType" | "TimestampType" | "SimpleDateType" | "TimeType" => {
            Order::Signed
        }
        "UTF8Type" | "AsciiType" | "BytesType" | "BooleanType" => Order::Unsigned,
        "FloatType" | "DoubleType" => Order::Float,
        "DecimalType" | "IntegerType" => Order::Numeric,
        "UUIDType" => Order::Uuid,
        "TimeUUIDType" => Order::TimeUuid,
        "InetAddressType" => Order::Inet,
        _ => return Err(unknown(class)),
    };
    Ok((order, inner.is_some()))
}

/// A bound as it is stored: whether it includes its prefix, the count of its values, and of each: order, direction, field.
/// `values` come in any order; they have to be those of the first clustering columns.
fn bound(at: &mut Json<'_>, start: bool, columns: &[Clustering<'_>], out: &mut Vec<u8>) -> Res<()> {
    let mut method = None;
    let mut found: Vec<Found> = columns.iter().map(|_| None).collect();
    let mut more = at.open(b'{', b'}')?;
    while more {
        let mut scratch = String::new();
        match at.name(&mut scratch)? {
            "method" => method = Some(at.string(&mut String::new())?.to_owned()),
            "values" => {
                let mut items = at.open(b'[', b']')?;
                while items {
                    value(at, columns, &mut found)?;
                    items = at.more(b']')?;
                }
            }
            _ => drop(at.skip()?),
        }
        more = at.more(b'}')?;
    }
    let inclusive = match (method.as_deref(), start) {
        (Some("INCL_START_BOUND"), true) | (Some("INCL_END_BOUND"), false) => true,
        (Some("EXCL_START_BOUND"), true) | (Some("EXCL_END_BOUND"), false) => false,
        _ => return Err(convert(Class::UnsupportedSchema, "a range has a bound of an unknown kind")),
    };
    let count = found.iter().take_while(|value| value.is_some()).count();
    if found[count..].iter().any(Option::is_some) {
        return Err(convert(Class::MissingKey, "a range's bound lacks a clustering column before another"));
    }
    out.extend([u8::from(inclusive), count as u8]);
    for (field, order, reversed) in found.into_iter().flatten() {
        out.extend([order.code(), u8::from(reversed)]);
        out.extend_from_slice(&field);
    }
    Ok(())
}

fn value(at: &mut Json<'_>, columns: &[Clustering<'_>], found: &mut [Found]) -> Res<()> {
    let (mut name, mut text, mut class) = (None, None, None);
    let mut more = at.open(b'{', b'}')?;
    while more {
        let mut scratch = String::new();
        let place = match at.name(&mut scratch)? {
            "name" => &mut name,
            "value" => &mut text,
            "type" => &mut class,
            _ => return Err(fault(Class::UnknownField, "a bound's value has an unknown part")),
        };
        *place = Some(at.string(&mut String::new())?.to_owned());
        more = at.more(b'}')?;
    }
    let (Some(name), Some(text), Some(class)) = (name, text, class) else {
        return Err(fault(Class::MissingField, "a bound's value lacks its name, its value or its type"));
    };
    let bare = unquoted(&name);
    let place = columns.iter().position(|column| column.name == bare);
    let place = place
        .ok_or_else(|| convert(Class::UnknownField, "a range is bound by a column that is no clustering column"))?;
    let (order, reversed) = order_of(&class)?;
    let mut field = Vec::new();
    text_field(columns[place].form, order, &class, &text, &mut field).map_err(|why| why.at(&bare))?;
    found[place] = Some((field, order, reversed));
    Ok(())
}

/// A name as CQL writes it: in quotes where it is not all lower case.
fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

/// The COPY field of a value that `AbstractType#getString` wrote.
fn text_field(form: &Form, order: Order, class: &str, text: &str, out: &mut Vec<u8>) -> Res<()> {
    let mut scratch = Scratch::default();
    let fits = match (form, order) {
        (Form::Inet, Order::Inet) => true,
        (Form::Scalar(cql, _, _), order) => natural(cql, order),
        _ => false,
    };
    if !fits {
        return Err(convert(Class::KeyMismatch, "a range's bound is of another type than the column"));
    }
    match form {
        Form::Scalar(_, _, enc) if enc.mask.is_some() => {
            Err(convert(Class::UnsupportedSchema, "a range is bound by a masked column, whose order is lost"))
        }
        Form::Scalar(_, _, _) if class.contains("BytesType") => {
            let mut bytes = Vec::new();
            crate::value::decode_binary(text.as_bytes(), crate::value::Binary::Hex, &mut bytes)
                .ok_or_else(|| convert(Class::TypeMismatch, "a bound's bytes are no hexadecimal digits"))?;
            raw_field(out, &bytes);
            Ok(())
        }
        _ => form.value(Val::Str(text), false, &mut scratch, out),
    }
}

fn natural(cql: &crate::cass::cql::Cql, order: Order) -> bool {
    use crate::cass::cql::Cql;
    match order {
        Order::Signed => {
            matches!(
                cql,
                Cql::TinyInt | Cql::SmallInt | Cql::Int | Cql::BigInt | Cql::Timestamp | Cql::Date | Cql::Time
            )
        }
        Order::Unsigned => matches!(cql, Cql::Text | Cql::Blob | Cql::Boolean),
        Order::Float => matches!(cql, Cql::Float | Cql::Double),
        Order::Numeric => matches!(cql, Cql::Decimal | Cql::VarInt),
        Order::Uuid | Order::TimeUuid => matches!(cql, Cql::Uuid),
        Order::Inet => matches!(cql, Cql::Inet),
    }
}

/// Both bounds, as they are stored and compared; the bytes are also what tells one range from another.
pub fn range(start: &mut Json<'_>, end: &mut Json<'_>, columns: &[Clustering<'_>]) -> Res<Vec<u8>> {
    let mut out = Vec::new();
    bound(start, true, columns, &mut out)?;
    bound(end, false, columns, &mut out)?;
    Ok(out)
}

/// Takes a COPY field's value off the front; None: NULL, or not whole.
pub fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    let value = after.get(..length)?;
    *rest = &after[length..];
    Some(value)
}

/// Compares a row's clustering (its fields) with a bound's prefix, and takes the bound off the front.
fn against(clustering: &[u8], rest: &mut &[u8]) -> Option<(Ordering, bool)> {
    let (inclusive, count) = (*rest.first()? == 1, *rest.get(1)?);
    *rest = &rest[2..];
    let mut row = clustering;
    let mut found = Ordering::Equal;
    for _ in 0..count {
        let (order, reversed) = (Order::of_code(*rest.first()?)?, *rest.get(1)? == 1);
        *rest = &rest[2..];
        let (limit, value) = (take(rest)?, take(&mut row)?);
        if found == Ordering::Equal {
            let by_type = order.compare(value, limit);
            found = if reversed { by_type.reverse() } else { by_type };
        }
    }
    Some((found, inclusive))
}

/// Whether a row lies in a range; a range of no bytes is the whole partition.
pub fn covers(range: &[u8], clustering: &[u8]) -> bool {
    if range.is_empty() {
        return true;
    }
    let mut rest = range;
    let Some((start, from)) = against(clustering, &mut rest) else { return false };
    let Some((end, to)) = against(clustering, &mut rest) else { return false };
    (start == Ordering::Greater || (start == Ordering::Equal && from))
        && (end == Ordering::Less || (end == Ordering::Equal && to))
}
