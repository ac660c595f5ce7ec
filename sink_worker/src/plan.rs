//! What to do with one kind of record: the pair of its key's and its value's schema, and the target table.

use std::collections::HashMap;
use std::sync::Arc;

use crate::avro::envelope::{AvroEnvelope, field, names};
use crate::avro::read::RecordReader;
use crate::avro::schema::{AvroSchema, Kind};
use crate::cass::layout::{RANGE_END, RANGE_START};
use crate::fault::{Class, Fault, Res, fault};
use crate::json::connect::Struct;
use crate::json::record::Shape;
use crate::layout::{self, Inputs, Layout};
use crate::options::{Hint, Options};
use crate::value::FieldSpec;

/// Messages of Debezium's that are about no row.
pub fn is_bookkeeping(name: &str) -> bool {
    let connector = name.strip_prefix("io.debezium.connector.");
    connector.is_some_and(|rest| {
        let short = rest.rsplit('.').next().unwrap_or(rest);
        matches!(
            short,
            "Heartbeat"
                | "ServerNameKey"
                | "TransactionMetadataKey"
                | "TransactionMetadataValue"
                | "SchemaChangeKey"
                | "SchemaChangeValue"
        )
    })
}

/// Whether a row's fields are those of Cassandra's connector. It calls the deletion of a range `t` where its transformation has been
/// over it: here that would empty the table.
fn has_cells<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    names.filter(|name| matches!(*name, RANGE_START | RANGE_END)).count() == 2
}

#[cold]
fn cells() -> Box<Fault> {
    fault(Class::UnsupportedSchema, "an event of Cassandra's connector: name its topic in cassandra.topics")
}

/// What tells one kind of record from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ref {
    None,
    Avro(u32),
    /// A shape's number; and for a row without schema whether an envelope held it.
    Json(u32, bool),
    Bookkeeping,
}

/// A table's plans, by the kinds of key and value.
#[derive(Default)]
pub struct Plans {
    known: HashMap<(Ref, Ref), Arc<Plan>>,
}

/// Plans that a table keeps.
const MAX_PLANS: usize = 256;

impl Plans {
    pub fn get(&self, key: Ref, value: Ref) -> Option<Arc<Plan>> {
        self.known.get(&(key, value)).cloned()
    }

    pub fn put(&mut self, key: Ref, value: Ref, plan: Plan) -> Arc<Plan> {
        if self.known.len() >= MAX_PLANS {
            self.known.clear();
        }
        let plan = Arc::new(plan);
        self.known.insert((key, value), Arc::clone(&plan));
        plan
    }
}

pub struct Plan {
    pub key: KeyReader,
    pub value: ValueReader,
    /// Why there is none is the fault of every record that needs one.
    pub layout: Result<Arc<Layout>, Box<Fault>>,
}

pub enum KeyReader {
    None,
    Avro(RecordReader),
    Json(Arc<Shape>),
    Unusable(Box<Fault>),
}

pub enum ValueReader {
    /// A tombstone, or a delete that came without any row: nothing is read.
    KeyOnly,
    Ignored,
    AvroEnvelope(AvroEnvelope),
    AvroFlat(RecordReader),
    Json(JsonRow),
    Unusable(Box<Fault>),
}

pub struct JsonRow {
    pub shape: Arc<Shape>,
    /// Without schema: whether it came in an envelope.
    schemaless: Option<bool>,
}

impl JsonRow {
    /// The row's struct, and whether it is inside an envelope.
    pub fn row<'a>(&self, shape: &'a Struct) -> (&'a Struct, bool) {
        match self.schemaless {
            Some(envelope) => (shape, envelope),
            None => json_row(shape),
        }
    }
}

type Known = HashMap<u32, Result<Arc<AvroSchema>, String>>;

fn avro_schema(id: u32, avro: &Known) -> Res<&Arc<AvroSchema>> {
    match avro.get(&id) {
        Some(Ok(schema)) => Ok(schema),
        Some(Err(reason)) => Err(fault(Class::UnknownSchema, format!("schema {id}: {reason}"))),
        None => Err(fault(Class::UnknownSchema, format!("schema {id} is not registered"))),
    }
}

impl Plan {
    /// The kinds are given with the shapes they stand for.
    pub fn compile(
        key: (Ref, Option<Arc<Shape>>),
        value: (Ref, Option<Arc<Shape>>),
        avro: &Known,
        hint: &Hint,
        options: &Options,
    ) -> Plan {
        let key = key_reader(key, avro);
        let value = value_reader(value, avro);
        let layout = layout(&key, &value, hint, options).map(Arc::new);
        Plan { key, value, layout }
    }
}

fn key_reader(key: (Ref, Option<Arc<Shape>>), avro: &Known) -> KeyReader {
    match key {
        (Ref::Avro(id), _) => match avro_schema(id, avro) {
            Ok(schema) => avro_key(schema),
            Err(fault) => KeyReader::Unusable(fault.in_key()),
        },
        (_, Some(shape)) => match structure(&shape) {
            Ok(_) => KeyReader::Json(shape),
            Err(fault) => KeyReader::Unusable(fault.in_key()),
        },
        _ => KeyReader::None,
    }
}

