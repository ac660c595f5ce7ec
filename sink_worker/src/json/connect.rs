//! Connect's schemas as its JsonConverter writes them, and the readers compiled from them.

use std::collections::HashMap;

use serde_json::Value;

use crate::fault::{Class, Fault, Res, fault};
use crate::json::cursor::Json;
use crate::value::{Binary, FieldSpec, Note, Phys, Sem, Val, classify, decode_binary};

/// A struct of a Connect schema.
pub struct Struct {
    pub name: Option<String>,
    pub fields: Vec<JsonField>,
    by_name: HashMap<String, usize>,
}

pub struct JsonField {
    pub spec: FieldSpec,
    /// `"name":`, as it comes where nothing had to be escaped.
    quoted: Vec<u8>,
    /// The value of a field that is absent, as JSON.
    default: Option<Box<[u8]>>,
    /// Its fields where it is a struct.
    pub inner: Option<Box<Struct>>,
}

/// Buffers that values which are no slice of the record live in.
#[derive(Default)]
pub struct Scratch {
    pub text: String,
    pub bytes: Vec<u8>,
}

impl Struct {
    /// Parses the schema's text; None where it is no struct (a primitive key, an array).
    pub fn parse(schema: &[u8]) -> Result<Option<Struct>, String> {
        let json: Value = serde_json::from_slice(schema).map_err(|error| format!("the schema is no JSON: {error}"))?;
        if json.get("type").and_then(Value::as_str) != Some("struct") {
            return Ok(None);
        }
        Struct::from_json(&json, 0).map(Some)
    }

    fn from_json(json: &Value, depth: u32) -> Result<Struct, String> {
        let fields = json.get("fields").and_then(Value::as_array).ok_or("a struct of the schema has no fields")?;
        let fields: Result<Vec<JsonField>, String> =
            fields.iter().map(|field| JsonField::parse(field, depth)).collect();
        let name = json.get("name").and_then(Value::as_str).map(str::to_owned);
        Ok(Struct::new(name, fields?))
    }

    fn new(name: Option<String>, fields: Vec<JsonField>) -> Struct {
        let by_name = fields.iter().enumerate().map(|(index, field)| (field.spec.name.clone(), index)).collect();
        Struct { name, fields, by_name }
    }

    /// The struct of an object that came without schema: its names, their types unknown.
    pub fn schemaless(names: &[String]) -> Struct {
        let field = |name: &String| {
            let spec = FieldSpec {
                name: name.clone(),
                phys: Phys::Any,
                sem: Sem::Plain,
                optional: true,
                note: Note::default(),
            };
            JsonField { quoted: quoted(name), spec, default: None, inner: None }
        };
        Struct::new(None, names.iter().map(field).collect())
    }

    pub fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Gives each member to `sink` in one pass, if exactly the struct's fields come in its order, as converters write
    /// them. False: they do not; what the sink was given so far is void.
    pub fn in_order(&self, at: &mut Json<'_>, sink: &mut impl Sink) -> Res<bool> {
        at.expect(b'{')?;
        for (index, field) in self.fields.iter().enumerate() {
            if index > 0 {
                at.space();
                if !at.literally(b",") {
                    return Ok(false);
                }
            }
            at.space();
            if !at.literally(&field.quoted) {
                return Ok(false);
            }
            sink.field(index, at)?;
        }
        at.space();
        Ok(at.literally(b"}"))
    }

    /// The same for members in any order (of a name that comes twice the last one counts), absent ones by default.
    pub fn by_place(&self, at: &mut Json<'_>, lenient: bool, sink: &mut impl Sink) -> Res<()> {
        let mut places = vec![None; self.fields.len()];
        let mut scratch = String::new();
        let mut more = at.open(b'{', b'}')?;
        while more {
            match self.index(at.name(&mut scratch)?) {
                Some(index) => {
                    places[index] = Some(at.clone());
                }
                None if lenient => {}
                None => return Err(fault(Class::UnknownField, "a field is not in the record's own schema")),
            }
            at.skip()?;
            more = at.more(b'}')?;
        }
        for (index, (place, field)) in places.iter().zip(&self.fields).enumerate() {
            match (place, &field.default) {
                (Some(place), _) => sink.field(index, &mut place.clone())?,
                (None, Some(default)) => sink.field(index, &mut Json::new(default))?,
                (None, None) if field.spec.optional => sink.field(index, &mut Json::new(b"null"))?,
                (None, None) => {
                    return Err(fault(Class::MissingField, "a required field is absent").at(&field.spec.name));
                }
            }
        }
        Ok(())
    }
}

