//! The key of a record's row: the record's own, or out of its value.

use std::ops::Range;
use std::sync::Arc;

use crate::avro::cursor::Cursor;
use crate::compact::{Change, Kind};
use crate::event::{Part, Work};
use crate::fault::{Class, Fault, Res, fault};
use crate::layout::{KeySource, Layout, canonical};
use crate::plan::{KeyReader, Plan, structure};
use crate::row::{Marks, RowWriter};
use crate::taker::{ended, key_of};

impl Work<'_> {
    /// Writes the record's key, where it is what rows are known by.
    pub(super) fn read_key(&mut self, plan: &Plan, layout: &Layout, key: Part<'_>) -> Res<()> {
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

    /// The record's key and the row must agree, or two rows of a segment could have one key.
    pub(super) fn close_row(&mut self, layout: &Layout) -> Res<()> {
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
    pub(super) fn key_from_value(
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
