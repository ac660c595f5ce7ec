//! The module as Python sees it. The GIL is held to take the messages' bytes out, and not while they are decoded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::avro::cursor::Cursor;
use crate::avro::render::render;
use crate::avro::schema::AvroSchema;
use crate::batch::{self, Outcome, State};
use crate::cass;
use crate::cass::api::{CellHint, CellWrites};
use crate::hints::TableHint;
use crate::message::{hold_all, inputs, slim_all};
use crate::options::{Format, Options};
use crate::segment::Segment;

create_exception!(sink_worker._native, SchemaError, PyValueError);
create_exception!(sink_worker._native, UnknownSchema, PyException);

#[pyclass(frozen, get_all, module = "sink_worker._native")]
pub struct Reject {
    index: u32,
    partition: i32,
    offset: i64,
    stage: &'static str,
    error_class: &'static str,
    message: String,
    column: Option<String>,
    key: Option<Py<PyBytes>>,
    superseded: bool,
}

#[pymethods]
impl Reject {
    fn __repr__(&self) -> String {
        let Reject { partition, offset, stage, error_class, message, column, .. } = self;
        let column = column.as_deref().unwrap_or("-");
        format!("Reject({partition}@{offset} {stage} {error_class} column {column}: {message})")
    }
}

#[pyclass(frozen, get_all, module = "sink_worker._native")]
pub struct Batch {
    messages: usize,
    events: u64,
    tombstones: u64,
    skipped: u64,
    ops: BTreeMap<String, u64>,
    source_ts_ms: Option<(i64, i64)>,
    positions: BTreeMap<i32, (i64, i64)>,
    rejects: Vec<Py<Reject>>,
    segments: Vec<Py<Segment>>,
    /// Of Cassandra's events, which have no segments.
    cells: Vec<Py<CellWrites>>,
    future: Vec<(u32, i64)>,
    listed: Vec<(u32, Vec<String>)>,
}

impl Batch {
    fn new(py: Python<'_>, outcome: Outcome, origins: Vec<(i32, i64)>) -> PyResult<Batch> {
        let origins = Arc::new(origins);
        let reject = |reject: batch::Reject| {
            let (partition, offset) = origins[reject.index as usize];
            let stage = reject.fault.stage.name();
            let key = reject.key.map(|key| PyBytes::new(py, &key).unbind());
            let batch::Reject { index, fault, superseded, .. } = reject;
            let error_class = fault.class.name();
            let (message, column) = (fault.message, fault.column);
            Py::new(py, Reject { index, partition, offset, stage, error_class, message, column, key, superseded })
        };
        let rejects: PyResult<Vec<_>> = outcome.rejects.into_iter().map(reject).collect();
        let segments: PyResult<Vec<_>> =
            outcome.rows.into_iter().map(|rows| Py::new(py, Segment::new(rows, Arc::clone(&origins)))).collect();
        Ok(Batch {
            messages: origins.len(),
            events: outcome.events,
            tombstones: outcome.tombstones,
            skipped: outcome.skipped,
            ops: outcome.ops.into_iter().map(|(op, count)| (char::from(op).to_string(), count)).collect(),
            source_ts_ms: outcome.source_ms,
            positions: outcome.positions,
            rejects: rejects?,
            segments: segments?,
            cells: Vec::new(),
            future: Vec::new(),
            listed: Vec::new(),
        })
    }

    fn of_cells(py: Python<'_>, found: cass::batch::Outcome, origins: Vec<(i32, i64)>) -> PyResult<Batch> {
        let cass::batch::Outcome { events, tombstones, ops, source_ms, positions, rejects, writes, future, listed } =
            found;
        let rows = Outcome { events, tombstones, ops, source_ms, positions, rejects, ..Outcome::default() };
        let mut batch = Batch::new(py, rows, origins)?;
        let cells: PyResult<Vec<_>> =
            writes.into_iter().map(|writes| Py::new(py, CellWrites { writes: Arc::new(writes) })).collect();
        (batch.cells, batch.future, batch.listed) = (cells?, future, listed);
        Ok(batch)
    }
}

#[pyclass(frozen, module = "sink_worker._native")]
pub struct Decoder {
    state: Mutex<State>,
}

