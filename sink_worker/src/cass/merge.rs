//! A batch's writes joined with what PostgreSQL holds of their rows: what to write, what to delete, what to remember of the dead.

use std::collections::HashMap;

use crate::cass::bound::covers;
use crate::cass::event::canonical;
use crate::cass::lattice::{ABSENT, Cell, Head, NO_DELETION, NO_ROW, NULL, Slot, wins};
use crate::cass::order::by_bytes;
use crate::cass::record::Writes;
use crate::cass::state;

/// What the deletions stored of a partition are: range and timestamp.
pub type Tombs = HashMap<Vec<u8>, Vec<(Vec<u8>, i64)>>;

/// A row's deletion state beside the table: its version, its base, its bytes.
pub struct Grave {
    pub version: u32,
    pub base: i64,
    pub state: Vec<u8>,
}

/// What surrounds the merge of one table's rows.
pub struct Around<'a> {
    /// Columns of the table that have cells.
    pub width: usize,
    /// Key columns.
    pub keys: usize,
    pub graves: HashMap<Vec<u8>, Grave>,
    pub tombs: Tombs,
    /// Key columns of a partition.
    pub partition: usize,
    /// Seconds since 1970.
    pub now: i64,
    /// Deletions before it (µs) are forgotten.
    pub cutoff: i64,
    /// The column of the table that each column of the writes' layout is.
    pub columns: &'a [usize],
}

/// A row as PostgreSQL has it.
struct Stored {
    key: Vec<u8>,
    version: u32,
    head: Head,
    cells: Vec<Cell>,
    expires: Option<i64>,
}

#[derive(Default)]
pub struct Merged {
    /// COPY tuples: version or NULL, base, state, next expiry, key, cells.
    pub rows: Vec<u8>,
    pub inserts: usize,
    pub updates: usize,
    /// Keys and versions of rows to delete.
    pub deletes: Vec<(Vec<u8>, u32)>,
    pub grave_deletes: Vec<(Vec<u8>, u32)>,
    pub grave_inserts: Vec<(Vec<u8>, i64, Vec<u8>)>,
    /// Of the key's columns.
    pub oids: Vec<u32>,
}

/// A field of record_send()'s form: oid and value (None: NULL).
fn field<'a>(rest: &mut &'a [u8]) -> Option<(u32, Option<&'a [u8]>)> {
    let (oid, after) = rest.split_first_chunk::<4>()?;
    let (length, after) = after.split_first_chunk::<4>()?;
    let length = i32::from_be_bytes(*length);
    let oid = u32::from_be_bytes(*oid);
    let Ok(length) = usize::try_from(length) else {
        *rest = after;
        return Some((oid, None));
    };
    let value = after.get(..length)?;
    *rest = &after[length..];
    Some((oid, Some(value)))
}

fn word(bytes: Option<&[u8]>) -> Option<u32> {
    bytes.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
}

fn long(bytes: Option<&[u8]>) -> Option<i64> {
    bytes.and_then(|bytes| bytes.try_into().ok()).map(i64::from_be_bytes)
}

/// Reads a row: version, base, state, expiry, key, cells. Values go into `arena`.
fn stored(record: &[u8], around: &Around<'_>, arena: &mut Vec<u8>, oids: &mut Vec<u32>) -> Option<Stored> {
    let mut rest = record.get(4..)?;
    let version = word(field(&mut rest)?.1)?;
    let base = long(field(&mut rest)?.1)?;
    let bytes = field(&mut rest)?.1.unwrap_or_default();
    let expires = long(field(&mut rest)?.1);
    let mut key = Vec::new();
    let first = oids.is_empty();
    for _ in 0..around.keys {
        let (oid, value) = field(&mut rest)?;
        let value = value?;
        let start = key.len();
        key.extend_from_slice(&(value.len() as i32).to_be_bytes());
        key.extend_from_slice(value);
        canonical(oid, &mut key[start + 4..]);
        if first {
            oids.push(oid);
        }
    }
    let mut cells = vec![ABSENT; around.width];
    for cell in &mut cells {
        if let Some(value) = field(&mut rest)?.1 {
            cell.value = Slot { start: arena.len() as u32, length: value.len() as u32 };
            arena.extend_from_slice(value);
        }
    }
    let head = state::read(bytes, base, &mut cells)?;
    Some(Stored { key, version, head, cells, expires })
}

impl Around<'_> {
    /// The latest deletion of a partition or range that the row is in.
    fn cover(&self, key: &[u8]) -> i64 {
        if self.tombs.is_empty() {
            return NO_DELETION;
        }
        let mut end = 0;
        for _ in 0..self.partition {
            let Some(length) = key.get(end..end + 4).and_then(|four| four.try_into().ok()).map(i32::from_be_bytes)
            else {
                return NO_DELETION;
            };
            end += 4 + length.max(0) as usize;
        }
        let (Some(partition), Some(clustering)) = (key.get(..end), key.get(end..)) else { return NO_DELETION };
        let found = self.tombs.get(partition).into_iter().flatten();
        found.filter(|(range, _)| covers(range, clustering)).map(|(_, ts)| *ts).max().unwrap_or(NO_DELETION)
    }
}

