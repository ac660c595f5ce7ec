//! Segments as Python sees them: rows handed out as COPY streams, arrays and keys.

use std::ops::Range;
use std::sync::Arc;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::columns;
use crate::compact::{Entry, Rows, order};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = &[0xff, 0xff];

#[pyclass(frozen, get_all, module = "sink_worker._native")]
pub struct Column {
    name: String,
    pg_type: String,
    oid: u32,
    array_oid: u32,
    nullable: bool,
    key: bool,
    source: Option<String>,
    source_type: Option<String>,
    source_length: Option<i64>,
    source_scale: Option<i64>,
    allowed: Option<String>,
}

impl From<&columns::Column> for Column {
    fn from(column: &columns::Column) -> Column {
        let (oid, array_oid) = column.pg.oids();
        let note = column.note.clone();
        Column {
            name: column.name.clone(),
            pg_type: column.pg_type.clone(),
            oid,
            array_oid,
            nullable: column.nullable,
            key: column.key,
            source: note.source,
            source_type: note.source_type,
            source_length: note.length,
            source_scale: note.scale,
            allowed: note.allowed,
        }
    }
}

#[pymethods]
impl Column {
    fn __repr__(&self) -> String {
        format!("Column({} {}{})", self.name, self.pg_type, if self.key { " key" } else { "" })
    }
}

#[pyclass(frozen, module = "sink_worker._native")]
pub struct Segment {
    rows: Rows,
    origins: Arc<Vec<(i32, i64)>>,
}

impl Segment {
    pub fn new(rows: Rows, origins: Arc<Vec<(i32, i64)>>) -> Segment {
        Segment { rows, origins }
    }

    fn list(&self, kind: &str) -> PyResult<&[u32]> {
        match kind {
            "upsert" => Ok(&self.rows.upserts),
            "delete" => Ok(&self.rows.deletes),
            _ => Err(PyValueError::new_err("kind is \"upsert\" or \"delete\"")),
        }
    }

    fn entries<'s>(
        &'s self,
        list: &'s [u32],
        low: isize,
        high: isize,
    ) -> PyResult<impl ExactSizeIterator<Item = &'s Entry>> {
        let range = range(list.len(), low, high)?;
        Ok(list[range].iter().map(|index| &self.rows.epoch.entries[*index as usize]))
    }

    fn key_at(&self, entry: &Entry) -> &[u8] {
        &self.rows.epoch.keys[entry.key.clone()]
    }

    fn source(&self, entry: &Entry) -> (i32, i64, u32) {
        let (partition, offset) = self.origins[entry.message as usize];
        (partition, offset, entry.message)
    }
}

fn range(count: usize, low: isize, high: isize) -> PyResult<Range<usize>> {
    let high = if high < 0 { Some(count) } else { usize::try_from(high).ok() };
    match (usize::try_from(low).ok(), high) {
        (Some(low), Some(high)) if low <= high && high <= count => Ok(low..high),
        _ => Err(PyIndexError::new_err(format!("rows [{low}, …) of {count}"))),
    }
}

#[pymethods]
impl Segment {
    #[getter]
    fn truncate(&self) -> bool {
        self.rows.truncate
    }

    #[getter]
    fn columns(&self) -> Vec<Column> {
        self.rows.layout.as_ref().map_or_else(Vec::new, |layout| layout.columns.iter().map(Column::from).collect())
    }

    #[getter]
    fn key(&self) -> Vec<String> {
        let name = |layout: &crate::layout::Layout| -> Vec<String> {
            layout.key.iter().map(|index| layout.columns[*index].name.clone()).collect()
        };
        self.rows.layout.as_ref().map_or_else(Vec::new, |layout| name(layout))
    }

    #[getter]
    fn fingerprint(&self) -> String {
        format!("{:016x}", self.rows.layout.as_ref().map_or(0, |layout| layout.fingerprint))
    }

    #[getter]
    fn upserts(&self) -> usize {
        self.rows.upserts.len()
    }

    #[getter]
    fn deletes(&self) -> usize {
        self.rows.deletes.len()
    }

    #[getter]
    fn source_ts_ms(&self) -> Option<(i64, i64)> {
        self.rows.source_ms
    }

    #[pyo3(signature = (low = 0, high = -1))]
    fn copy_size(&self, low: isize, high: isize) -> PyResult<usize> {
        let bytes: usize = self.entries(&self.rows.upserts, low, high)?.map(|entry| entry.row.len()).sum();
        Ok(SIGNATURE.len() + bytes + TRAILER.len())
    }