impl Decoder {
    fn lock(&self) -> MutexGuard<'_, State> {
        // What it guards are caches, each whole at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, id: u32, known: Result<Arc<AvroSchema>, String>) {
        let mut state = self.lock();
        state.avro.insert(id, known);
        state.forget_plans();
    }
}

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (config_json = "{}"))]
    fn new(config_json: &str) -> PyResult<Self> {
        let options = Options::parse(config_json).map_err(PyValueError::new_err)?;
        Ok(Decoder { state: Mutex::new(State::new(options)) })
    }

    fn register_schema(&self, py: Python<'_>, id: u32, schema_json: &str) -> PyResult<()> {
        py.detach(|| {
            if matches!(self.lock().avro.get(&id), Some(Ok(_))) {
                return Ok(());
            }
            let schema = AvroSchema::parse(schema_json)?;
            self.learn(id, Ok(Arc::new(schema)));
            Ok(())
        })
        .map_err(|why: String| SchemaError::new_err(format!("schema {id}: {why}")))
    }

    fn register_missing(&self, py: Python<'_>, id: u32, reason: String) {
        py.detach(|| {
            if !matches!(self.lock().avro.get(&id), Some(Ok(_))) {
                self.learn(id, Err(reason));
            }
        });
    }

    fn known(&self, py: Python<'_>, id: u32) -> bool {
        py.detach(|| self.lock().avro.contains_key(&id))
    }

    fn schema_ids(&self, py: Python<'_>, messages: &Bound<'_, PyAny>) -> PyResult<std::collections::BTreeSet<u32>> {
        let held = hold_all(messages)?;
        Ok(py.detach(|| self.lock().unknown(inputs(&held).iter())))
    }

    /// Replaces the values of messages by what is left without a schema that is known.
    fn slim(&self, messages: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut state = self.lock();
        if state.options.format == Format::Avro {
            return Ok(());
        }
        slim_all(messages, &mut state.shapes)
    }

    fn decode(&self, py: Python<'_>, table: &Bound<'_, TableHint>, messages: &Bound<'_, PyAny>) -> PyResult<Batch> {
        let held = hold_all(messages)?;
        let hint = Arc::clone(&table.get().hint);
        let decoded = py.detach(|| {
            let inputs = inputs(&held);
            let mut state = self.lock();
            let unknown = state.unknown(inputs.iter());
            if unknown.is_empty() { Ok(state.decode(&hint, &inputs)) } else { Err(unknown) }
        });
        match decoded {
            Ok(outcome) => Batch::new(py, outcome, held.iter().map(|held| (held.partition, held.offset)).collect()),
            Err(unknown) => Err(unknown_schemas(py, unknown)),
        }
    }

    /// The columns of a record's key as JSON; None where it cannot be read.
    fn key_json(&self, key: &[u8]) -> Option<String> {
        key_text(&mut self.lock(), key)
    }

    /// The same for events of Cassandra's. `now_us` is the clock that their timestamps are held against; `json`: they are JSON,
    /// whatever the topic's are.
    #[pyo3(signature = (table, messages, now_us, *, json = false))]
    fn decode_cells(
        &self,
        py: Python<'_>,
        table: &Bound<'_, CellHint>,
        messages: &Bound<'_, PyAny>,
        now_us: i64,
        json: bool,
    ) -> PyResult<Batch> {
        let held = hold_all(messages)?;
        let table = table.get();
        let decoded = py.detach(|| {
            let inputs = inputs(&held);
            let mut state = self.lock();
            let unknown = if json { Default::default() } else { state.unknown(inputs.iter()) };
            if !unknown.is_empty() {
                return Err(unknown);
            }
            let State { options, avro, shapes, .. } = &mut *state;
            let format = if json { Format::Json } else { options.format };
            let mut layouts = table.layouts.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(cass::batch::decode(format, avro, shapes, &table.hint, &mut layouts, &inputs, now_us))
        });
        match decoded {
            Ok(found) => Batch::of_cells(py, found, held.iter().map(|held| (held.partition, held.offset)).collect()),
            Err(unknown) => Err(unknown_schemas(py, unknown)),
        }
    }
}

/// A record's key as JSON, where it is JSON or its schema is known.
fn key_text(state: &mut State, key: &[u8]) -> Option<String> {
    if key.first() == Some(&b'{') {
        let (_, mut payload) = state.shapes.split(key).ok()?;
        return Some(String::from_utf8_lossy(payload.skip().ok()?).into_owned());
    }
    let schema = state.avro.get(&batch::schema_id(key)?)?.as_ref().ok()?;
    let mut text = String::new();
    render(schema, schema.root, &mut Cursor::new(&key[5..]), &mut text, 0).ok()?;
    Some(text)
}

fn unknown_schemas(py: Python<'_>, unknown: std::collections::BTreeSet<u32>) -> PyErr {
    let ids: Vec<u32> = unknown.into_iter().collect();
    let error = UnknownSchema::new_err(format!("schemas {ids:?} are not known"));
    match error.value(py).setattr(intern!(py, "ids"), ids) {
        Ok(()) => error,
        Err(other) => other,
    }
}
