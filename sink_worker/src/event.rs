//! One message: its parts, its plan, its key and row, and the change they make.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::avro::cursor::Cursor;
use crate::avro::schema::AvroSchema;
use crate::batch::{Counted, Input, schema_id};
use crate::compact::{Change, Compactor, Kind};
use crate::fault::{Class, Fault, Res, fault};
use crate::json::connect::Scratch;
use crate::json::cursor::Json;
use crate::json::record::{Members, Shape, Shapes};
use crate::layout::{KeySource, Layout, canonical};
use crate::options::{Format, Hint, Options};
use crate::plan::{KeyReader, Plan, Plans, Ref, ValueReader, structure};
use crate::row::{Marks, RowWriter};
use crate::taker::{Over, Read, RowTaker, ended, key_of};

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

    fn key_ref(&mut self, key: &Part<'_>) -> Res<(Ref, Option<Arc<Shape>>)> {
        Ok(match key {
            Part::Nothing => (Ref::None, None),
            Part::Avro(id, _) => (Ref::Avro(*id), None),
            Part::Json { shape: Some(shape), .. } => (Ref::Json(shape.id, false), Some(Arc::clone(shape))),
            Part::Json { shape: None, payload } => {
                let shape = self.shapes.of_names(&mut payload.clone()).map_err(Fault::in_key)?;
                (Ref::Json(shape.id, false), Some(shape))
            }
        })
    }

    fn value_ref(&mut self, value: &Part<'_>, members: Option<&Members<'_>>) -> Res<(Ref, Option<Arc<Shape>>)> {
        Ok(match (value, members) {
            (Part::Avro(id, _), _) => (Ref::Avro(*id), None),
            (Part::Json { shape: Some(shape), .. }, _) => (Ref::Json(shape.id, false), Some(Arc::clone(shape))),
            (Part::Json { shape: None, payload }, Some(members)) => {
                let envelope = members.is_envelope();
                if !envelope && members.bookkeeping {
                    return Ok((Ref::Bookkeeping, None));
                }
                let row =
                    if envelope { members.after.clone().or(members.before.clone()) } else { Some(payload.clone()) };
                match row {
                    Some(mut row) => {
                        let shape = self.shapes.of_names(&mut row)?;
                        (Ref::Json(shape.id, envelope), Some(shape))
                    }
                    None => (Ref::None, None),
                }
            }
            _ => (Ref::None, None),
        })
    }

    fn plan(
        &mut self,
        key: Ref,
        value: Ref,
        key_shape: Option<Arc<Shape>>,
        value_shape: Option<Arc<Shape>>,
    ) -> Arc<Plan> {
        if let Some((last_key, last_value, plan)) = &self.last
            && (*last_key, *last_value) == (key, value)
        {
            return Arc::clone(plan);
        }
        let plan = match self.plans.get(key, value) {
            Some(plan) => plan,
            None => {
                let plan = Plan::compile((key, key_shape), (value, value_shape), self.avro, self.hint, self.options);
                self.plans.put(key, value, plan)
            }
        };
        self.last = Some((key, value, Arc::clone(&plan)));
        plan
    }

    /// Writes the record's key, where it is what rows are known by.
    fn read_key(&mut self, plan: &Plan, layout: &Layout, key: Part<'_>) -> Res<()> {
        if layout.key_source != KeySource::Record {
            return Ok(());
        }
        let start = self.compactor.now.keys.len();
        self.key_spans.clear();
        self.key_spans.resize(layout.key.len(), (start, start));
        let out = &mut self.compactor.now.keys;
        let mut writer = RowWriter {
            targets: &layout.record_key,
            out,
            spans: &mut self.key_spans,
            marks: Marks::default(),
            scratch: &mut self.scratch,
        };
        match (&plan.key, key) {
            (KeyReader::Avro(reader), Part::Avro(_, bytes)) => {
                let mut at = Cursor::new(bytes);
                writer.avro(reader, &mut at).and_then(|()| ended(&at)).map_err(Fault::in_key)?;
            }
            (KeyReader::Json(shape), Part::Json { mut payload, .. }) => {
                let shape = structure(shape)?;
                let read = writer.json(shape, &mut payload, self.options.ignore_unknown);
                read.and_then(|()| payload.end()).map_err(Fault::in_key)?;
            }
            (KeyReader::Unusable(fault), _) => return Err(fault.clone()),
            _ => return Err(fault(Class::MissingKey, "the record has no key").in_key()),
        }
        if !layout.in_order {
            self.reorder_key(start);
        }
        self.canonical_key(layout);
        self.key = Some(start..self.compactor.now.keys.len());
        Ok(())
    }

    /// Puts the key's fields into the key's order.
    fn reorder_key(&mut self, start: usize) {
        let keys = &mut self.compactor.now.keys;
        let written = keys.split_off(start);
        for (low, high) in &mut self.key_spans {
            let place = keys.len();
            keys.extend_from_slice(&written[*low - start..*high - start]);
            (*low, *high) = (place, keys.len());
        }
    }

    fn canonical_key(&mut self, layout: &Layout) {
        if layout.forms {
            for ((low, high), index) in self.key_spans.iter().zip(&layout.key) {
                if high - low > 4 {
                    canonical(layout.columns[*index].pg, &mut self.compactor.now.keys[low + 4..*high]);
                }
            }
        }
    }

    fn read_value(&mut self, plan: &Plan, layout: &Layout, value: Part<'_>, members: Option<Members<'_>>) -> Res<Read> {
        let mut rows = RowTaker {
            layout,
            out: &mut self.compactor.now.rows,
            spans: &mut self.row_spans,
            scratch: &mut self.scratch,
            lenient: self.options.ignore_unknown,
            marks: Marks::default(),
            before: None,
        };
        let mut read = match (&plan.value, value) {
            (ValueReader::AvroEnvelope(envelope), Part::Avro(_, bytes)) => rows.avro_envelope(envelope, bytes)?,
            (ValueReader::AvroFlat(reader), Part::Avro(_, bytes)) => rows.avro_flat(reader, bytes)?,
            (ValueReader::Json(shape), Part::Json { mut payload, .. }) => {
                let (row, envelope) = shape.row(structure(&shape.shape)?);
                let read =
                    if envelope { rows.json_envelope(row, &mut payload)? } else { rows.json_flat(row, &mut payload)? };
                payload.end()?;
                read
            }
            (ValueReader::KeyOnly, Part::Json { .. }) => {
                let members = members.unwrap_or_default();
                Read { op: members.operation()?, source_ms: members.source_ms(), ..Read::default() }
            }
            (ValueReader::Unusable(fault), _) => return Err(fault.clone()),
            _ => return Err(fault(Class::UnsupportedSchema, "the record's format changed under its plan")),
        };
        read.before = rows.before.take();
        Ok(read)
    }

    /// A record whose columns cannot be laid out may still be one that needs none.
    fn without_layout(
        &mut self,
        plan: &Plan,
        value: Part<'_>,
        members: Option<Members<'_>>,
        cause: &Fault,
        index: u32,
    ) -> Res<Counted> {
        let head = match (&plan.value, value) {
            (ValueReader::AvroEnvelope(envelope), Part::Avro(_, bytes)) => {
                let mut at = Cursor::new(bytes);
                let head = envelope.read(&mut at, false, &mut Over)?;
                Some((head.op, head.source_ms))
            }
            (ValueReader::Unusable(fault), _) => return Err(fault.clone()),
            (_, Part::Json { mut payload, .. }) => {
                let members = members.map_or_else(|| Members::scan(&mut payload), Ok)?;
                if members.is_envelope() { Some((members.operation()?, members.source_ms())) } else { None }
            }
            _ => None,
        };
        match head {
            Some((b't', source_ms)) => {
                self.compactor.truncate(index);
                Ok(Counted::Event { op: b't', source_ms })
            }
            Some((b'm', _)) => Ok(Counted::Skipped),
            _ => Err(Box::new(cause.clone())),
        }
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

    /// The record's key and the row must agree, or two rows of a segment could have one key.
    fn close_row(&mut self, layout: &Layout) -> Res<()> {
        let now = &mut self.compactor.now;
        for (place, compared) in layout.compared.iter().enumerate() {
            let (key, row) = (self.key_spans[place], self.row_spans[place]);
            if *compared && now.keys[key.0..key.1] != now.rows[row.0..row.1] {
                let name = &layout.columns[layout.key[place]].name;
                return Err(fault(Class::KeyMismatch, "the record's key and its row differ").at(name));
            }
        }
        for place in &layout.appended {
            let (low, high) = self.key_spans[*place];
            now.rows.extend_from_slice(&now.keys[low..high]);
        }
        Ok(())
    }

    /// Takes the key out of the row; an update that changed it deletes the row before.
    fn key_from_value(
        &mut self,
        layout: &Arc<Layout>,
        delete: bool,
        row: bool,
        before: Option<Vec<u8>>,
        (index, source_ms): (u32, Option<i64>),
    ) -> Res<()> {
        let own = match (delete, before) {
            (true, Some(before)) => before,
            (_, before) => {
                if !row {
                    return Err(fault(Class::MissingKey, "a delete without the row before it, which has the key"));
                }
                let own = key_of(layout, &self.compactor.now.rows, &self.row_spans)?;
                if let Some(before) = before.filter(|before| *before != own) {
                    let bytes = self.compactor.now.rows.split_off(self.row_from);
                    let key = self.push_key(&before);
                    let row = self.row_from..self.row_from;
                    self.compactor.add(layout, Change { key, row, message: index, kind: Kind::Delete, source_ms });
                    self.row_from = self.compactor.now.rows.len();
                    self.compactor.now.rows.extend_from_slice(&bytes);
                }
                own
            }
        };
        self.key = Some(self.push_key(&own));
        Ok(())
    }

    fn push_key(&mut self, key: &[u8]) -> Range<usize> {
        let keys = &mut self.compactor.now.keys;
        keys.extend_from_slice(key);
        keys.len() - key.len()..keys.len()
    }
}
