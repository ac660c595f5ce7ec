//! What a merge has to know of a row beside its values, in few bytes.
//!
//! A row keeps one timestamp, its base, and only what deviates from it: nothing for a row that one INSERT made. Otherwise a byte of
//! flags, the marker's end of life, the row's deletion, and groups of columns with one mark: class, distance from the base, end of
//! life, a bitmap of the columns' numbers. Columns that are NULL and in no group were never written; a live one without a value
//! (a mask made NULL of it) is in one.

use super::lattice::{ABSENT, Cell, Class, Head, Mark, NEVER, NO_DELETION, NO_ROW};

const NO_MARKER: u8 = 1;
const MARKER_EXPIRES: u8 = 2;
const ROW_DELETED: u8 = 4;

/// The base of a row: its marker's timestamp, else the latest there is.
pub fn base_of(head: Head, cells: &[Cell]) -> i64 {
    if !head.marker.is_never() {
        return head.marker.ts;
    }
    cells.iter().map(|cell| cell.mark.ts).max().unwrap_or(i64::MIN).max(head.deleted)
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The bytes of a state relative to `base`; empty where nothing deviates.
pub fn write(head: Head, cells: &[Cell], base: i64, out: &mut Vec<u8>) {
    let start = out.len();
    let mut flags = 0;
    if head.marker.is_never() {
        flags |= NO_MARKER;
    }
    if head.marker.class == Class::Expiring {
        flags |= MARKER_EXPIRES;
    }
    if head.deleted != NO_DELETION {
        flags |= ROW_DELETED;
    }
    out.push(flags);
    if flags & MARKER_EXPIRES != 0 {
        put(out, head.marker.expiry as u64);
    }
    if flags & ROW_DELETED != 0 {
        put(out, zigzag(head.deleted.wrapping_sub(base)));
    }
    let deviates = |cell: &Cell| !cell.mark.is_never() && (cell.mark != Mark::live(base) || cell.value.is_null());
    for (number, cell) in cells.iter().enumerate() {
        let first = || cells[..number].iter().all(|earlier| earlier.mark != cell.mark || !deviates(earlier));
        if !deviates(cell) || !first() {
            continue;
        }
        out.push(cell.mark.class as u8);
        put(out, zigzag(cell.mark.ts.wrapping_sub(base)));
        if cell.mark.class == Class::Expiring {
            put(out, cell.mark.expiry as u64);
        }
        bitmap(cells, cell.mark, number, out);
    }
    if out.len() == start + 1 && flags == 0 {
        out.truncate(start);
    }
}

fn bitmap(cells: &[Cell], mark: Mark, first: usize, out: &mut Vec<u8>) {
    let last = cells.iter().rposition(|cell| cell.mark == mark).unwrap_or(first);
    put(out, (last / 8 + 1) as u64);
    let start = out.len();
    out.resize(start + last / 8 + 1, 0);
    for (number, cell) in cells.iter().enumerate() {
        if cell.mark == mark {
            out[start + number / 8] |= 1 << (number % 8);
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
        }
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }
}

/// Reads a state back. `cells` come with their values (of columns that are NULL without), and get their marks. None: no state.
pub fn read(bytes: &[u8], base: i64, cells: &mut [Cell]) -> Option<Head> {
    for cell in cells.iter_mut() {
        cell.mark = if cell.value.is_null() { NEVER } else { Mark::live(base) };
    }
    let mut at = Reader { rest: bytes };
    let flags = if bytes.is_empty() { 0 } else { at.byte()? };
    let mut head = NO_ROW;
    if flags & NO_MARKER == 0 {
        head.marker = Mark::live(base);
    }
    if flags & MARKER_EXPIRES != 0 {
        head.marker = Mark::expiring(base, at.number()? as i64);
    }
    if flags & ROW_DELETED != 0 {
        head.deleted = base.wrapping_add(at.signed()?);
    }
    while !at.rest.is_empty() {
        let class = match at.byte()? {
            0 => Class::Live,
            1 => Class::Expiring,
            2 => Class::Dead,
            _ => return None,
        };
        let ts = base.wrapping_add(at.signed()?);
        let expiry = if class == Class::Expiring { at.number()? as i64 } else { 0 };
        for byte_number in 0..usize::try_from(at.number()?).ok()? {
            let byte = at.byte()?;
            for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                cells.get_mut(byte_number * 8 + bit)?.mark = Mark { ts, class, expiry };
            }
        }
    }
    Some(head)
}

/// Forgets deletions that are older than `cutoff`.
pub fn prune(head: &mut Head, cells: &mut [Cell], cutoff: i64, now: i64) {
    if head.deleted < cutoff {
        head.deleted = NO_DELETION;
    }
    for cell in cells {
        if cell.mark.ts < cutoff && !cell.mark.shows(now) {
            *cell = ABSENT;
        }
    }
    if head.marker.ts < cutoff && !head.marker.shows(now) {
        head.marker = NEVER;
    }
}

#[cfg(test)]
mod tests {
    use super::super::lattice::{NULL, Slot};
    use super::*;

    fn round(head: Head, cells: &[Cell]) -> usize {
        let base = base_of(head, cells);
        let mut bytes = Vec::new();
        write(head, cells, base, &mut bytes);
        let mut again: Vec<Cell> = cells.iter().map(|cell| Cell { mark: NEVER, value: cell.value }).collect();
        assert_eq!(read(&bytes, base, &mut again), Some(head));
        assert_eq!(again, cells);
        bytes.len()
    }

    #[test]
    fn what_one_insert_made_takes_no_bytes_and_everything_comes_back() {
        let value = Slot { start: 0, length: 1 };
        let ts = 1_795_305_523_031_928;
        let live = Cell { mark: Mark::live(ts), value };
        let marker = Mark::live(ts);
        assert_eq!(round(Head { marker, ..NO_ROW }, &[live, ABSENT, live]), 0);
        let newer = Cell { mark: Mark::live(ts + 60_000_000), value };
        let null = Cell { mark: Mark::dead(ts), value: NULL };
        let dying = Cell { mark: Mark::expiring(ts, ts / 1_000_000 + 600), value };
        assert!(round(Head { marker, ..NO_ROW }, &[live, newer, newer, ABSENT, live]) <= 8);
        round(Head { marker: Mark::expiring(ts, 77), deleted: ts - 5 }, &[dying, null, dying, newer, ABSENT]);
        round(Head { marker: NEVER, deleted: NO_DELETION }, &[newer, live, null]);
        round(Head { marker: NEVER, deleted: ts }, &[]);
        round(Head { marker, ..NO_ROW }, &vec![newer; 40]);
        let hidden = Cell { value: NULL, ..live };
        round(Head { marker, ..NO_ROW }, &[live, hidden, live, Cell { value: NULL, ..newer }, newer]);
        round(NO_ROW, &[hidden]);
    }

    #[test]
    fn bytes_that_are_no_state_are_none() {
        let mut cells = [ABSENT; 2];
        for bytes in [&[0u8, 9][..], &[0, 0], &[2], &[0, 0, 0, 1, 0xff], &[4, 0x80]] {
            assert_eq!(read(bytes, 0, &mut cells), None, "{bytes:?}");
        }
    }
}
