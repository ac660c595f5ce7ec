//! The layouts of a table's events, made once for each kind of key and value.

use std::collections::HashMap;
use std::sync::Arc;

use crate::avro::schema::{AvroSchema, Kind};
use crate::batch::Input;
use crate::cass::envelope::Envelope;
use crate::cass::event::Taker;
use crate::cass::layout::{Layout, Typed};
use crate::cass::schema::{avro, connect_columns, connect_key};
use crate::fault::{Class, Fault, Res, fault};
use crate::json::record::Shape;
use crate::plan::structure;

/// What tells one kind of key or value from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ident {
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

/// Where the columns of a value are told.
pub enum Columns {
    Json(Arc<Shape>),
    Avro(Arc<Envelope>),
}

impl Taker<'_> {
    pub(super) fn envelope(&mut self, id: u32, schema: &Arc<AvroSchema>) -> Res<Arc<Envelope>> {
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

    pub(super) fn layout(&mut self, input: &Input<'_>, value: Ident, columns: &Columns) -> Res<Arc<Layout>> {
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
}

fn typed(shape: &Shape, of_schema: impl Fn(&[u8]) -> Vec<Typed>) -> Res<Vec<Typed>> {
    if shape.is_schemaless() {
        return Ok(structure(shape)?.fields.iter().map(|field| (field.spec.name.clone(), None)).collect());
    }
    Ok(of_schema(shape.schema()))
}

fn avro_key(schema: &AvroSchema) -> Res<Vec<Typed>> {
    match schema.kind(schema.root) {
        Kind::Record(fields) => Ok(fields.iter().map(|(name, id)| (name.clone(), avro(schema, *id, 0))).collect()),
        _ => Err(fault(Class::UnsupportedSchema, "the key's schema is no record").in_key()),
    }
}
