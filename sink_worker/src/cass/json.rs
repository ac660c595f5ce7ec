//! Structures as `jsonb` prints them: one text for equal values, so that what was read back compares equal with what comes in.
//! Scalars inside are what a reader expects: numbers for decimals, ISO 8601 for points in time, addresses without a slash.

use crate::cass::cql::Cql;
use crate::cass::jsonb::{number, object, quote};
use crate::fault::{Class, Fault, Res, convert, fault};
use crate::json::cursor::Json;
use crate::pg::time::civil_text;

const MAX_DEPTH: u32 = 64;

/// What of a number's text is a decimal that lost digits, by the connector's default modes.
#[cold]
pub fn lossy(what: &str, mode: &str) -> Box<Fault> {
    convert(Class::LossyMode, format!("{what} comes as a number that lost digits: set the connector's {mode}"))
}

/// Appends the value at the cursor. `precise`: numbers stand for a varint exactly (a converter's `decimal.format=NUMERIC`).
pub fn render(cql: Option<&Cql>, at: &mut Json<'_>, precise: bool, out: &mut String, depth: u32) -> Res<()> {
    if depth > MAX_DEPTH {
        return Err(convert(Class::TooDeep, "a structure is nested more than 64 levels"));
    }
    let first = at.peek()?;
    if first == b'n' {
        at.word("null")?;
        out.push_str("null");
        return Ok(());
    }
    match (cql, first) {
        (Some(Cql::List(item)), b'[') => {
            list(at, out, |at, out, _| render(Some(item), at, precise, out, depth + 1))?;
        }
        (Some(Cql::Tuple(items)), b'{') => tuple(items, at, precise, out, depth)?,
        (Some(Cql::Tuple(items)), b'[') => {
            list(at, out, |at, out, index| render(items.get(index), at, precise, out, depth + 1))?;
        }
        (Some(Cql::Map(_, item)), b'[') => pairs(item, at, precise, out, depth)?,
        (Some(Cql::Map(_, item)), b'{') => members(at, out, |_| Some(item), precise, depth)?,
        (Some(Cql::Udt(fields)), b'{') => {
            let of = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, cql)| cql);
            members(at, out, of, precise, depth)?;
        }
        (Some(cql), _) if cql.is_scalar() => scalar(cql, at, first, precise, out)?,
        (_, b'{') => members(at, out, |_| None, precise, depth)?,
        (_, b'[') => list(at, out, |at, out, _| render(None, at, precise, out, depth + 1))?,
        (_, b'"') => quote(at.string(&mut String::new())?, out)?,
        (_, b't' | b'f') => boolean(at, first, out)?,
        _ => number(at.number()?, out),
    }
    Ok(())
}

fn boolean(at: &mut Json<'_>, first: u8, out: &mut String) -> Res<()> {
    let word = if first == b't' { "true" } else { "false" };
    at.word(word)?;
    out.push_str(word);
    Ok(())
}

fn scalar(cql: &Cql, at: &mut Json<'_>, first: u8, precise: bool, out: &mut String) -> Res<()> {
    let mut scratch = String::new();
    let digit = matches!(first, b'-' | b'0'..=b'9');
    match (cql, first) {
        (Cql::Inet, b'"') => quote(address(at.string(&mut scratch)?), out)?,
        (Cql::Decimal, _) if digit => return Err(lossy("a decimal", "decimal.handling.mode to string or precise")),
        (Cql::VarInt, _) if digit && !precise => {
            return Err(lossy("a varint", "varint.handling.mode to string or precise"));
        }
        (Cql::Decimal | Cql::VarInt, b'"') => {
            let text = at.string(&mut scratch)?;
            match super::form::is_number(text) {
                true => number(text, out),
                false => quote(text, out)?,
            }
        }
        (Cql::Timestamp | Cql::Date | Cql::Time, _) if digit => {
            let count = at.integer()?;
            let text = match cql {
                Cql::Timestamp => {
                    civil_text(count.div_euclid(86_400_000), Some((count.rem_euclid(86_400_000)) * 1_000_000))
                }
                Cql::Date => civil_text(count, None),
                _ => crate::pg::time::clock_text(count),
            };
            quote(&text, out)?;
        }
        (_, b'"') => quote(at.string(&mut scratch)?, out)?,
        (_, b't' | b'f') => boolean(at, first, out)?,
        (_, b'{' | b'[') => render(None, at, precise, out, 0)?,
        _ => number(at.number()?, out),
    }
    Ok(())
}

