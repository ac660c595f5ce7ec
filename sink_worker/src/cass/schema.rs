//! CQL's types from the schemas of Connect and of Avro, as Debezium's connector makes them.

use serde_json::Value;

use crate::avro::schema::{AvroSchema, Id, Kind};
use crate::cass::cql::Cql;

const MAX_DEPTH: u32 = 16;

/// The members of an array as name and schema.
fn fields(json: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let list = json.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|field| Some((field.get("field")?.as_str()?, field)))
}

fn member<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    fields(json).find(|(found, _)| *found == name).map(|(_, schema)| schema)
}

/// The columns of the envelope's `after`, with the types of their values where they are known.
pub fn connect_columns(schema: &[u8]) -> Vec<(String, Option<Cql>)> {
    let Ok(json) = serde_json::from_slice::<Value>(schema) else { return Vec::new() };
    let Some(after) = member(&json, "after") else { return Vec::new() };
    let cell = |schema: &Value| member(schema, "value").and_then(|value| connect(value, 0));
    fields(after).map(|(name, schema)| (name.to_owned(), cell(schema))).collect()
}

/// The columns of a key.
pub fn connect_key(schema: &[u8]) -> Vec<(String, Option<Cql>)> {
    let Ok(json) = serde_json::from_slice::<Value>(schema) else { return Vec::new() };
    fields(&json).map(|(name, schema)| (name.to_owned(), connect(schema, 0))).collect()
}

fn named(name: &str, wide: bool) -> Option<Cql> {
    Some(match name.rsplit('.').next().unwrap_or(name) {
        "Timestamp" if wide => Cql::Timestamp,
        "Date" => Cql::Date,
        "Uuid" => Cql::Uuid,
        "NanoDuration" => Cql::Duration,
        "VariableScaleDecimal" => Cql::Decimal,
        "Decimal" | "decimal" => Cql::VarInt,
        _ => return None,
    })
}

fn is_tuple(name: Option<&str>, fields: &[(String, Cql)]) -> bool {
    let numbered = || fields.iter().enumerate().all(|(index, (field, _))| *field == format!("field{}", index + 1));
    name.is_some_and(|name| name.ends_with("Tuple")) && numbered()
}

fn structure(name: Option<&str>, fields: Vec<(String, Cql)>) -> Cql {
    if is_tuple(name, &fields) {
        return Cql::Tuple(fields.into_iter().map(|(_, cql)| cql).collect());
    }
    Cql::Udt(fields)
}

fn connect(json: &Value, depth: u32) -> Option<Cql> {
    if depth > MAX_DEPTH {
        return None;
    }
    let name = json.get("name").and_then(Value::as_str);
    let kind = json.get("type").and_then(Value::as_str)?;
    if let Some(cql) = name.and_then(|name| named(name, kind == "int64")) {
        return Some(cql);
    }
    Some(match kind {
        "boolean" => Cql::Boolean,
        "int8" => Cql::TinyInt,
        "int16" => Cql::SmallInt,
        "int32" => Cql::Int,
        "int64" => Cql::BigInt,
        "float" | "float32" => Cql::Float,
        "double" | "float64" => Cql::Double,
        "string" => Cql::Text,
        "bytes" => Cql::Blob,
        "array" => Cql::List(Box::new(connect(json.get("items")?, depth + 1)?)),
        "map" => {
            let key = connect(json.get("keys")?, depth + 1)?;
            Cql::Map(Box::new(key), Box::new(connect(json.get("values")?, depth + 1)?))
        }
        "struct" => {
            let inner: Option<Vec<_>> =
                fields(json).map(|(name, schema)| Some((name.to_owned(), connect(schema, depth + 1)?))).collect();
            structure(name, inner?)
        }
        _ => return None,
    })
}

/// The type of a node in an Avro schema.
pub fn avro(schema: &AvroSchema, id: Id, depth: u32) -> Option<Cql> {
    if depth > MAX_DEPTH {
        return None;
    }
    let node = schema.optional(id)?.node;
    let meta = schema.meta(node);
    let name = meta.name.as_deref();
    if let Some(cql) = name.and_then(|name| named(name, matches!(schema.kind(node), Kind::Long))) {
        return Some(cql);
    }
    Some(match schema.kind(node) {
        Kind::Bool => Cql::Boolean,
        Kind::Int => match meta.connect_type.as_deref() {
            Some("int8") => Cql::TinyInt,
            Some("int16") => Cql::SmallInt,
            _ => Cql::Int,
        },
        Kind::Long => Cql::BigInt,
        Kind::Float => Cql::Float,
        Kind::Double => Cql::Double,
        Kind::Bytes | Kind::Fixed(_) => Cql::Blob,
        Kind::Text | Kind::Enum(_) => Cql::Text,
        Kind::Map(item) => Cql::Map(Box::new(Cql::Text), Box::new(avro(schema, *item, depth + 1)?)),
        Kind::Array(item) => match pair(schema, *item) {
            Some((key, value)) => {
                Cql::Map(Box::new(avro(schema, key, depth + 1)?), Box::new(avro(schema, value, depth + 1)?))
            }
            None => Cql::List(Box::new(avro(schema, *item, depth + 1)?)),
        },
        Kind::Record(fields) => {
            let inner: Option<Vec<_>> =
                fields.iter().map(|(name, id)| Some((name.clone(), avro(schema, *id, depth + 1)?))).collect();
            structure(name, inner?)
        }
        Kind::Null | Kind::Union(_) => return None,
    })
}

/// The key and the value of an entry, where an array's items are Connect's form of a map whose keys are no texts.
fn pair(schema: &AvroSchema, id: Id) -> Option<(Id, Id)> {
    let node = schema.optional(id)?.node;
    match (schema.kind(node), schema.meta(node).name.as_deref()) {
        (Kind::Record(fields), Some(name)) if name.ends_with("MapEntry") => match fields.as_slice() {
            [(key, first), (value, second)] if key == "key" && value == "value" => Some((*first, *second)),
            _ => None,
        },
        _ => None,
    }
}
