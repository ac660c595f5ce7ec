//! Debezium's envelope of Cassandra in Avro, compiled from its schema.

use std::sync::Arc;

use crate::avro::cursor::Cursor;
use crate::avro::read::{Reader, skip};
use crate::avro::schema::{AvroSchema, Id, Kind, Union};
use crate::cass::cql::Cql;
use crate::cass::schema::avro;
use crate::fault::{Class, Res, fault};
use crate::value::Val;

enum Part {
    Op(Reader),
    Source(Option<Union>, Vec<(Source, Reader)>),
    After,
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Micros,
    Millis,
    Snapshot,
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum InCell {
    Value,
    Deletion,
    Set,
    Other,
}

/// A column's cell: `union` where it can be untouched.
pub struct CellReader {
    pub union: Option<Union>,
    pub fields: Vec<(InCell, Id, Reader)>,
}

/// A field of `after`.
pub enum Field {
    Cell(CellReader),
    /// A range's bound, or nothing that is known.
    Rendered(Id),
}

pub struct Envelope {
    pub schema: Arc<AvroSchema>,
    parts: Vec<(Id, Part)>,
    after: Option<Union>,
    pub fields: Vec<Field>,
    pub columns: Vec<(String, Option<Cql>)>,
}

/// What an event says of itself.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub op: u8,
    pub ts_us: Option<i64>,
    pub ts_ms: Option<i64>,
    pub snapshot: bool,
}

/// i, u, d, r of the connector; c, u, d, t where its EnvelopeTransformation has been over it.
pub fn operation(text: &str) -> Res<u8> {
    Ok(match text {
        "i" | "c" => b'i',
        "u" => b'u',
        "d" => b'd',
        "r" | "t" => b'r',
        _ => return Err(fault(Class::UnknownOp, "the operation is none of i, u, d, r (c, u, d, t)")),
    })
}

impl Envelope {
    /// None where the schema is no envelope of Cassandra's.
    pub fn compile(schema: &Arc<AvroSchema>) -> Option<Envelope> {
        let root = schema.optional(schema.root)?.node;
        let Kind::Record(fields) = schema.kind(root) else { return None };
        let mut parts = Vec::new();
        let mut row = None;
        for (name, id) in fields {
            let part = match name.as_str() {
                "op" => Part::Op(Reader::compile(schema, name, *id).0),
                "source" => {
                    let optional = schema.optional(*id)?;
                    let Kind::Record(inner) = schema.kind(optional.node) else { return None };
                    let one = |(name, id): &(String, Id)| {
                        let what = match name.as_str() {
                            "ts_us" => Source::Micros,
                            "ts_ms" => Source::Millis,
                            "snapshot" => Source::Snapshot,
                            _ => Source::Other,
                        };
                        (what, Reader::compile(schema, name, *id).0)
                    };
                    Part::Source(optional.union, inner.iter().map(one).collect())
                }
                "after" => {
                    row = schema.optional(*id);
                    Part::After
                }
                _ => Part::Other,
            };
            parts.push((*id, part));
        }
        let row = row?;
        let Kind::Record(cells) = schema.kind(row.node) else { return None };
        let (mut found, mut columns) = (Vec::new(), Vec::new());
        for (name, id) in cells {
            let (field, cql) = compile_field(schema, *id)?;
            found.push(field);
            columns.push((name.clone(), cql));
        }
        Some(Envelope { schema: Arc::clone(schema), parts, after: row.union, fields: found, columns })
    }

    /// Reads all but `after`, whose place is given back where there is one.
    pub fn read(&self, bytes: &[u8]) -> Res<(Head, Option<usize>)> {
        let mut at = Cursor::new(bytes);
        let (mut head, mut after, mut text) = (Head::default(), None, String::new());
        for (id, part) in &self.parts {
            match part {
                Part::Op(reader) => match reader.read(&self.schema, &mut at, &mut text)? {
                    Val::Str(op) => head.op = operation(op)?,
                    _ => return Err(fault(Class::UnknownOp, "the operation is no text")),
                },
                Part::Source(union, readers) => {
                    if present(*union, &mut at)? {
                        for (what, reader) in readers {
                            match (what, reader.read(&self.schema, &mut at, &mut text)?) {
                                (Source::Micros, Val::Int(count)) => head.ts_us = Some(count),
                                (Source::Millis, Val::Int(count)) => head.ts_ms = Some(count),
                                (Source::Snapshot, Val::Str(text)) => head.snapshot = text != "false",
                                _ => {}
                            }
                        }
                    }
                }
                Part::After => {
                    let place = at.position();
                    skip(&self.schema, *id, &mut at, 0)?;
                    after = Some(place);
                }
                Part::Other => skip(&self.schema, *id, &mut at, 0)?,
            }
        }
        if at.left() > 0 {
            return Err(fault(Class::TrailingBytes, format!("{} bytes follow the record", at.left())));
        }
        Ok((head, after))
    }

    /// Into `after`; false where it is null.
    pub fn enter(&self, at: &mut Cursor<'_>) -> Res<bool> {
        present(self.after, at)
    }
}

fn compile_field(schema: &AvroSchema, id: Id) -> Option<(Field, Option<Cql>)> {
    let optional = schema.optional(id)?;
    let Kind::Record(inner) = schema.kind(optional.node) else { return Some((Field::Rendered(id), None)) };
    let value = inner.iter().find(|(name, _)| name == "value").map(|(_, id)| *id);
    let (Some(value), true) = (value, inner.iter().any(|(name, _)| name == "deletion_ts")) else {
        return Some((Field::Rendered(id), None));
    };
    let one = |(name, id): &(String, Id)| {
        let what = match name.as_str() {
            "value" => InCell::Value,
            "deletion_ts" => InCell::Deletion,
            "set" => InCell::Set,
            _ => InCell::Other,
        };
        (what, *id, Reader::compile(schema, name, *id).0)
    };
    let cell = CellReader { union: optional.union, fields: inner.iter().map(one).collect() };
    Some((Field::Cell(cell), avro(schema, value, 0)))
}

pub fn present(union: Option<Union>, at: &mut Cursor<'_>) -> Res<bool> {
    match union {
        None => Ok(true),
        Some(union) => Ok(at.choice(union.count, Class::InvalidUnion)? == union.value),
    }
}