    #[pyo3(signature = (low = 0, high = -1))]
    fn copy_payload<'py>(&self, py: Python<'py>, low: isize, high: isize) -> PyResult<Bound<'py, PyBytes>> {
        let entries = self.entries(&self.rows.upserts, low, high)?;
        let size = self.copy_size(low, high)?;
        PyBytes::new_with(py, size, |out| {
            let mut at = 0;
            let mut put = |bytes: &[u8]| {
                out[at..at + bytes.len()].copy_from_slice(bytes);
                at += bytes.len();
            };
            put(SIGNATURE);
            entries.for_each(|entry| put(&self.rows.epoch.rows[entry.row.clone()]));
            put(TRAILER);
            Ok(())
        })
    }

    #[pyo3(signature = (low = 0, high = -1))]
    fn delete_arrays<'py>(
        &self,
        py: Python<'py>,
        low: isize,
        high: isize,
    ) -> PyResult<Vec<(u32, Bound<'py, PyBytes>)>> {
        let Some(layout) = &self.rows.layout else { return Ok(Vec::new()) };
        let entries = self.entries(&self.rows.deletes, low, high)?;
        let mut arrays: Vec<Vec<u8>> = Vec::with_capacity(layout.key.len());
        for index in &layout.key {
            let mut head = Vec::new();
            let dimensions = i32::from(entries.len() > 0);
            for word in [dimensions, 0, layout.columns[*index].pg.oids().0 as i32] {
                head.extend_from_slice(&word.to_be_bytes());
            }
            if entries.len() > 0 {
                head.extend_from_slice(&(entries.len() as i32).to_be_bytes());
                head.extend_from_slice(&1i32.to_be_bytes());
            }
            arrays.push(head);
        }
        for entry in entries {
            // A key is its columns' COPY fields, which are an array's elements too.
            let mut key = self.key_at(entry);
            for array in &mut arrays {
                let (length, _) = key.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
                let end = 4 + u32::from_be_bytes(*length) as usize;
                array.extend_from_slice(&key[..end]);
                key = &key[end..];
            }
        }
        let oids = layout.key.iter().map(|index| layout.columns[*index].pg.oids().1);
        Ok(oids.zip(arrays).map(|(oid, array)| (oid, PyBytes::new(py, &array))).collect())
    }

    fn origin(&self, kind: &str, index: usize) -> PyResult<(i32, i64, u32)> {
        let list = self.list(kind)?;
        let index = list.get(index).ok_or_else(|| PyIndexError::new_err(format!("row {index} of {}", list.len())))?;
        Ok(self.source(&self.rows.epoch.entries[*index as usize]))
    }

    #[pyo3(signature = (kind, low = 0, high = -1))]
    fn origins(&self, kind: &str, low: isize, high: isize) -> PyResult<Vec<(i32, i64, u32)>> {
        Ok(self.entries(self.list(kind)?, low, high)?.map(|entry| self.source(entry)).collect())
    }

    #[pyo3(signature = (kind, low = 0, high = -1))]
    fn key_bytes<'py>(
        &self,
        py: Python<'py>,
        kind: &str,
        low: isize,
        high: isize,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        Ok(self.entries(self.list(kind)?, low, high)?.map(|entry| PyBytes::new(py, self.key_at(entry))).collect())
    }

    fn find(&self, keys: Vec<Bound<'_, PyBytes>>) -> Vec<Option<(&'static str, usize)>> {
        let search = |list: &[u32], key: &[u8]| {
            let entry = |index: &u32| &self.rows.epoch.entries[*index as usize];
            list.binary_search_by(|index| order(self.key_at(entry(index)), key)).ok()
        };
        let place = |key: &Bound<'_, PyBytes>| {
            let key = key.as_bytes();
            let upsert = search(&self.rows.upserts, key).map(|place| ("upsert", place));
            upsert.or_else(|| search(&self.rows.deletes, key).map(|place| ("delete", place)))
        };
        let keyed = self.rows.layout.as_ref().is_some_and(|layout| !layout.key.is_empty());
        keys.iter().map(|key| if keyed { place(key) } else { None }).collect()
    }

    fn __repr__(&self) -> String {
        format!("Segment(truncate={}, upserts={}, deletes={})", self.rows.truncate, self.upserts(), self.deletes())
    }
}
