//! One message: its envelope, its key, and the write of cells that it is.

mod key;
mod layouts;
mod touched;

use std::collections::HashMap;
use std::sync::Arc;

use crate::avro::schema::AvroSchema;
use crate::batch::{Input, schema_id};
use crate::cass::cells::{bounds, deletion, marker, scan};
use crate::cass::envelope::{Envelope, Head as Said};
use crate::cass::lattice::{ABSENT, Cell, Head, NO_ROW};
use crate::cass::layout::{Hint, Layout};
use crate::cass::record::{Tomb, Writes};
use crate::fault::{Class, Fault, Res, convert, fault};
use crate::json::connect::Scratch;
use crate::json::cursor::Json;
use crate::json::record::Shapes;
use crate::options::Format;

pub use key::canonical;
pub use layouts::Layouts;
use layouts::{Columns, Ident};

type Known = HashMap<u32, Result<Arc<AvroSchema>, String>>;

/// What a message was.
pub struct Taken {
    pub op: u8,
    pub ts_ms: Option<i64>,
}

/// Where an event's cells are.
pub enum After<'a> {
    Json(Json<'a>),
    Avro(Arc<Envelope>, &'a [u8]),
}

pub struct Taker<'w> {
    pub format: Format,
    pub avro: &'w Known,
    pub shapes: &'w mut Shapes,
    pub hint: &'w Hint,
    pub layouts: &'w mut Layouts,
    pub now_us: i64,
    pub writes: Vec<Writes>,
    pub future: Vec<(u32, i64)>,
    pub listed: Vec<(u32, Vec<String>)>,
    pub key: Option<Vec<u8>>,
    scratch: Scratch,
    cells: Vec<Cell>,
}

impl<'w> Taker<'w> {
    pub fn new(
        format: Format,
        avro: &'w Known,
        shapes: &'w mut Shapes,
        hint: &'w Hint,
        layouts: &'w mut Layouts,
        now_us: i64,
    ) -> Self {
        Taker {
            format,
            avro,
            shapes,
            hint,
            layouts,
            now_us,
            writes: Vec::new(),
            future: Vec::new(),
            listed: Vec::new(),
            key: None,
            scratch: Scratch::default(),
            cells: Vec::new(),
        }
    }

    fn is_json(&self, bytes: &[u8]) -> bool {
        match self.format {
            Format::Auto => matches!(bytes.first(), Some(b'{' | b' ' | b'\t' | b'\r' | b'\n')),
            Format::Json => true,
            Format::Avro => false,
        }
    }

    fn schema(&self, bytes: &[u8]) -> Res<(u32, &'w Arc<AvroSchema>)> {
        let id = schema_id(bytes).ok_or_else(|| fault(Class::MagicByte, "neither JSON nor Avro's wire format"))?;
        match self.avro.get(&id) {
            Some(Ok(schema)) => Ok((id, schema)),
            Some(Err(reason)) => Err(fault(Class::UnknownSchema, format!("schema {id}: {reason}"))),
            None => Err(fault(Class::UnknownSchema, format!("schema {id} is not registered"))),
        }
    }

    /// Takes one message; None: a tombstone, which says nothing that its delete did not.
    pub fn message(&mut self, input: &Input<'_>, index: u32) -> Res<Option<Taken>> {
        self.key = None;
        let Some(bytes) = input.value else { return Ok(None) };
        let (said, after, ident, columns) = if input.shape.is_some() || self.is_json(bytes) {
            let (shape, mut payload) = match input.shape {
                Some(shape) => (Some(Arc::clone(shape)), Json::new(bytes)),
                None => self.shapes.split(bytes)?,
            };
            if payload.null()? {
                return Ok(None);
            }
            let (said, after) = scan(&mut payload)?;
            let shape = match shape {
                Some(shape) => shape,
                None => self.shapes.of_names(&mut after.clone())?,
            };
            (said, After::Json(after), Ident::Json(shape.id), Columns::Json(shape))
        } else {
            let (id, schema) = self.schema(bytes)?;
            let envelope = self.envelope(id, schema)?;
            let (said, place) = envelope.read(&bytes[5..])?;
            let place = place.ok_or_else(|| fault(Class::MissingAfter, "the envelope has no after"))?;
            let columns = Columns::Avro(Arc::clone(&envelope));
            (said, After::Avro(envelope, &bytes[5 + place..]), Ident::Avro(id), columns)
        };
        let layout = self.layout(input, ident, &columns)?;
        let ts = said
            .ts_us
            .ok_or_else(|| fault(Class::MissingField, "source.ts_us is missing: without it nothing can be merged"))?;
        self.bounded(ts, index)?;
        self.write(&layout, input, &said, after, ts, index)?;
        Ok(Some(Taken { op: said.op, ts_ms: said.ts_ms.or(Some(ts / 1_000)) }))
    }

