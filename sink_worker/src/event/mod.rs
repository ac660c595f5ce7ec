//! One message: its parts, its plan, its key and row, and the change they make.

mod key;
mod plans;
mod value;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::avro::schema::AvroSchema;
use crate::batch::{Counted, Input, schema_id};
use crate::compact::{Change, Compactor, Kind};
use crate::fault::{Class, Fault, Res, fault};
use crate::json::connect::Scratch;
use crate::json::cursor::Json;
use crate::json::record::{Members, Shape, Shapes};
use crate::layout::{KeySource, Layout};
use crate::options::{Format, Hint, Options};
use crate::plan::{Plan, Plans, Ref, ValueReader};
use crate::taker::Read;

/// A key or a value, told apart by format.
enum Part<'a> {
    Nothing,
    Avro(u32, &'a [u8]),
    Json { shape: Option<Arc<Shape>>, payload: Json<'a> },
}

fn json_part(shape: Option<Arc<Shape>>, mut payload: Json<'_>) -> Res<Part<'_>> {
    Ok(if payload.null()? { Part::Nothing } else { Part::Json { shape, payload } })
}

pub struct Work<'w> {
    options: &'w Options,
    avro: &'w HashMap<u32, Result<Arc<AvroSchema>, String>>,
    shapes: &'w mut Shapes,
    hint: &'w Hint,
    plans: &'w mut Plans,
    last: Option<(Ref, Ref, Arc<Plan>)>,
    compactor: Compactor,
    scratch: Scratch,
    key_spans: Vec<(usize, usize)>,
    row_spans: Vec<(usize, usize)>,
    /// The key of the message at work, once it is whole.
    key: Option<Range<usize>>,
    /// Where the message's row begins.
    row_from: usize,
}

impl<'w> Work<'w> {
    pub fn new(
        options: &'w Options,
        avro: &'w HashMap<u32, Result<Arc<AvroSchema>, String>>,
        shapes: &'w mut Shapes,
        hint: &'w Hint,
        plans: &'w mut Plans,
    ) -> Self {
        Work {
            options,
            avro,
            shapes,
            hint,
            plans,
            last: None,
            compactor: Compactor::default(),
            scratch: Scratch::default(),
            key_spans: Vec::new(),
            row_spans: Vec::new(),
            key: None,
            row_from: 0,
        }
    }

    /// Makes room for a batch.
    pub fn reserve(&mut self, messages: &[Input<'_>]) {
        // A row is about half of what its event is in Avro; JSON's is no longer for having a schema with it.
        let bytes = messages.iter().filter_map(|message| message.value).map(<[u8]>::len).sum::<usize>();
        self.compactor.reserve(messages.len(), bytes.min(messages.len() * 400));
    }

    pub fn marks(&self) -> (usize, usize) {
        (self.compactor.now.keys.len(), self.compactor.now.rows.len())
    }

    pub fn restore(&mut self, keys: usize, rows: usize) {
        self.compactor.now.keys.truncate(keys);
        self.compactor.now.rows.truncate(rows);
    }

    pub fn decoded_key(&self) -> Option<Vec<u8>> {
        self.key.clone().and_then(|key| self.compactor.now.keys.get(key)).map(<[u8]>::to_vec)
    }

    pub fn finish(self) -> Compactor {
        self.compactor
    }

    fn part<'a>(&mut self, bytes: Option<&'a [u8]>) -> Res<Part<'a>> {
        let Some(bytes) = bytes else { return Ok(Part::Nothing) };
        let json = match self.options.format {
            Format::Auto => matches!(bytes.first(), Some(b'{' | b' ' | b'\t' | b'\r' | b'\n')),
            Format::Json => true,
            Format::Avro => false,
        };
        if !json {
            return match (schema_id(bytes), bytes.first()) {
                (Some(id), _) => Ok(Part::Avro(id, &bytes[5..])),
                (None, Some(0) | None) => Err(fault(Class::Truncated, "the bytes end before the schema's id")),
                (None, Some(byte)) => {
                    Err(fault(Class::MagicByte, format!("the first byte is {byte:#04x}, not the wire format's 0")))
                }
            };
        }
        let (shape, payload) = self.shapes.split(bytes)?;
        json_part(shape, payload)
    }

    /// Takes one message; whatever it leaves in the buffers on failure is the caller's to cut off.
    pub fn message(&mut self, message: &Input<'_>, index: u32) -> Res<Counted> {
        self.key = None;
        self.row_from = self.compactor.now.rows.len();
        let value = match (message.shape, message.value) {
            (Some(shape), Some(payload)) => json_part(Some(Arc::clone(shape)), Json::new(payload)),
            (_, value) => self.part(value),
        }?;
        let key = if self.hint.append { Ok(Part::Nothing) } else { self.part(message.key).map_err(Fault::in_key) };
        // Bookkeeping is skipped whatever its key is.
        let key_fault = key.as_ref().err().cloned();
        let key = key.unwrap_or(Part::Nothing);
        let (key_ref, key_shape) = self.key_ref(&key)?;
        let members = match &value {
            Part::Json { shape: None, payload } => Some(Members::scan(&mut payload.clone())?),
            _ => None,
        };
        let (value_ref, value_shape) = self.value_ref(&value, members.as_ref())?;
        let plan = self.plan(key_ref, value_ref, key_shape, value_shape);
        if matches!(plan.value, ValueReader::Ignored) {
            return Ok(Counted::Skipped);
        }
        if let Some(fault) = key_fault {
            return Err(fault);
        }
        if let Part::Nothing = value {
            return self.tombstone(&plan, key, index);
        }
        let layout = match &plan.layout {
            Ok(layout) => layout,
            Err(cause) => return self.without_layout(&plan, value, members, cause, index),
        };
        self.read_key(&plan, layout, key)?;
        let read = self.read_value(&plan, layout, value, members)?;
        self.apply(layout, read, index)
    }

    fn tombstone(&mut self, plan: &Plan, key: Part<'_>, index: u32) -> Res<Counted> {
        if self.hint.append || matches!(key, Part::Nothing) {
            return Ok(if self.hint.append { Counted::Tombstone } else { Counted::Skipped });
        }
        let layout = plan.layout.as_ref().map_err(Clone::clone)?;
        self.read_key(plan, layout, key)?;
        let row = self.compactor.now.rows.len();
        if let Some(key) = self.key.clone() {
            let change = Change { key, row: row..row, message: index, kind: Kind::Delete, source_ms: None };
            self.compactor.add(layout, change);
        }
        Ok(Counted::Tombstone)
    }

    fn apply(&mut self, layout: &Arc<Layout>, read: Read, index: u32) -> Res<Counted> {
        let Read { op, source_ms, row, before } = read;
        match op {
            b't' => {
                self.compactor.truncate(index);
                return Ok(Counted::Event { op, source_ms });
            }
            b'm' => {
                let keys = self.key.take().map_or(self.compactor.now.keys.len(), |key| key.start);
                self.restore(keys, self.row_from);
                return Ok(Counted::Skipped);
            }
            0 => return Err(fault(Class::UnknownOp, "the envelope has no operation")),
            b'c' | b'r' | b'u' if !row => return Err(fault(Class::MissingAfter, "a change without the row after it")),
            b'u' | b'd' if self.hint.append => {
                return Err(fault(Class::KeylessChange, "an update or delete of a table without key"));
            }
            _ => {}
        }
        let delete = op == b'd';
        match layout.key_source {
            KeySource::Value => self.key_from_value(layout, delete, row, before, (index, source_ms))?,
            KeySource::Record if row && !delete => self.close_row(layout)?,
            KeySource::Record | KeySource::Append => {}
        }
        if delete {
            self.compactor.now.rows.truncate(self.row_from);
        }
        let end = self.compactor.now.keys.len();
        let key = self.key.clone().unwrap_or(end..end);
        let kind = if delete { Kind::Delete } else { Kind::Upsert };
        let row = self.row_from..self.compactor.now.rows.len();
        self.compactor.add(layout, Change { key, row, message: index, kind, source_ms });
        Ok(Counted::Event { op, source_ms })
    }
}
