//! One topic's messages to rows: every message is counted as an event, a tombstone, skipped, or a reject.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::avro::schema::AvroSchema;
use crate::compact::{Compactor, Rows};
use crate::event::Work;
use crate::fault::{Class, Fault, fault};
use crate::json::record::{Shape, Shapes};
use crate::options::{Format, Hint, Options};
use crate::plan::Plans;

/// Tables whose plans are kept.
const MAX_TABLES: usize = 4096;

/// A message, as it lies in memory.
pub struct Input<'a> {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Of a JSON record that came apart already: `value` is its payload alone.
    pub shape: Option<&'a Arc<Shape>>,
}

pub struct Reject {
    pub index: u32,
    pub fault: Box<Fault>,
    pub key: Option<Vec<u8>>,
    pub superseded: bool,
}

#[derive(Default)]
pub struct Outcome {
    pub events: u64,
    pub tombstones: u64,
    pub skipped: u64,
    pub ops: BTreeMap<u8, u64>,
    pub source_ms: Option<(i64, i64)>,
    pub positions: BTreeMap<i32, (i64, i64)>,
    pub rejects: Vec<Reject>,
    pub rows: Vec<Rows>,
}

/// What a message turned out to be.
pub enum Counted {
    Event { op: u8, source_ms: Option<i64> },
    Tombstone,
    Skipped,
}

/// All that outlives a batch: caches.
pub struct State {
    pub options: Options,
    pub avro: HashMap<u32, Result<Arc<AvroSchema>, String>>,
    pub shapes: Shapes,
    pub tables: HashMap<Arc<Hint>, Plans>,
}

/// The schema id of the wire format, if the bytes are of it.
pub fn schema_id(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [0, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

impl State {
    pub fn new(options: Options) -> State {
        State { options, avro: HashMap::new(), shapes: Shapes::default(), tables: HashMap::new() }
    }

    /// Ids on keys and values of Avro records that nothing is known of.
    pub fn unknown<'a>(&self, messages: impl Iterator<Item = &'a Input<'a>>) -> BTreeSet<u32> {
        let mut unknown = BTreeSet::new();
        if self.options.format == Format::Json {
            return unknown;
        }
        let mut last = [None, None];
        for message in messages {
            let value = message.value.filter(|_| message.shape.is_none());
            for (side, bytes) in [message.key, value].into_iter().enumerate() {
                let id = bytes.and_then(schema_id);
                if let Some(known) = id
                    && last[side] != id
                {
                    last[side] = id;
                    if !self.avro.contains_key(&known) {
                        unknown.insert(known);
                    }
                }
            }
        }
        unknown
    }

    /// Forgets plans that were compiled with what was known of a schema before.
    pub fn forget_plans(&mut self) {
        self.tables.clear();
    }

    pub fn decode(&mut self, hint: &Arc<Hint>, messages: &[Input<'_>]) -> Outcome {
        if self.tables.len() > MAX_TABLES {
            self.tables.clear();
        }
        let mut plans = self.tables.remove(hint).unwrap_or_default();
        let mut work = Work::new(&self.options, &self.avro, &mut self.shapes, hint, &mut plans);
        work.reserve(messages);
        let mut outcome = Outcome::default();
        for (index, message) in messages.iter().enumerate() {
            let index = index as u32;
            let (keys, rows) = work.marks();
            // A defect of the decoder must cost one record, not the worker: its buffers are put back as they were.
            let counted = catch_unwind(AssertUnwindSafe(|| work.message(message, index))).unwrap_or_else(|_| {
                Err(fault(Class::InternalError, "the decoder failed on this record: please report it"))
            });
            outcome.place(message);
            match counted {
                Ok(counted) => outcome.count(&counted),
                Err(fault) => {
                    let key = work.decoded_key();
                    outcome.rejects.push(Reject { index, fault, key, superseded: false });
                    work.restore(keys, rows);
                }
            }
        }
        let compactor = work.finish();
        outcome.close(compactor);
        self.tables.insert(Arc::clone(hint), plans);
        outcome
    }
}

impl Outcome {
    #[inline]
    fn place(&mut self, message: &Input<'_>) {
        let (_, next) = self.positions.entry(message.partition).or_insert((message.offset, message.offset));
        *next = message.offset.saturating_add(1);
    }

    #[inline]
    fn count(&mut self, counted: &Counted) {
        match counted {
            Counted::Tombstone => self.tombstones += 1,
            Counted::Skipped => self.skipped += 1,
            Counted::Event { op, source_ms } => {
                self.events += 1;
                *self.ops.entry(*op).or_default() += 1;
                if let Some(time) = *source_ms {
                    let (low, high) = self.source_ms.unwrap_or((time, time));
                    self.source_ms = Some((low.min(time), high.max(time)));
                }
            }
        }
    }

    fn close(&mut self, compactor: Compactor) {
        for reject in &mut self.rejects {
            reject.superseded = compactor.supersedes(reject.key.as_deref(), reject.index);
        }
        self.rows = compactor.finish();
    }
}
