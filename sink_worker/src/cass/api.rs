//! Writes of cells as Python sees them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::cass::arrays::{Array, BYTEA, BYTEAS, INT8, INT8S, XID, XIDS, array, boxed, key_arrays, prefix};
use crate::cass::cql::Cql;
use crate::cass::event::Layouts;
use crate::cass::layout::{Hint, OnAmbiguous};
use crate::cass::merge::{Around, Grave, Merged as Found, Tombs, merge};
use crate::cass::record::Writes;
use crate::mask::Mask;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = &[0xff, 0xff];

/// What a decoder is told of a table of Cassandra's. It remembers layouts: a new one is made where the table has changed.
#[pyclass(frozen, module = "sink_worker._native")]
pub struct CellHint {
    pub hint: Hint,
    pub layouts: Mutex<Layouts>,
}

#[pymethods]
impl CellHint {
    #[new]
    #[pyo3(signature = (types, target, *, ambiguous = Vec::new(), refuse = true, precise = false, report_us = 5_000_000,
                        refuse_us = 3_600_000_000, masks = BTreeMap::new()))]
    #[expect(clippy::too_many_arguments)]
    fn new(
        types: BTreeMap<String, String>,
        target: BTreeMap<String, String>,
        ambiguous: Vec<String>,
        refuse: bool,
        precise: bool,
        report_us: i64,
        refuse_us: i64,
        masks: BTreeMap<String, Bound<'_, Mask>>,
    ) -> PyResult<CellHint> {
        let mut declared = BTreeMap::new();
        for (name, text) in types {
            let cql =
                Cql::parse(&text).ok_or_else(|| PyValueError::new_err(format!("{name}: {text} is no CQL type")))?;
            declared.insert(name, cql);
        }
        let masks = masks.into_iter().map(|(name, mask)| (name, *mask.get())).collect();
        let on_ambiguous = if refuse { OnAmbiguous::Refuse } else { OnAmbiguous::List };
        let hint = Hint { declared, ambiguous, on_ambiguous, target, masks, precise, report_us, refuse_us };
        Ok(CellHint { hint, layouts: Mutex::new(Layouts::default()) })
    }
}

#[pyclass(frozen, get_all, module = "sink_worker._native")]
pub struct CellColumn {
    name: String,
    pg_type: String,
    key: bool,
    map: bool,
}

/// Writes of rows that have the same columns, one for each row, and deletions of partitions and ranges.
#[pyclass(frozen, module = "sink_worker._native")]
pub struct CellWrites {
    pub writes: Arc<Writes>,
}

#[pymethods]
impl CellWrites {
    /// The key's, then those that have cells.
    #[getter]
    fn columns(&self) -> Vec<CellColumn> {
        let layout = &self.writes.layout;
        let one = |key: bool| {
            move |column: &crate::cass::layout::Column| CellColumn {
                name: column.name.clone(),
                pg_type: column.form.pg_type(),
                key,
                map: column.form.is_map(),
            }
        };
        layout.key.iter().map(one(true)).chain(layout.columns.iter().map(one(false))).collect()
    }

    #[getter]
    fn fingerprint(&self) -> String {
        format!("{:016x}", self.writes.layout.fingerprint)
    }

    fn __len__(&self) -> usize {
        self.writes.entries.len()
    }

    /// The latest timestamp of them, µs.
    #[getter]
    fn latest(&self) -> Option<i64> {
        self.writes.latest()
    }

    /// The same without the cells of some columns, by their names.
    fn without(&self, names: Vec<String>) -> CellWrites {
        CellWrites { writes: Arc::new(self.writes.without(&names)) }
    }

    /// An array for each key column, of the rows' keys in their order.
    fn key_arrays<'py>(&self, py: Python<'py>) -> PyResult<Vec<Array<'py>>> {
        let oids: Vec<u32> = self.writes.layout.key.iter().map(|column| column.form.oids().0).collect();
        key_arrays(py, &oids, self.writes.order.iter().map(|index| self.writes.key_of(*index as usize)))
    }

    /// The rows' keys as one array of bytes.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Array<'py>> {
        array(py, BYTEA, BYTEAS, self.writes.order.iter().map(|index| boxed(self.writes.key_of(*index as usize))))
    }

    /// The partitions of the rows and of the deletions as one array of bytes; `width`: key columns of a partition.
    fn partitions<'py>(&self, py: Python<'py>, width: usize) -> PyResult<Array<'py>> {
        let own = (0..self.writes.entries.len()).map(|index| prefix(self.writes.key_of(index), width));
        let mut all: Vec<&[u8]> = own.chain(self.writes.tombs.iter().map(|tomb| &tomb.partition[..])).collect();
        all.sort_unstable();
        all.dedup();
        array(py, BYTEA, BYTEAS, all.into_iter().map(boxed))
    }

    /// Deletions of partitions and ranges: (key columns of a partition, partition, range, timestamp in µs).
    #[getter]
    fn tombstones<'py>(&self, py: Python<'py>) -> Vec<(usize, Bound<'py, PyBytes>, Bound<'py, PyBytes>, i64)> {
        let one = |tomb: &crate::cass::record::Tomb| {
            (tomb.width, PyBytes::new(py, &tomb.partition), PyBytes::new(py, &tomb.range), tomb.ts)
        };
        self.writes.tombs.iter().map(one).collect()
    }

    /// An array for each key column of the partitions that were deleted from.
    fn tombstone_arrays<'py>(&self, py: Python<'py>, width: usize) -> PyResult<Vec<Array<'py>>> {
        let oids: Vec<u32> = self.writes.layout.key.iter().take(width).map(|column| column.form.oids().0).collect();
        let mut all: Vec<&[u8]> = self.writes.tombs.iter().map(|tomb| &tomb.partition[..]).collect();
        all.sort_unstable();
        all.dedup();
        key_arrays(py, &oids, all.into_iter())
    }
}