/// What takes the values of a struct's fields.
pub trait Sink {
    fn field(&mut self, index: usize, at: &mut Json<'_>) -> Res<()>;
}

fn quoted(name: &str) -> Vec<u8> {
    let mut quoted = Value::String(name.to_owned()).to_string();
    quoted.push(':');
    quoted.into_bytes()
}

impl JsonField {
    fn parse(json: &Value, depth: u32) -> Result<JsonField, String> {
        let name = json.get("field").and_then(Value::as_str).ok_or("a field of the schema has no name")?;
        let semantic = json.get("name").and_then(Value::as_str);
        let natural = physical(json.get("type").and_then(Value::as_str).unwrap_or_default());
        let parameters = json.get("parameters").and_then(Value::as_object);
        let parameter = |key: &str| match parameters?.get(key)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let (phys, sem, note) = classify(semantic, natural, &parameter);
        let optional = json.get("optional").and_then(Value::as_bool).unwrap_or(false);
        let inner = match json.get("fields") {
            Some(Value::Array(_)) if depth < 8 => Some(Box::new(Struct::from_json(json, depth + 1)?)),
            _ => None,
        };
        let default = json.get("default").filter(|value| !value.is_null());
        let default = default.map(|value| value.to_string().into_bytes().into_boxed_slice());
        let spec = FieldSpec { name: name.to_owned(), phys, sem, optional, note };
        Ok(JsonField { quoted: quoted(name), spec, default, inner })
    }
}

fn physical(kind: &str) -> Phys {
    match kind {
        "boolean" => Phys::Bool,
        "int8" | "int16" => Phys::Int16,
        "int32" => Phys::Int32,
        "int64" => Phys::Int64,
        "float" | "float32" => Phys::F32,
        "double" | "float64" => Phys::F64,
        "string" => Phys::Str,
        "bytes" => Phys::Bytes,
        _ => Phys::Nested,
    }
}

fn unexpected(found: u8, wanted: &str) -> Box<Fault> {
    let found = match found {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        _ => "a number",
    };
    fault(Class::TypeMismatch, format!("{found} where the schema says {wanted}"))
}

/// Reads one value of the physical type.
#[inline]
pub fn read<'v, 'b: 'v>(phys: Phys, at: &mut Json<'b>, scratch: &'v mut Scratch) -> Res<Val<'v>> {
    let first = at.peek()?;
    if first == b'n' {
        at.word("null")?;
        return Ok(Val::Null);
    }
    Ok(match (phys, first) {
        (Phys::Str | Phys::Any, b'"') => Val::Str(at.string(&mut scratch.text)?),
        (Phys::Int16 | Phys::Int32 | Phys::Int64, b'-' | b'0'..=b'9') => Val::Int(at.integer()?),
        (Phys::Bool | Phys::Any, b't' | b'f') => {
            at.word(if first == b't' { "true" } else { "false" })?;
            Val::Bool(first == b't')
        }
        // A decimal is a number where the converter's decimal.format says so.
        (Phys::F32 | Phys::F64 | Phys::Bytes | Phys::Any, b'-' | b'0'..=b'9') => Val::Num(at.number()?),
        (Phys::F32 | Phys::F64, b'"') => Val::Str(at.string(&mut scratch.text)?),
        (Phys::Bytes, b'"') => Val::Bytes(base64(at, scratch)?),
        (Phys::Geo, b'{') => geometry(at, scratch)?,
        (Phys::VarDec, b'{') => decimal(at, scratch)?,
        (Phys::Nested, _) | (Phys::Any, b'{' | b'[') => {
            let raw = at.skip()?;
            Val::Json(std::str::from_utf8(raw).map_err(|_| fault(Class::InvalidUtf8, "a structure is no UTF-8"))?)
        }
        (Phys::Int16 | Phys::Int32 | Phys::Int64, _) => return Err(unexpected(first, "an integer")),
        (Phys::Bool, _) => return Err(unexpected(first, "a boolean")),
        (Phys::Str, _) => return Err(unexpected(first, "a string")),
        (Phys::Bytes, _) => return Err(unexpected(first, "bytes")),
        (Phys::F32 | Phys::F64, _) => return Err(unexpected(first, "a float")),
        (Phys::Geo | Phys::VarDec, _) => return Err(unexpected(first, "a struct")),
        (Phys::Any, _) => return Err(fault(Class::InvalidJson, "a value is malformed")),
    })
}

fn base64<'v>(at: &mut Json<'_>, scratch: &'v mut Scratch) -> Res<&'v [u8]> {
    let text = at.string(&mut scratch.text)?;
    decode_binary(text.as_bytes(), Binary::Base64, &mut scratch.bytes)
        .ok_or_else(|| fault(Class::TypeMismatch, "bytes are no base64"))?;
    Ok(&scratch.bytes)
}

/// The members of a small struct: its integer and its bytes, by name.
fn number_and_bytes(at: &mut Json<'_>, number: &str, bytes: &str, scratch: &mut Scratch) -> Res<(Option<i32>, bool)> {
    let (mut integer, mut found) = (None, false);
    let mut name_scratch = String::new();
    let mut more = at.open(b'{', b'}')?;
    while more {
        let name = at.name(&mut name_scratch)?;
        let null = at.peek()? == b'n';
        if name == number && !null {
            let wide = at.integer()?;
            integer =
                Some(i32::try_from(wide).map_err(|_| fault(Class::OutOfRange, "an int32 takes more than 32 bits"))?);
        } else if name == bytes && !null {
            base64(at, scratch)?;
            found = true;
        } else {
            at.skip()?;
        }
        more = at.more(b'}')?;
    }
    Ok((integer, found))
}

fn geometry<'v>(at: &mut Json<'_>, scratch: &'v mut Scratch) -> Res<Val<'v>> {
    let (srid, found) = number_and_bytes(at, "srid", "wkb", scratch)?;
    Ok(if found { Val::Geo { wkb: &scratch.bytes, srid } } else { Val::Null })
}

fn decimal<'v>(at: &mut Json<'_>, scratch: &'v mut Scratch) -> Res<Val<'v>> {
    let (scale, found) = number_and_bytes(at, "scale", "value", scratch)?;
    Ok(if found { Val::Dec { scale: scale.unwrap_or(0), unscaled: &scratch.bytes } } else { Val::Null })
}