    /// Reports a timestamp that is ahead of the clock, and refuses one that is too far.
    fn bounded(&mut self, ts: i64, index: u32) -> Res<()> {
        let ahead = ts.saturating_sub(self.now_us);
        if ahead > self.hint.report_us && self.future.last() != Some(&(index, ts)) {
            self.future.push((index, ts));
        }
        if ahead > self.hint.refuse_us {
            let why = format!(
                "its timestamp is {} s ahead of this worker's clock: it would win over every write until then",
                ahead / 1_000_000
            );
            return Err(convert(Class::FutureTimestamp, why));
        }
        Ok(())
    }

    /// When a row or partition was deleted: as the cells tell it, else the event's own time.
    fn deleted(&mut self, after: After<'_>, ts: i64, index: u32) -> Res<i64> {
        let deleted = deletion(after)?.unwrap_or(ts);
        self.bounded(deleted, index)?;
        Ok(deleted)
    }

    fn writes(&mut self, layout: &Arc<Layout>) -> usize {
        let same = |writes: &Writes| writes.layout.fingerprint == layout.fingerprint;
        match self.writes.iter().position(same) {
            Some(found) => found,
            None => {
                self.writes.push(Writes::new(layout));
                self.writes.len() - 1
            }
        }
    }

    fn write(
        &mut self,
        layout: &Arc<Layout>,
        input: &Input<'_>,
        said: &Said,
        after: After<'_>,
        ts: i64,
        index: u32,
    ) -> Res<()> {
        let place = self.writes(layout);
        let marks = (self.writes[place].keys.len(), self.writes[place].arena.len());
        let listed = self.listed.len();
        let done = self.write_to(place, layout, input, said, after, ts, index);
        if done.is_err() {
            self.writes[place].keys.truncate(marks.0);
            self.writes[place].arena.truncate(marks.1);
            self.listed.truncate(listed);
        }
        done
    }

    #[expect(clippy::too_many_arguments)]
    fn write_to(
        &mut self,
        place: usize,
        layout: &Arc<Layout>,
        input: &Input<'_>,
        said: &Said,
        after: After<'_>,
        ts: i64,
        index: u32,
    ) -> Res<()> {
        let start = self.writes[place].keys.len();
        let width = self.read_key(place, layout, input).map_err(Fault::in_key)?;
        let whole = width == layout.key.len();
        if whole {
            self.key = Some(self.writes[place].keys[start..].to_vec());
        }
        self.cells.clear();
        self.cells.resize(layout.columns.len(), ABSENT);
        match (said.op, whole) {
            (b'i' | b'u', true) => {
                let mut names = Vec::new();
                self.read_cells(place, layout, after, said, ts, &mut names)?;
                let marker = if said.op == b'i' { marker(&self.cells, ts) } else { NO_ROW.marker };
                if !names.is_empty() {
                    self.listed.push((index, names));
                }
                let cells = std::mem::take(&mut self.cells);
                self.writes[place].add(start, Head { marker, ..NO_ROW }, &cells, index);
                self.cells = cells;
            }
            (b'd', true) => {
                let deleted = self.deleted(after, ts, index)?;
                let cells = std::mem::take(&mut self.cells);
                self.writes[place].add(start, Head { deleted, ..NO_ROW }, &cells, index);
                self.cells = cells;
            }
            (b'd' | b'r', false) if width > 0 => {
                let (deleted, range) = if said.op == b'd' {
                    (self.deleted(after, ts, index)?, Vec::new())
                } else {
                    (ts, bounds(layout, width, after)?)
                };
                let partition = self.writes[place].keys.split_off(start);
                self.writes[place].tombs.push(Tomb { partition, width, range, ts: deleted });
            }
            (b'r', true) => {
                return Err(fault(Class::KeyMismatch, "a range of rows whose record key is one row's").in_key());
            }
            _ => return Err(fault(Class::MissingKey, "a key column is null").in_key()),
        }
        Ok(())
    }
}