/// What a merge came to.
#[pyclass(frozen, module = "sink_worker._native")]
pub struct Merged {
    found: Found,
}

#[pymethods]
impl Merged {
    #[getter]
    fn inserts(&self) -> usize {
        self.found.inserts
    }

    #[getter]
    fn updates(&self) -> usize {
        self.found.updates
    }

    #[getter]
    fn deletes(&self) -> usize {
        self.found.deletes.len()
    }

    #[getter]
    fn grave_deletes(&self) -> usize {
        self.found.grave_deletes.len()
    }

    #[getter]
    fn grave_inserts(&self) -> usize {
        self.found.grave_inserts.len()
    }

    /// A COPY stream of rows: version (NULL: new), base, state, next expiry, key, cells.
    fn copy_payload<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &[SIGNATURE, &self.found.rows, TRAILER].concat())
    }

    /// Versions and key columns of the rows to delete.
    fn delete_arrays<'py>(&self, py: Python<'py>) -> PyResult<Vec<Array<'py>>> {
        let versions = self.found.deletes.iter().map(|(_, version)| boxed(&version.to_be_bytes()));
        let mut arrays = vec![array(py, XID, XIDS, versions)?];
        arrays.extend(key_arrays(py, &self.found.oids, self.found.deletes.iter().map(|(key, _)| &key[..]))?);
        Ok(arrays)
    }

    /// Keys and versions of graves to delete.
    fn grave_delete_arrays<'py>(&self, py: Python<'py>) -> PyResult<Vec<Array<'py>>> {
        let graves = &self.found.grave_deletes;
        Ok(vec![
            array(py, BYTEA, BYTEAS, graves.iter().map(|(key, _)| boxed(key)))?,
            array(py, XID, XIDS, graves.iter().map(|(_, version)| boxed(&version.to_be_bytes())))?,
        ])
    }

    /// Keys, bases and states of graves to make.
    fn grave_insert_arrays<'py>(&self, py: Python<'py>) -> PyResult<Vec<Array<'py>>> {
        let graves = &self.found.grave_inserts;
        Ok(vec![
            array(py, BYTEA, BYTEAS, graves.iter().map(|(key, _, _)| boxed(key)))?,
            array(py, INT8, INT8S, graves.iter().map(|(_, base, _)| boxed(&base.to_be_bytes())))?,
            array(py, BYTEA, BYTEAS, graves.iter().map(|(_, _, state)| boxed(state)))?,
        ])
    }
}

type GraveRow = (PyBackedBytes, u32, i64, PyBackedBytes);
type TombRow = (PyBackedBytes, PyBackedBytes, i64);

/// Joins writes with what is stored. `columns`: which of the table's `width` columns each column of the writes is; `records`: rows
/// of the table as record_send() gives them (version, base, state, expiry, key, cells); `graves`: (key, version, base, state);
/// `tombstones`: (partition, range, timestamp); `partition`: key columns of a partition.
#[pyfunction]
#[pyo3(signature = (writes, *, columns, width, keys, records, graves, tombstones, partition, now, cutoff_us))]
#[expect(clippy::too_many_arguments)]
pub fn merge_cells(
    py: Python<'_>,
    writes: Option<&Bound<'_, CellWrites>>,
    columns: Vec<usize>,
    width: usize,
    keys: usize,
    records: Vec<PyBackedBytes>,
    graves: Vec<GraveRow>,
    tombstones: Vec<TombRow>,
    partition: usize,
    now: i64,
    cutoff_us: i64,
) -> PyResult<Merged> {
    let writes = writes.map(|writes| Arc::clone(&writes.get().writes));
    let fits = writes.as_ref().is_none_or(|writes| writes.layout.columns.len() == columns.len());
    if !fits || columns.iter().any(|column| *column >= width) {
        return Err(PyValueError::new_err("the columns are not the writes'"));
    }
    let found = py.detach(|| {
        let grave =
            |(key, version, base, state): GraveRow| (key.to_vec(), Grave { version, base, state: state.to_vec() });
        let graves: HashMap<Vec<u8>, Grave> = graves.into_iter().map(grave).collect();
        let mut tombs = Tombs::new();
        for (partition, range, ts) in tombstones {
            tombs.entry(partition.to_vec()).or_default().push((range.to_vec(), ts));
        }
        let records: Vec<&[u8]> = records.iter().map(|record| &record[..]).collect();
        let around = Around { width, keys, graves, tombs, partition, now, cutoff: cutoff_us, columns: &columns };
        merge(writes.as_deref(), &records, around)
    });
    let found = found.ok_or_else(|| PyValueError::new_err("a stored row's merge state cannot be read"))?;
    Ok(Merged { found })
}
