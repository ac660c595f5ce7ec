//! One topic's messages to writes: every message is counted as an event, a tombstone, or a reject.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::avro::schema::AvroSchema;
use crate::batch::{Input, Reject};
use crate::cass::event::{Layouts, Taker};
use crate::cass::layout::Hint;
use crate::cass::record::Writes;
use crate::fault::{Class, fault};
use crate::json::record::Shapes;
use crate::options::Format;

#[derive(Default)]
pub struct Outcome {
    pub events: u64,
    pub tombstones: u64,
    pub ops: BTreeMap<u8, u64>,
    pub source_ms: Option<(i64, i64)>,
    pub positions: BTreeMap<i32, (i64, i64)>,
    pub rejects: Vec<Reject>,
    pub writes: Vec<Writes>,
    /// Messages whose timestamps lie in the future, with them (µs).
    pub future: Vec<(u32, i64)>,
    /// Messages that touched columns which they cannot tell, with these.
    pub listed: Vec<(u32, Vec<String>)>,
}

/// Decodes and compacts. `now_us` is the clock that timestamps are held against.
pub fn decode(
    format: Format,
    avro: &HashMap<u32, Result<Arc<AvroSchema>, String>>,
    shapes: &mut Shapes,
    hint: &Hint,
    layouts: &mut Layouts,
    messages: &[Input<'_>],
    now_us: i64,
) -> Outcome {
    let mut taker = Taker::new(format, avro, shapes, hint, layouts, now_us);
    let mut outcome = Outcome::default();
    for (index, message) in messages.iter().enumerate() {
        let index = index as u32;
        let (_, next) = outcome.positions.entry(message.partition).or_insert((message.offset, message.offset));
        *next = message.offset.saturating_add(1);
        // A defect of the decoder must cost one record, not the worker.
        let taken = catch_unwind(AssertUnwindSafe(|| taker.message(message, index))).unwrap_or_else(|_| {
            Err(fault(Class::InternalError, "the decoder failed on this record: please report it"))
        });
        match taken {
            Ok(None) => outcome.tombstones += 1,
            Ok(Some(taken)) => {
                outcome.events += 1;
                *outcome.ops.entry(taken.op).or_default() += 1;
                if let Some(time) = taken.ts_ms {
                    let (low, high) = outcome.source_ms.unwrap_or((time, time));
                    outcome.source_ms = Some((low.min(time), high.max(time)));
                }
            }
            Err(fault) => {
                let key = taker.key.take();
                outcome.rejects.push(Reject { index, fault, key, superseded: false });
            }
        }
    }
    outcome.future = taker.future;
    outcome.listed = taker.listed;
    outcome.writes = taker.writes;
    outcome.writes.retain(|writes| !writes.entries.is_empty() || !writes.tombs.is_empty());
    outcome.writes.iter_mut().for_each(Writes::close);
    outcome
}
