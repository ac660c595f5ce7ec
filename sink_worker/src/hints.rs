//! What Python tells of a target table.

use std::collections::BTreeMap;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::mask::Mask;
use crate::options::{Hint, HintColumn};
use crate::pg::Declared;

#[pyclass(frozen, get_all, module = "sink_worker._native")]
#[derive(Clone)]
pub struct ColumnHint {
    name: String,
    pg_type: String,
    nullable: bool,
    source: Option<String>,
}

#[pymethods]
impl ColumnHint {
    #[new]
    #[pyo3(signature = (name, pg_type, *, nullable = true, source = None))]
    fn new(name: String, pg_type: String, nullable: bool, source: Option<String>) -> Self {
        ColumnHint { name, pg_type, nullable, source }
    }
}

#[pyclass(frozen, module = "sink_worker._native")]
pub struct TableHint {
    pub hint: Arc<Hint>,
}

#[pymethods]
impl TableHint {
    #[new]
    #[pyo3(signature = (columns = Vec::new(), *, key = None, append = false))]
    fn new(columns: Vec<Bound<'_, ColumnHint>>, key: Option<Vec<String>>, append: bool) -> PyResult<Self> {
        if key.as_ref().is_some_and(|key| key.is_empty() || append) {
            return Err(PyValueError::new_err("key: at least one column, and not with append"));
        }
        let columns = columns.iter().map(|column| {
            let column = column.get().clone();
            let declared = Declared::parse(&column.pg_type);
            let ColumnHint { name, pg_type, nullable, source } = column;
            HintColumn { name, pg_type, declared, nullable, source }
        });
        let hint = Hint { columns: columns.collect(), key, append, masks: BTreeMap::new() };
        Ok(TableHint { hint: Arc::new(hint) })
    }

    /// The same, with masks of columns.
    fn masked(&self, masks: BTreeMap<String, Bound<'_, Mask>>) -> TableHint {
        let masks = masks.into_iter().map(|(name, mask)| (name, *mask.get())).collect();
        TableHint { hint: Arc::new(Hint { masks, ..Hint::clone(&self.hint) }) }
    }

    #[getter]
    fn columns(&self) -> Vec<ColumnHint> {
        let column = |column: &HintColumn| ColumnHint {
            name: column.name.clone(),
            pg_type: column.pg_type.clone(),
            nullable: column.nullable,
            source: column.source.clone(),
        };
        self.hint.columns.iter().map(column).collect()
    }

    #[getter]
    fn key(&self) -> Option<Vec<String>> {
        self.hint.key.clone()
    }

    #[getter]
    fn append(&self) -> bool {
        self.hint.append
    }
}
