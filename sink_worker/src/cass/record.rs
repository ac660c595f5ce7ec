//! A batch's writes, one entry for each row: whatever came of it is merged before PostgreSQL is asked for anything.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::cass::lattice::{Cell, Head, NO_ROW, wins};
use crate::cass::layout::Layout;
use crate::cass::order::by_bytes;
use crate::compact::{hash, prefix};

/// The writes of one row.
#[derive(Clone)]
pub struct Entry {
    pub key: Range<usize>,
    pub head: Head,
    /// The last event that touched it.
    pub message: u32,
}

/// A partition's or a range's deletion.
#[derive(Clone, Debug)]
pub struct Tomb {
    /// The partition's key columns, as COPY fields.
    pub partition: Vec<u8>,
    /// How many they are.
    pub width: usize,
    /// Empty: the whole partition.
    pub range: Vec<u8>,
    pub ts: i64,
}

/// Writes of one layout.
pub struct Writes {
    pub layout: Arc<Layout>,
    pub oids: Vec<u32>,
    pub keys: Vec<u8>,
    /// The values of cells.
    pub arena: Vec<u8>,
    pub entries: Vec<Entry>,
    /// As many for each entry as the layout has columns.
    pub cells: Vec<Cell>,
    places: HashTable<u32>,
    pub tombs: Vec<Tomb>,
    /// The entries in the order of their keys.
    pub order: Vec<u32>,
}

impl Writes {
    pub fn new(layout: &Arc<Layout>) -> Writes {
        Writes {
            oids: layout.columns.iter().map(|column| column.form.oids().0).collect(),
            layout: Arc::clone(layout),
            keys: Vec::new(),
            arena: Vec::new(),
            entries: Vec::new(),
            cells: Vec::new(),
            places: HashTable::new(),
            tombs: Vec::new(),
            order: Vec::new(),
        }
    }

    pub fn find(&self, key: &[u8]) -> Option<usize> {
        let same = |at: &u32| self.keys[self.entries[*at as usize].key.clone()] == *key;
        self.places.find(hash(key), same).map(|at| *at as usize)
    }

    /// Adds a write whose key is the last of `keys` from `start` on.
    pub fn add(&mut self, start: usize, head: Head, cells: &[Cell], message: u32) {
        if let Some(found) = self.find(&self.keys[start..]) {
            self.keys.truncate(start);
            self.join(found, head, cells, message);
            return;
        }
        let key = start..self.keys.len();
        let hashed = hash(&self.keys[key.clone()]);
        self.entries.push(Entry { key, head: NO_ROW, message });
        let index = self.entries.len() - 1;
        self.entries[index].head.join(head);
        self.cells.extend_from_slice(cells);
        let (entries, keys) = (&self.entries, &self.keys);
        self.places.insert_unique(hashed, index as u32, |at| hash(&keys[entries[*at as usize].key.clone()]));
    }

    fn join(&mut self, index: usize, head: Head, cells: &[Cell], message: u32) {
        let entry = &mut self.entries[index];
        entry.head.join(head);
        entry.message = message;
        let width = cells.len();
        for (column, new) in cells.iter().enumerate() {
            let old = &mut self.cells[index * width + column];
            if wins(*new, *old, || by_bytes(self.oids[column], new.value.of(&self.arena), old.value.of(&self.arena))) {
                *old = *new;
            }
        }
    }

    /// The same without some columns; rows stay, whatever they have left.
    pub fn without(&self, names: &[String]) -> Writes {
        let columns = &self.layout.columns;
        let kept: Vec<usize> = (0..columns.len()).filter(|index| !names.contains(&columns[*index].name)).collect();
        let cells = (0..self.entries.len()).flat_map(|row| kept.iter().map(move |index| self.cells_of(row)[*index]));
        Writes {
            layout: Arc::new(self.layout.keeping(&kept)),
            oids: kept.iter().map(|index| self.oids[*index]).collect(),
            keys: self.keys.clone(),
            arena: self.arena.clone(),
            entries: self.entries.clone(),
            cells: cells.collect(),
            places: self.places.clone(),
            tombs: self.tombs.clone(),
            order: self.order.clone(),
        }
    }

    /// The latest timestamp (µs).
    pub fn latest(&self) -> Option<i64> {
        let rows = self.entries.iter().flat_map(|entry| [entry.head.deleted, entry.head.marker.ts]);
        let all = rows.chain(self.cells.iter().map(|cell| cell.mark.ts)).chain(self.tombs.iter().map(|tomb| tomb.ts));
        all.filter(|ts| *ts != i64::MIN).max()
    }

    pub fn cells_of(&self, index: usize) -> &[Cell] {
        let width = self.layout.columns.len();
        &self.cells[index * width..(index + 1) * width]
    }

    pub fn key_of(&self, index: usize) -> &[u8] {
        &self.keys[self.entries[index].key.clone()]
    }

    /// All is in: sets the order of the rows, the same everywhere, so that two batches never wait for each other.
    pub fn close(&mut self) {
        let mut all: Vec<(u64, u32)> =
            (0..self.entries.len()).map(|index| (prefix(self.key_of(index)), index as u32)).collect();
        let key = |index: u32| self.key_of(index as usize);
        all.sort_unstable_by(|left, right| left.0.cmp(&right.0).then_with(|| key(left.1).cmp(key(right.1))));
        self.order = all.into_iter().map(|(_, index)| index).collect();
    }
}
