//! A record's key: its columns as far as they are not null, in one form for equal values.

use std::sync::Arc;

use crate::avro::cursor::Cursor;
use crate::avro::read::RecordReader;
use crate::avro::schema::AvroSchema;
use crate::batch::Input;
use crate::cass::event::Taker;
use crate::cass::layout::Layout;
use crate::fault::{Class, Res, fault};
use crate::json::cursor::Json;
use crate::value::Val;

enum Key<'a> {
    Json(Json<'a>),
    Avro(&'a Arc<AvroSchema>, &'a [u8]),
}

impl Taker<'_> {
    /// Appends the key's fields as far as they are not null; how many there are.
    pub(super) fn read_key(&mut self, place: usize, layout: &Layout, input: &Input<'_>) -> Res<usize> {
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
                let reader = RecordReader::compile(schema, schema.root)
                    .ok_or_else(|| fault(Class::UnsupportedSchema, "the key's schema is no record"))?;
                for (number, (column, field)) in layout.key.iter().zip(&reader.fields).enumerate() {
                    let mut text = String::new();
                    let value = field.read(schema, &mut at, &mut text)?;
                    let null = matches!(value, Val::Null);
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
