//! Debezium's envelope in Avro: its rows go to whoever takes them, and `before` is skipped unread.

use std::sync::Arc;

use crate::avro::cursor::Cursor;
use crate::avro::read::{Reader, RecordReader, skip};
use crate::avro::schema::{AvroSchema, Id, Kind, Union};
use crate::fault::{Class, Res, fault};
use crate::row::operation;
use crate::value::{FieldSpec, Val};

pub struct AvroEnvelope {
    schema: Arc<AvroSchema>,
    steps: Vec<Step>,
    /// Of `after`.
    pub row: RecordReader,
    /// Of `before`, where its fields are those of `after`.
    pub before: Option<RecordReader>,
}

enum Step {
    Skip(Id),
    Before(Option<Union>, Id),
    After(Option<Union>),
    Op(Reader),
    Source { union: Option<Union>, ahead: Vec<Id>, time: Reader, rest: Vec<Id> },
    Time(Reader),
}

/// An envelope but for its rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    pub op: u8,
    pub source_ms: Option<i64>,
    pub before: bool,
    pub after: bool,
}

/// What takes an envelope's rows: from the reader given, at the cursor.
pub trait Rows {
    fn before(&mut self, reader: &RecordReader, at: &mut Cursor<'_>) -> Res<()>;
    fn after(&mut self, reader: &RecordReader, at: &mut Cursor<'_>) -> Res<()>;
}

/// The node of a record's field.
pub fn field(fields: &[(String, Id)], name: &str) -> Option<Id> {
    fields.iter().find(|(found, _)| found == name).map(|(_, id)| *id)
}

impl AvroEnvelope {
    /// None where `after` is no record.
    pub fn compile(schema: &Arc<AvroSchema>, fields: &[(String, Id)]) -> Option<AvroEnvelope> {
        let after = schema.optional(field(fields, "after")?)?;
        let row = RecordReader::compile(schema, after.node)?;
        let before = field(fields, "before").and_then(|id| schema.optional(id));
        let before = before.and_then(|before| RecordReader::compile(schema, before.node));
        let same = |other: &RecordReader| names(&other.specs).eq(names(&row.specs));
        let steps = fields.iter().map(|(name, id)| Step::compile(schema, name, *id)).collect();
        Some(AvroEnvelope { schema: Arc::clone(schema), steps, before: before.filter(same), row })
    }

    /// `want_before`: `before` is given to `rows` too (else it is skipped unread).
    pub fn read(&self, at: &mut Cursor<'_>, want_before: bool, rows: &mut impl Rows) -> Res<Head> {
        let mut text = String::new();
        let mut head = Head::default();
        let mut time = None;
        for step in &self.steps {
            match step {
                Step::Skip(id) => skip(&self.schema, *id, at, 0)?,
                Step::Before(union, id) => {
                    head.before = present(*union, at)?;
                    match &self.before {
                        Some(reader) if head.before && want_before => rows.before(reader, at)?,
                        _ if head.before => skip(&self.schema, *id, at, 0)?,
                        _ => {}
                    }
                }
                Step::After(union) => {
                    head.after = present(*union, at)?;
                    if head.after {
                        rows.after(&self.row, at)?;
                    }
                }
                Step::Op(reader) => match reader.read(&self.schema, at, &mut text)? {
                    Val::Str(text) => head.op = operation(text)?,
                    _ => return Err(fault(Class::UnknownOp, "the operation is no text")),
                },
                Step::Source { union, ahead, time, rest } => {
                    if present(*union, at)? {
                        self.over(ahead, at)?;
                        head.source_ms = integer(time.read(&self.schema, at, &mut text)?);
                        self.over(rest, at)?;
                    }
                }
                Step::Time(reader) => time = integer(reader.read(&self.schema, at, &mut text)?),
            }
        }
        head.source_ms = head.source_ms.or(time);
        Ok(head)
    }

    #[inline]
    fn over(&self, ids: &[Id], at: &mut Cursor<'_>) -> Res<()> {
        ids.iter().try_for_each(|id| skip(&self.schema, *id, at, 0))
    }
}

pub fn names(specs: &[FieldSpec]) -> impl Iterator<Item = &str> {
    specs.iter().map(|spec| spec.name.as_str())
}

fn integer(value: Val<'_>) -> Option<i64> {
    match value {
        Val::Int(value) => Some(value),
        _ => None,
    }
}

fn present(union: Option<Union>, at: &mut Cursor<'_>) -> Res<bool> {
    match union {
        None => Ok(true),
        Some(union) => Ok(at.choice(union.count, Class::InvalidUnion)? == union.value),
    }
}

impl Step {
    fn compile(schema: &AvroSchema, name: &str, id: Id) -> Step {
        let optional = schema.optional(id);
        match (name, optional) {
            ("before", Some(optional)) => Step::Before(optional.union, optional.node),
            ("after", Some(optional)) => Step::After(optional.union),
            ("op", Some(_)) => Step::Op(Reader::compile(schema, name, id).0),
            ("ts_ms", Some(_)) => Step::Time(Reader::compile(schema, name, id).0),
            ("source", Some(optional)) => match schema.kind(optional.node) {
                Kind::Record(fields) => match fields.iter().position(|(field, _)| field == "ts_ms") {
                    Some(place) => {
                        let ids = |fields: &[(String, Id)]| fields.iter().map(|(_, id)| *id).collect();
                        let time = Reader::compile(schema, "ts_ms", fields[place].1).0;
                        let (ahead, rest) = (ids(&fields[..place]), ids(&fields[place + 1..]));
                        Step::Source { union: optional.union, ahead, time, rest }
                    }
                    None => Step::Skip(id),
                },
                _ => Step::Skip(id),
            },
            _ => Step::Skip(id),
        }
    }
}