/// An address without the name and the slash that Java puts before it.
pub fn address(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

fn list(
    at: &mut Json<'_>,
    out: &mut String,
    mut item: impl FnMut(&mut Json<'_>, &mut String, usize) -> Res<()>,
) -> Res<()> {
    out.push('[');
    let (mut more, mut index) = (at.open(b'[', b']')?, 0);
    while more {
        if index > 0 {
            out.push_str(", ");
        }
        item(at, out, index)?;
        index += 1;
        more = at.more(b']')?;
    }
    out.push(']');
    Ok(())
}

/// A tuple comes as a struct of `field1`, `field2`, …, and is an array.
fn tuple(items: &[Cql], at: &mut Json<'_>, precise: bool, out: &mut String, depth: u32) -> Res<()> {
    let mut texts = vec!["null".to_owned(); items.len()];
    let mut more = at.open(b'{', b'}')?;
    while more {
        let mut scratch = String::new();
        let name = at.name(&mut scratch)?;
        let place = name.strip_prefix("field").and_then(|number| number.parse::<usize>().ok());
        let place = place.and_then(|number| number.checked_sub(1)).filter(|place| *place < items.len());
        let Some(place) = place else {
            return Err(fault(Class::UnknownField, "a tuple has a field that its type has not"));
        };
        texts[place].clear();
        render(Some(&items[place]), at, precise, &mut texts[place], depth + 1)?;
        more = at.more(b'}')?;
    }
    out.push('[');
    out.push_str(&texts.join(", "));
    out.push(']');
    Ok(())
}

/// A map whose keys are no texts comes as pairs: arrays from JSON's converter, records from Avro's.
fn pairs(item: &Cql, at: &mut Json<'_>, precise: bool, out: &mut String, depth: u32) -> Res<()> {
    let mut found = Vec::new();
    let mut more = at.open(b'[', b']')?;
    while more {
        let (mut key, mut value) = (String::new(), "null".to_owned());
        if at.peek()? == b'[' {
            at.open(b'[', b']')?;
            plain(at, &mut key)?;
            if at.more(b']')? {
                value.clear();
                render(Some(item), at, precise, &mut value, depth + 1)?;
                if at.more(b']')? {
                    return Err(fault(Class::InvalidJson, "a pair of a map has three parts"));
                }
            }
        } else {
            let mut inner = at.open(b'{', b'}')?;
            while inner {
                match at.name(&mut String::new())? {
                    "key" => plain(at, &mut key)?,
                    _ => {
                        value.clear();
                        render(Some(item), at, precise, &mut value, depth + 1)?;
                    }
                }
                inner = at.more(b'}')?;
            }
        }
        found.push((key, value));
        more = at.more(b']')?;
    }
    object(found, out)
}

/// A map's key as text.
fn plain(at: &mut Json<'_>, out: &mut String) -> Res<()> {
    match at.peek()? {
        b'"' => out.push_str(at.string(&mut String::new())?),
        _ => out.push_str(&String::from_utf8_lossy(at.skip()?)),
    }
    Ok(())
}

fn members<'c>(
    at: &mut Json<'_>,
    out: &mut String,
    of: impl Fn(&str) -> Option<&'c Cql>,
    precise: bool,
    depth: u32,
) -> Res<()> {
    let mut found = Vec::new();
    let mut more = at.open(b'{', b'}')?;
    while more {
        let name = at.name(&mut String::new())?.to_owned();
        let mut value = String::new();
        render(of(&name), at, precise, &mut value, depth + 1)?;
        found.push((name, value));
        more = at.more(b'}')?;
    }
    object(found, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(cql: &str, json: &str) -> String {
        let mut out = String::new();
        let cql = Cql::parse(cql);
        render(cql.as_ref(), &mut Json::new(json.as_bytes()), false, &mut out, 0).unwrap();
        out
    }

    #[test]
    fn structures_have_one_text() {
        assert_eq!(rendered("map<text,int>", r#"{"bb":1,"a":2,"c":3,"a":4}"#), r#"{"a": 4, "c": 3, "bb": 1}"#);
        assert_eq!(rendered("map<int,text>", r#"[[2,"x"],[1,null]]"#), r#"{"1": null, "2": "x"}"#);
        assert_eq!(rendered("map<int,text>", r#"[{"key":2,"value":"x"}]"#), r#"{"2": "x"}"#);
        assert_eq!(
            rendered("tuple<int,inet,timestamp>", r#"{"field1":1,"field3":0,"field2":"/10.0.0.1"}"#),
            r#"[1, "10.0.0.1", "1970-01-01T00:00:00.000Z"]"#
        );
        assert_eq!(
            rendered("tuple<date,time>", r#"{"field1":-1,"field2":1500000}"#),
            r#"["1969-12-31", "00:00:00.001500"]"#
        );
        assert_eq!(
            rendered("address", r#"{"street":"a\"\u0001","zip":null}"#),
            r#"{"zip": null, "street": "a\"\u0001"}"#
        );
        assert_eq!(rendered("list<decimal>", r#"["1.50","2E+2"]"#), "[1.50, 200]");
    }

    #[test]
    fn a_number_for_a_decimal_is_refused() {
        let cql = Cql::parse("list<decimal>");
        let error = render(cql.as_ref(), &mut Json::new(b"[1.5]"), false, &mut String::new(), 0).unwrap_err();
        assert_eq!(error.class, Class::LossyMode);
    }
}
