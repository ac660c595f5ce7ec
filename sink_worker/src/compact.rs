//! A batch's changes, one per key over all operations, in an order that every worker shares.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::layout::{KeySource, Layout};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Upsert,
    Delete,
    /// Made void by a later event.
    Gone,
}

/// One row: its key and its tuple as ranges of the epoch's buffers.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Range<usize>,
    pub row: Range<usize>,
    pub message: u32,
    variant: u32,
    /// The entry of the same key that this one leaves in force, since it lacks columns of it.
    earlier: Option<u32>,
    pub kind: Kind,
    pub source_ms: Option<i64>,
}

/// What came between two truncates (or two changes of the key's columns).
#[derive(Default)]
pub struct Epoch {
    pub truncate: Option<u32>,
    signature: Option<u64>,
    pub variants: Vec<Arc<Layout>>,
    last: usize,
    pub entries: Vec<Entry>,
    places: HashTable<u32>,
    pub keys: Vec<u8>,
    pub rows: Vec<u8>,
}

/// A segment to be: rows of one layout, in order.
pub struct Rows {
    pub layout: Option<Arc<Layout>>,
    pub truncate: bool,
    pub epoch: Arc<Epoch>,
    pub upserts: Vec<u32>,
    pub deletes: Vec<u32>,
    pub source_ms: Option<(i64, i64)>,
}

pub struct Change {
    pub key: Range<usize>,
    pub row: Range<usize>,
    pub message: u32,
    pub kind: Kind,
    pub source_ms: Option<i64>,
}

pub fn hash(key: &[u8]) -> u64 {
    // Batches are small and keys the source's own: a fast multiply-mix, folded so that the table's top bits vary.
    let mut sum = key.len() as u64;
    let mut mix = |word: u64| {
        let wide = u128::from(sum ^ word) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835u128;
        sum = (wide as u64) ^ ((wide >> 64) as u64);
    };
    let (words, rest) = key.as_chunks::<8>();
    words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(u64::from_le_bytes(last));
    sum
}

/// Whether every column of `old` is one of `new`'s too.
fn covers(new: &Layout, old: &Layout) -> bool {
    old.columns.iter().all(|column| new.columns.iter().any(|other| other.name == column.name))
}

#[derive(Default)]
pub struct Compactor {
    done: Vec<Epoch>,
    pub now: Epoch,
}

impl Compactor {
    /// Room for a batch of as many messages, with as many bytes in their values.
    pub fn reserve(&mut self, messages: usize, bytes: usize) {
        let (entries, keys) = (&self.now.entries, &self.now.keys);
        self.now.places.reserve(messages, |at| hash(&keys[entries[*at as usize].key.clone()]));
        self.now.entries.reserve(messages);
        self.now.keys.reserve(messages * 12);
        self.now.rows.reserve(bytes / 2);
    }

    fn next_epoch(&mut self) {
        let done = std::mem::take(&mut self.now);
        self.done.push(done);
    }

    /// Everything before is void.
    pub fn truncate(&mut self, message: u32) {
        self.done.clear();
        self.now = Epoch { truncate: Some(message), ..Epoch::default() };
    }

    /// Carries the bytes of an event that is being added over into a new epoch.
    fn split(&mut self, change: &mut Change) {
        let key = self.now.keys.split_off(change.key.start);
        let row = self.now.rows.split_off(change.row.start);
        self.next_epoch();
        (change.key, change.row) = (0..key.len(), 0..row.len());
        (self.now.keys, self.now.rows) = (key, row);
    }

    /// Adds a change whose key and row are the last bytes of the epoch's buffers.
    pub fn add(&mut self, layout: &Arc<Layout>, mut change: Change) {
        if layout.key_source == KeySource::Append {
            let variant = self.now.variant(layout);
            self.now.push(variant, change);
            return;
        }
        if self.now.signature.is_some_and(|signature| signature != layout.signature) {
            self.split(&mut change);
        }
        self.now.signature = Some(layout.signature);
        let variant = self.now.variant(layout);
        let now = &mut self.now;
        let key = &now.keys[change.key.clone()];
        let hashed = hash(key);
        let found = now.places.find(hashed, |at| now.keys[now.entries[*at as usize].key.clone()] == *key).copied();
        let Some(top) = found else {
            let index = now.push(variant, change);
            let (entries, keys) = (&now.entries, &now.keys);
            now.places.insert_unique(hashed, index, |at| hash(&keys[entries[*at as usize].key.clone()]));
            return;
        };
        let old = &mut now.entries[top as usize];
        if old.variant as usize == variant && old.earlier.is_none() {
            now.keys.truncate(change.key.start);
            *old = change.entry(old.key.clone(), variant as u32);
            return;
        }
        let left = now.void(top, variant, change.kind);
        if left.is_some_and(|left| now.entries[left as usize].variant as usize >= variant) {
            // Its segment would not come after the one with the row that it changes.
            self.split(&mut change);
            return self.add(layout, change);
        }
        let index = now.push(variant, change);
        now.entries[index as usize].earlier = left;
        // Keys of entries that are left or gone stay where they are: the buffers live as long as the batch.
        if let Some(slot) = now.places.find_mut(hashed, |place| *place == top) {
            *slot = index;
        }
    }

