//! One message: its envelope, its key, and the write of cells that it is.

use std::collections::HashMap;
use std::sync::Arc;

use crate::avro::cursor::Cursor;
use crate::avro::schema::AvroSchema;
use crate::batch::{Input, schema_id};
use crate::cass::cells::{avro_cell, bounds, deletion, json_cell, marker, scan, skip_cell, target};
use crate::cass::envelope::{Envelope, Field, Head as Said, present};
use crate::cass::lattice::{ABSENT, Cell, Head, NO_ROW};
use crate::cass::layout::{Hint, Layout, OnAmbiguous, Target, Typed, no_type};
use crate::cass::record::{Tomb, Writes};
use crate::cass::schema::{avro, connect_columns, connect_key};
use crate::fault::{Class, Fault, Res, fault};
use crate::json::connect::Scratch;
use crate::json::cursor::Json;
use crate::json::record::{Shape, Shapes};
use crate::options::Format;
use crate::plan::structure;

type Known = HashMap<u32, Result<Arc<AvroSchema>, String>>;

/// What tells one kind of key or value from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ident {
    Json(u32),
    Avro(u32),
}

/// Layouts of a table, and envelopes by their schema's id.
#[derive(Default)]
pub struct Layouts {
    known: Vec<(Ident, Ident, Arc<Layout>)>,
    envelopes: HashMap<u32, Arc<Envelope>>,
}

/// Layouts that a table keeps.
const MAX_LAYOUTS: usize = 64;

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

