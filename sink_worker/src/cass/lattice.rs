//! How Cassandra reconciles writes: the greater mark wins, and marks have a total order. So the merge of any two states is a
//! least upper bound: commutative, associative, idempotent, and neither order nor duplicates of events can change what comes out.
//!
//! Source: `org.apache.cassandra.db.rows.Cells#resolveRegular`, `LivenessInfo#supersedes`, `DeletionTime#deletes` of 5.0.

use std::cmp::Ordering;

/// What a write is; greater wins a tie of timestamps. An expiring cell will be a tombstone, so it wins over a plain one already
/// before it is (CASSANDRA-14592): else the outcome would depend on the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Live,
    Expiring,
    Dead,
}

/// A write but for its value, in the order by which it wins: timestamp (µs), class, end of life (s; 0 where there is none).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub ts: i64,
    pub class: Class,
    pub expiry: i64,
}

/// No write: every other one wins over it.
pub const NEVER: Mark = Mark { ts: i64::MIN, class: Class::Live, expiry: 0 };
/// No deletion.
pub const NO_DELETION: i64 = i64::MIN;

impl Mark {
    pub fn live(ts: i64) -> Mark {
        Mark { ts, class: Class::Live, expiry: 0 }
    }

    pub fn expiring(ts: i64, expiry: i64) -> Mark {
        Mark { ts, class: Class::Expiring, expiry }
    }

    pub fn dead(ts: i64) -> Mark {
        Mark { ts, class: Class::Dead, expiry: 0 }
    }

    pub fn is_never(self) -> bool {
        self == NEVER
    }

    /// Whether it shows at `now` (seconds).
    pub fn shows(self, now: i64) -> bool {
        match self.class {
            Class::Live => !self.is_never(),
            Class::Expiring => self.expiry > now,
            Class::Dead => false,
        }
    }
}

/// Where a value is in its owner's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub start: u32,
    pub length: u32,
}

pub const NULL: Slot = Slot { start: 0, length: u32::MAX };

impl Slot {
    pub fn is_null(self) -> bool {
        self.length == u32::MAX
    }

    pub fn of(self, arena: &[u8]) -> &[u8] {
        if self.is_null() { &[] } else { &arena[self.start as usize..(self.start + self.length) as usize] }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub mark: Mark,
    pub value: Slot,
}

pub const ABSENT: Cell = Cell { mark: NEVER, value: NULL };

/// Whether `new` wins over `old`; `by_value` is asked on a complete tie of two cells that both have values.
#[inline]
pub fn wins(new: Cell, old: Cell, by_value: impl FnOnce() -> Ordering) -> bool {
    match new.mark.cmp(&old.mark) {
        Ordering::Greater => true,
        Ordering::Less => false,
        // The value of what has expired is gone on one side, perhaps: both are tombstones by now.
        Ordering::Equal => !new.value.is_null() && !old.value.is_null() && by_value() == Ordering::Greater,
    }
}

/// A row but for its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Of the whole row.
    pub deleted: i64,
    /// The INSERT that made it, if one did: a row shows while its marker or any of its cells does.
    pub marker: Mark,
}

pub const NO_ROW: Head = Head { deleted: NO_DELETION, marker: NEVER };

impl Head {
    pub fn join(&mut self, other: Head) {
        self.deleted = self.deleted.max(other.deleted);
        self.marker = self.marker.max(other.marker);
    }

    /// Takes away what a deletion at `ts` shadows; whether there was anything.
    pub fn shadow(&mut self, cells: &mut [Cell], ts: i64) -> bool {
        if ts == NO_DELETION {
            return false;
        }
        let mut changed = false;
        if !self.marker.is_never() && self.marker.ts <= ts {
            self.marker = NEVER;
            changed = true;
        }
        for cell in cells {
            if !cell.mark.is_never() && cell.mark.ts <= ts {
                *cell = ABSENT;
                changed = true;
            }
        }
        changed
    }

    pub fn shows(&self, cells: &[Cell], now: i64) -> bool {
        self.marker.shows(now) || cells.iter().any(|cell| cell.mark.shows(now))
    }

    /// When the next thing that shows ends.
    pub fn next_expiry(&self, cells: &[Cell], now: i64) -> Option<i64> {
        let marks = cells.iter().map(|cell| cell.mark).chain([self.marker]);
        marks.filter(|mark| mark.class == Class::Expiring && mark.expiry > now).map(|mark| mark.expiry).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Vec<Mark> {
        let mut all = vec![NEVER];
        for ts in [-1, 0, 5] {
            all.extend([Mark::live(ts), Mark::expiring(ts, 7), Mark::expiring(ts, 9), Mark::dead(ts)]);
        }
        all
    }

    #[test]
    fn a_tombstone_beats_an_expiring_cell_which_beats_a_plain_one_at_the_same_time() {
        assert!(Mark::dead(5) > Mark::expiring(5, 9) && Mark::expiring(5, 9) > Mark::live(5));
        assert!(Mark::expiring(5, 9) > Mark::expiring(5, 7) && Mark::live(6) > Mark::dead(5));
    }

    #[test]
    fn joins_are_commutative_associative_and_idempotent() {
        let join = |left: Head, right: Head| {
            let mut out = left;
            out.join(right);
            out
        };
        let heads: Vec<Head> =
            marks().into_iter().flat_map(|marker| [NO_DELETION, 4].map(|deleted| Head { deleted, marker })).collect();
        for a in &heads {
            assert_eq!(join(*a, *a), *a);
            for b in &heads {
                assert_eq!(join(*a, *b), join(*b, *a));
                for c in &heads {
                    assert_eq!(join(join(*a, *b), *c), join(*a, join(*b, *c)));
                }
            }
        }
    }

    #[test]
    fn a_deletion_shadows_what_is_not_later() {
        let cell = |ts| Cell { mark: Mark::live(ts), value: Slot { start: 0, length: 0 } };
        let mut cells = [cell(4), cell(5), cell(6)];
        let mut head = Head { deleted: 5, marker: Mark::live(5) };
        assert!(head.shadow(&mut cells, 5));
        assert_eq!((head.marker, cells), (NEVER, [ABSENT, ABSENT, cell(6)]));
        assert!(!head.shadow(&mut cells, 5));
    }
}