fn value_reader(value: (Ref, Option<Arc<Shape>>), avro: &Known) -> ValueReader {
    match value {
        (Ref::Bookkeeping, _) => ValueReader::Ignored,
        (Ref::Avro(id), _) => match avro_schema(id, avro) {
            Ok(schema) => avro_value(schema),
            Err(fault) => ValueReader::Unusable(fault),
        },
        (Ref::Json(_, envelope), Some(shape)) => match structure(&shape) {
            Ok(parsed) if parsed.name.as_deref().is_some_and(is_bookkeeping) => ValueReader::Ignored,
            Ok(parsed) => {
                let row = if shape.is_schemaless() { parsed } else { json_row(parsed).0 };
                if has_cells(row.fields.iter().map(|field| field.spec.name.as_str())) {
                    return ValueReader::Unusable(cells());
                }
                ValueReader::Json(JsonRow { schemaless: shape.is_schemaless().then_some(envelope), shape })
            }
            Err(fault) => ValueReader::Unusable(fault),
        },
        _ => ValueReader::KeyOnly,
    }
}

fn layout(key: &KeyReader, value: &ValueReader, hint: &Hint, options: &Options) -> Result<Layout, Box<Fault>> {
    let (value_specs, flat): (Option<Vec<FieldSpec>>, bool) = match value {
        ValueReader::AvroEnvelope(envelope) => (Some(envelope.row.specs.clone()), false),
        ValueReader::AvroFlat(reader) => (Some(reader.specs.clone()), true),
        ValueReader::Json(row) => {
            let (row, envelope) = row.row(structure(&row.shape)?);
            (Some(row.fields.iter().map(|field| field.spec.clone()).collect()), !envelope)
        }
        ValueReader::Unusable(fault) => return Err(fault.clone()),
        ValueReader::KeyOnly | ValueReader::Ignored => (None, false),
    };
    let key_specs: Option<Vec<FieldSpec>> = match key {
        KeyReader::None => None,
        KeyReader::Avro(reader) => Some(reader.specs.clone()),
        KeyReader::Json(shape) => Some(structure(shape)?.fields.iter().map(|field| field.spec.clone()).collect()),
        KeyReader::Unusable(fault) if hint.key.is_none() => return Err(fault.clone()),
        KeyReader::Unusable(_) => None,
    };
    let inputs = Inputs { value: value_specs.as_deref(), record_key: key_specs.as_deref(), flat, hint, options };
    layout::build(&inputs)
}

/// The struct that a shape's schema is.
pub fn structure(shape: &Shape) -> Res<&Struct> {
    match &shape.parsed {
        Ok(Some(parsed)) => Ok(parsed),
        Ok(None) => Err(fault(Class::UnsupportedSchema, "the record's schema is no struct")),
        Err(why) => Err(fault(Class::UnsupportedSchema, why.clone())),
    }
}

/// The reader of a value's schema.
pub fn avro_value(schema: &Arc<AvroSchema>) -> ValueReader {
    let root = schema.optional(schema.root).map_or(schema.root, |optional| optional.node);
    let Kind::Record(fields) = schema.kind(root) else {
        return ValueReader::Unusable(fault(Class::UnsupportedSchema, "the value's schema is no record"));
    };
    if schema.meta(root).name.as_deref().is_some_and(is_bookkeeping) {
        return ValueReader::Ignored;
    }
    if root != schema.root {
        return ValueReader::Unusable(fault(Class::UnsupportedSchema, "the value's schema is a union"));
    }
    let envelope =
        field(fields, "op").is_some() && field(fields, "source").is_some() && field(fields, "after").is_some();
    if envelope {
        return match AvroEnvelope::compile(schema, fields) {
            Some(envelope) if has_cells(names(&envelope.row.specs)) => ValueReader::Unusable(cells()),
            Some(envelope) => ValueReader::AvroEnvelope(envelope),
            None => ValueReader::Unusable(fault(Class::UnsupportedSchema, "the envelope's after is no record")),
        };
    }
    match RecordReader::compile(schema, root) {
        Some(reader) => ValueReader::AvroFlat(reader),
        None => ValueReader::Unusable(fault(Class::UnsupportedSchema, "the value's schema is no record")),
    }
}

/// The reader of a key's schema.
pub fn avro_key(schema: &Arc<AvroSchema>) -> KeyReader {
    match RecordReader::compile(schema, schema.root) {
        Some(reader) => KeyReader::Avro(reader),
        None => KeyReader::Unusable(fault(Class::UnsupportedSchema, "the key's schema is no record").in_key()),
    }
}

/// The struct of an envelope's rows, or the struct itself where it is flattened.
pub fn json_row(shape: &Struct) -> (&Struct, bool) {
    let has = |name: &str| shape.index(name).is_some();
    let inner = |name: &str| shape.index(name).and_then(|index| shape.fields[index].inner.as_deref());
    match inner("after").or_else(|| inner("before")) {
        Some(row) if has("op") && has("source") => (row, true),
        _ => (shape, false),
    }
}