    /// Whether a later event than `message` had this key, or a later truncate took all.
    pub fn supersedes(&self, key: Option<&[u8]>, message: u32) -> bool {
        self.done.iter().chain([&self.now]).any(|epoch| {
            let truncated = epoch.truncate.is_some_and(|at| at > message);
            truncated || key.is_some_and(|key| epoch.find(key).is_some_and(|entry| entry.message > message))
        })
    }

    pub fn finish(mut self) -> Vec<Rows> {
        self.next_epoch();
        self.done.into_iter().flat_map(Epoch::finish).collect()
    }
}

impl Change {
    fn entry(self, key: Range<usize>, variant: u32) -> Entry {
        let Change { row, message, kind, source_ms, .. } = self;
        Entry { key, row, message, variant, earlier: None, kind, source_ms }
    }
}

impl Epoch {
    fn find(&self, key: &[u8]) -> Option<&Entry> {
        let at = self.places.find(hash(key), |at| self.keys[self.entries[*at as usize].key.clone()] == *key)?;
        Some(&self.entries[*at as usize])
    }

    /// Voids a key's entries that a row of `variant` (or a delete) replaces, from the latest on; the one that is left.
    fn void(&mut self, top: u32, variant: usize, kind: Kind) -> Option<u32> {
        let mut at = Some(top);
        while let Some(index) = at {
            let old = self.entries[index as usize].variant as usize;
            let replaced =
                kind == Kind::Delete || old == variant || covers(&self.variants[variant], &self.variants[old]);
            if !replaced {
                break;
            }
            let entry = &mut self.entries[index as usize];
            entry.kind = Kind::Gone;
            at = entry.earlier;
        }
        at
    }

    fn push(&mut self, variant: usize, change: Change) -> u32 {
        let key = change.key.clone();
        self.entries.push(change.entry(key, variant as u32));
        (self.entries.len() - 1) as u32
    }

    fn variant(&mut self, layout: &Arc<Layout>) -> usize {
        if let Some(last) = self.variants.get(self.last)
            && Arc::ptr_eq(last, layout)
        {
            return self.last;
        }
        let same = |known: &Arc<Layout>| known.fingerprint == layout.fingerprint;
        let found = self.variants.iter().position(same);
        self.last = match found {
            Some(at) => at,
            // Rows of keys only fit every layout with the same key.
            None if layout.key_only && !self.variants.is_empty() => return self.last,
            None => match self.variants.iter().position(|known| known.key_only) {
                Some(at) => {
                    self.variants[at] = Arc::clone(layout);
                    at
                }
                None => {
                    self.variants.push(Arc::clone(layout));
                    self.variants.len() - 1
                }
            },
        };
        self.last
    }

    fn finish(mut self) -> Vec<Rows> {
        self.places = HashTable::new();
        let variants = self.variants.clone();
        let truncate = self.truncate.is_some();
        let epoch = Arc::new(self);
        let mut all: Vec<Rows> = variants
            .into_iter()
            .enumerate()
            .map(|(index, layout)| Rows::collect(&epoch, index as u32, layout))
            .filter(|rows| !rows.upserts.is_empty() || !rows.deletes.is_empty())
            .collect();
        if truncate {
            match all.first_mut() {
                Some(first) => first.truncate = true,
                None => all.push(Rows {
                    layout: None,
                    truncate,
                    epoch,
                    upserts: Vec::new(),
                    deletes: Vec::new(),
                    source_ms: None,
                }),
            }
        }
        all
    }
}

/// The first bytes of the first key column's value: sorts most keys without a look at the rest.
pub fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    let value = key.get(4..).unwrap_or_default();
    let count = value.len().min(8);
    first[..count].copy_from_slice(&value[..count]);
    u64::from_be_bytes(first)
}

/// The order of rows.
pub fn order(left: &[u8], right: &[u8]) -> Ordering {
    prefix(left).cmp(&prefix(right)).then_with(|| left.cmp(right))
}

impl Rows {
    fn collect(epoch: &Arc<Epoch>, variant: u32, layout: Arc<Layout>) -> Rows {
        let mut source_ms: Option<(i64, i64)> = None;
        let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
        for (index, entry) in
            epoch.entries.iter().enumerate().filter(|(_, entry)| entry.variant == variant && entry.kind != Kind::Gone)
        {
            if let Some(time) = entry.source_ms {
                let (low, high) = source_ms.unwrap_or((time, time));
                source_ms = Some((low.min(time), high.max(time)));
            }
            let rows = if entry.kind == Kind::Upsert { &mut upserts } else { &mut deletes };
            rows.push((prefix(&epoch.keys[entry.key.clone()]), index as u32));
        }
        let sorted = |mut rows: Vec<(u64, u32)>| -> Vec<u32> {
            let key = |index: u32| &epoch.keys[epoch.entries[index as usize].key.clone()];
            if layout.key_source != KeySource::Append {
                rows.sort_unstable_by(|left, right| left.0.cmp(&right.0).then_with(|| key(left.1).cmp(key(right.1))));
            }
            rows.into_iter().map(|(_, index)| index).collect()
        };
        let (upserts, deletes) = (sorted(upserts), sorted(deletes));
        Rows { layout: Some(layout), truncate: false, epoch: Arc::clone(epoch), upserts, deletes, source_ms }
    }
}