/// Joins the writes (None: there are none, the stored rows are only looked at again) with the stored rows. None: a stored row
/// cannot be read.
pub fn merge(writes: Option<&Writes>, records: &[&[u8]], mut around: Around<'_>) -> Option<Merged> {
    let mut merged = Merged::default();
    let mut arena = writes.map_or_else(Vec::new, |writes| writes.arena.clone());
    let mut rows: Vec<Option<Stored>> = Vec::new();
    let mut others: Vec<Stored> = Vec::new();
    if let Some(writes) = writes {
        rows.resize_with(writes.entries.len(), || None);
        merged.oids = writes.layout.key.iter().map(|column| column.form.oids().0).collect();
    }
    for record in records {
        let found = stored(record, &around, &mut arena, &mut merged.oids)?;
        match writes.and_then(|writes| writes.find(&found.key)) {
            Some(index) => rows[index] = Some(found),
            None => others.push(found),
        }
    }
    if let Some(writes) = writes {
        for index in &writes.order {
            let index = *index as usize;
            let row = rows[index].take();
            join(Some((writes, index)), writes.key_of(index), row, &mut around, &arena, &mut merged)?;
        }
    }
    others.sort_by(|left, right| left.key.cmp(&right.key));
    for row in others {
        let key = row.key.clone();
        join(None, &key, Some(row), &mut around, &arena, &mut merged)?;
    }
    Some(merged)
}

fn join(
    write: Option<(&Writes, usize)>,
    key: &[u8],
    row: Option<Stored>,
    around: &mut Around<'_>,
    arena: &[u8],
    merged: &mut Merged,
) -> Option<()> {
    let grave = around.graves.remove(key);
    let version = row.as_ref().map(|row| row.version);
    let expired = row.as_ref().and_then(|row| row.expires);
    let (mut head, mut cells) = row.map_or_else(|| (NO_ROW, vec![ABSENT; around.width]), |row| (row.head, row.cells));
    if let Some(grave) = &grave {
        let mut dead = vec![ABSENT; around.width];
        head.join(state::read(&grave.state, grave.base, &mut dead)?);
        for (cell, dead) in cells.iter_mut().zip(dead) {
            if dead.mark > cell.mark {
                *cell = dead;
            }
        }
    }
    let before = (head, cells.clone());
    if let Some((writes, index)) = write {
        head.join(writes.entries[index].head);
        for (place, new) in writes.cells_of(index).iter().enumerate() {
            let old = &mut cells[around.columns[place]];
            if wins(*new, *old, || by_bytes(writes.oids[place], new.value.of(arena), old.value.of(arena))) {
                *old = *new;
            }
        }
    }
    head.shadow(&mut cells, head.deleted);
    let cover = around.cover(key);
    head.shadow(&mut cells, cover);
    if head.deleted <= cover {
        head.deleted = NO_DELETION;
    }
    for cell in &mut cells {
        if !cell.mark.shows(around.now) {
            cell.value = NULL;
        }
    }
    state::prune(&mut head, &mut cells, around.cutoff, around.now);
    if head.shows(&cells, around.now) {
        let expires = head.next_expiry(&cells, around.now);
        if version.is_none() || grave.is_some() || before != (head, cells.clone()) || expired != expires {
            put_row(version, key, head, &cells, expires, arena, merged);
        }
        merged.grave_deletes.extend(grave.map(|grave| (key.to_vec(), grave.version)));
        return Some(());
    }
    merged.deletes.extend(version.map(|version| (key.to_vec(), version)));
    let remembers =
        head.deleted != NO_DELETION || !head.marker.is_never() || cells.iter().any(|cell| !cell.mark.is_never());
    let mut bytes = Vec::new();
    let base = state::base_of(head, &cells);
    if remembers {
        state::write(head, &cells, base, &mut bytes);
    }
    let kept = remembers && grave.as_ref().is_some_and(|grave| grave.base == base && grave.state == bytes);
    if !kept {
        merged.grave_deletes.extend(grave.map(|grave| (key.to_vec(), grave.version)));
        if remembers {
            merged.grave_inserts.push((key.to_vec(), base, bytes));
        }
    }
    Some(())
}

fn put_row(
    version: Option<u32>,
    key: &[u8],
    head: Head,
    cells: &[Cell],
    expires: Option<i64>,
    arena: &[u8],
    merged: &mut Merged,
) {
    let out = &mut merged.rows;
    let fields = 4 + merged.oids.len() + cells.len();
    out.extend_from_slice(&(fields as i16).to_be_bytes());
    let mut put = |bytes: Option<&[u8]>| {
        out.extend_from_slice(&bytes.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        out.extend_from_slice(bytes.unwrap_or_default());
    };
    let base = state::base_of(head, cells);
    let mut bytes = Vec::new();
    state::write(head, cells, base, &mut bytes);
    put(version.map(u32::to_be_bytes).as_ref().map(|word| &word[..]));
    put(Some(&base.to_be_bytes()));
    put(if bytes.is_empty() { None } else { Some(&bytes) });
    put(expires.map(i64::to_be_bytes).as_ref().map(|word| &word[..]));
    out.extend_from_slice(key);
    let mut put = |bytes: Option<&[u8]>| {
        out.extend_from_slice(&bytes.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        out.extend_from_slice(bytes.unwrap_or_default());
    };
    for cell in cells {
        put(if cell.value.is_null() { None } else { Some(cell.value.of(arena)) });
    }
    match version {
        Some(_) => merged.updates += 1,
        None => merged.inserts += 1,
    }
}