enum Key<'a> {
    Json(Json<'a>),
    Avro(&'a Arc<AvroSchema>, &'a [u8]),
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
        let ts = self.timestamp(&said, index)?;
        self.write(&layout, input, &said, after, ts, index)?;
        Ok(Some(Taken { op: said.op, ts_ms: said.ts_ms.or(Some(ts / 1_000)) }))
    }

    fn envelope(&mut self, id: u32, schema: &Arc<AvroSchema>) -> Res<Arc<Envelope>> {
        if let Some(found) = self.layouts.envelopes.get(&id) {
            return Ok(Arc::clone(found));
        }
        let compiled = Envelope::compile(schema).ok_or_else(|| {
            fault(Class::UnsupportedSchema, "the value's schema is no envelope of Cassandra's connector")
        })?;
        let compiled = Arc::new(compiled);
        self.layouts.envelopes.insert(id, Arc::clone(&compiled));
        Ok(compiled)
    }

    fn timestamp(&mut self, said: &Said, index: u32) -> Res<i64> {
        let ts = said
            .ts_us
            .ok_or_else(|| fault(Class::MissingField, "source.ts_us is missing: without it nothing can be merged"))?;
        let ahead = ts.saturating_sub(self.now_us);
        if ahead > self.hint.refuse_us {
            let why = format!(
                "its timestamp is {} s ahead of this worker's clock: it would win over every write until then",
                ahead / 1_000_000
            );
            self.future.push((index, ts));
            return Err(crate::fault::convert(Class::FutureTimestamp, why));
        }
        if ahead > self.hint.report_us {
            self.future.push((index, ts));
        }
        Ok(ts)
    }

    fn layout(&mut self, input: &Input<'_>, value: Ident, columns: &Columns) -> Res<Arc<Layout>> {
        let bytes = input.key.ok_or_else(|| fault(Class::MissingKey, "the record has no key").in_key())?;
        let (key, shape) = if self.is_json(bytes) {
            let (shape, payload) = self.shapes.split(bytes).map_err(Fault::in_key)?;
            let shape = match shape {
                Some(shape) => shape,
                None => self.shapes.of_names(&mut payload.clone()).map_err(Fault::in_key)?,
            };
            (Ident::Json(shape.id), Some(shape))
        } else {
            (Ident::Avro(self.schema(bytes).map_err(Fault::in_key)?.0), None)
        };
        let same = |known: &&(Ident, Ident, Arc<Layout>)| (known.0, known.1) == (value, key);
        if let Some((_, _, layout)) = self.layouts.known.iter().rev().find(same) {
            return Ok(Arc::clone(layout));
        }
        let keys = match shape {
            Some(shape) => typed(&shape, connect_key)?,
            None => avro_key(self.schema(bytes)?.1)?,
        };
        let fields = match columns {
            Columns::Json(shape) => typed(shape, connect_columns)?,
            Columns::Avro(envelope) => envelope.columns.clone(),
        };
        let layout = Layout::build(&fields, &keys, self.hint)?;
        if self.layouts.known.len() >= MAX_LAYOUTS {
            self.layouts.known.clear();
        }
        let layout = Arc::new(layout);
        self.layouts.known.push((value, key, Arc::clone(&layout)));
        Ok(layout)
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
                let deleted = deletion(after)?.unwrap_or(ts);
                let cells = std::mem::take(&mut self.cells);
                self.writes[place].add(start, Head { deleted, ..NO_ROW }, &cells, index);
                self.cells = cells;
            }
            (b'd' | b'r', false) => {
                let (deleted, range) = if said.op == b'd' {
                    (deletion(after)?.unwrap_or(ts), Vec::new())
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

    /// Appends the key's fields as far as they are not null; how many there are.
    fn read_key(&mut self, place: usize, layout: &Layout, input: &Input<'_>) -> Res<usize> {
        let bytes = input.key.unwrap_or_default();
        let key = if self.is_json(bytes) {
            Key::Json(self.shapes.split(bytes)?.1)
        } else {
            Key::Avro(self.schema(bytes)?.1, &bytes[5..])
        };
        let out = &mut self.writes[place].keys;
        let mut width = 0;
        let mut take = |number: usize, null: bool| match (null, width == number) {
            (true, _) => Ok(()),
            (false, true) => {
                width += 1;
                Ok(())
            }
            (false, false) => Err(fault(Class::MissingKey, "a key column is null before one that is not")),
        };
        match key {
            Key::Json(mut at) => {
                let mut more = at.open(b'{', b'}')?;
                let mut number = 0;
                while more {
                    let mut scratch = String::new();
                    let name = at.name(&mut scratch)?;
                    let Some(column) = layout.key.get(number).filter(|column| column.name == name) else {
                        return Err(fault(
                            Class::UnknownField,
                            "the key has its columns in another order than its schema",
                        ));
                    };
                    let null = at.null()?;
                    take(number, null)?;
                    if !null {
                        let start = out.len();
                        let read = column.form.json(&mut at, self.hint.precise, &mut self.scratch, out);
                        read.map_err(|why| why.at(&column.name))?;
                        canonical(column.form.oids().0, &mut out[start + 4..]);
                    }
                    number += 1;
                    more = at.more(b'}')?;
                }
                at.end()?;
            }
            Key::Avro(schema, bytes) => {
                let mut at = Cursor::new(bytes);
                let reader = crate::avro::read::RecordReader::compile(schema, schema.root)
                    .ok_or_else(|| fault(Class::UnsupportedSchema, "the key's schema is no record"))?;
                for (number, (column, field)) in layout.key.iter().zip(&reader.fields).enumerate() {
                    let mut text = String::new();
                    let value = field.read(schema, &mut at, &mut text)?;
                    let null = matches!(value, crate::value::Val::Null);
                    take(number, null)?;
                    if !null {
                        let start = out.len();
                        let written = column.form.value(value, self.hint.precise, &mut self.scratch, out);
                        written.map_err(|why| why.at(&column.name))?;
                        canonical(column.form.oids().0, &mut out[start + 4..]);
                    }
                }
            }
        }
        Ok(width)
    }

    fn read_cells(
        &mut self,
        place: usize,
        layout: &Layout,
        after: After<'_>,
        said: &Said,
        ts: i64,
        names: &mut Vec<String>,
    ) -> Res<()> {
        match after {
            After::Json(mut at) => {
                let mut more = at.open(b'{', b'}')?;
                let mut number = 0;
                while more {
                    let (name, _) = at.raw_string()?;
                    at.expect(b':')?;
                    let target = target(layout, number, name);
                    number += 1;
                    if at.null()? {
                        more = at.more(b'}')?;
                        continue;
                    }
                    match target {
                        Some(Target::Cell(column)) if self.wanted(layout, column, said, names)? => {
                            let arena = &mut self.writes[place].arena;
                            let form = &layout.columns[column].form;
                            let read = json_cell(form, &mut at, self.hint.precise, &mut self.scratch, arena, ts);
                            if let Some(cell) = read.map_err(|why| why.at(&layout.columns[column].name))? {
                                self.cells[column] = cell;
                            }
                        }
                        Some(Target::Unknown) => return Err(no_type(&String::from_utf8_lossy(name))),
                        None => {
                            return Err(fault(Class::UnknownField, "a column is not in the record's own schema"));
                        }
                        _ => drop(at.skip()?),
                    }
                    more = at.more(b'}')?;
                }
            }
            After::Avro(envelope, bytes) => {
                let mut at = Cursor::new(bytes);
                if !envelope.enter(&mut at)? {
                    return Err(fault(Class::MissingAfter, "a change without cells"));
                }
                for (number, field) in envelope.fields.iter().enumerate() {
                    match (layout.targets.get(number), field) {
                        (Some(Target::Cell(column)), Field::Cell(cell)) => {
                            if !present(cell.union, &mut at)? {
                                continue;
                            }
                            let wanted = self.wanted(layout, *column, said, names)?;
                            let arena = &mut self.writes[place].arena;
                            let column_of = &layout.columns[*column];
                            let read = avro_cell(
                                &envelope,
                                cell,
                                &column_of.form,
                                &mut at,
                                (self.hint.precise, ts, wanted),
                                &mut self.scratch,
                                arena,
                            );
                            if let Some(cell) = read.map_err(|why| why.at(&column_of.name))? {
                                self.cells[*column] = cell;
                            }
                        }
                        (_, Field::Cell(cell)) => skip_cell(&envelope, cell, &mut at)?,
                        (_, Field::Rendered(id)) => crate::avro::read::skip(&envelope.schema, *id, &mut at, 0)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a touched cell's value can be taken. What an INSERT brings replaces a collection, an UPDATE may only touch it.
    fn wanted(&self, layout: &Layout, column: usize, said: &Said, names: &mut Vec<String>) -> Res<bool> {
        let column = &layout.columns[column];
        if !column.ambiguous || said.snapshot {
            return Ok(true);
        }
        if self.hint.on_ambiguous == OnAmbiguous::Refuse {
            let why = "an event cannot tell this column's value: declare it frozen where it is, or set cassandra.on_ambiguous";
            return Err(crate::fault::convert(Class::AmbiguousColumn, why).at(&column.name));
        }
        names.push(column.name.clone());
        Ok(said.op == b'i')
    }
}

enum Columns {
    Json(Arc<Shape>),
    Avro(Arc<Envelope>),
}

fn typed(shape: &Shape, of_schema: impl Fn(&[u8]) -> Vec<Typed>) -> Res<Vec<Typed>> {
    if shape.is_schemaless() {
        return Ok(structure(shape)?.fields.iter().map(|field| (field.spec.name.clone(), None)).collect());
    }
    Ok(of_schema(shape.schema()))
}

fn avro_key(schema: &AvroSchema) -> Res<Vec<Typed>> {
    match schema.kind(schema.root) {
        crate::avro::schema::Kind::Record(fields) => {
            Ok(fields.iter().map(|(name, id)| (name.clone(), avro(schema, *id, 0))).collect())
        }
        _ => Err(fault(Class::UnsupportedSchema, "the key's schema is no record").in_key()),
    }
}

/// Equal values of a key in one form.
pub fn canonical(oid: u32, bytes: &mut [u8]) {
    let pg = match oid {
        1700 => crate::pg::Pg::Numeric,
        700 => crate::pg::Pg::Float4,
        701 => crate::pg::Pg::Float8,
        _ => return,
    };
    if !bytes.is_empty() {
        crate::layout::canonical(pg, bytes);
    }
}
