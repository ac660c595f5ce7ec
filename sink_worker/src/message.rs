//! Messages as Python has them: their bytes, kept without the GIL, or without a schema that is known.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyTuple};

use crate::batch::Input;
use crate::json::record::{Shape, Shapes};

/// The payload of a JSON record whose schema is known: a tenth of the record, which it can give back whole.
#[pyclass(frozen, module = "sink_worker._native")]
pub struct Slim {
    shape: Arc<Shape>,
    payload: Box<[u8]>,
}

#[pymethods]
impl Slim {
    fn __len__(&self) -> usize {
        self.payload.len()
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.shape.record(&self.payload))
    }
}

/// A message's parts, kept alive without the GIL.
pub struct Held {
    pub partition: i32,
    pub offset: i64,
    key: Option<PyBackedBytes>,
    value: Value,
}

enum Value {
    Whole(Option<PyBackedBytes>),
    Slim(Py<Slim>),
}

fn value(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    Ok(match object.cast::<Slim>() {
        Ok(slim) => Value::Slim(slim.clone().unbind()),
        Err(_) => Value::Whole(bytes(object)?),
    })
}

fn bytes(object: &Bound<'_, PyAny>) -> PyResult<Option<PyBackedBytes>> {
    if object.is_none() {
        return Ok(None);
    }
    match object.cast::<PyBytes>() {
        Ok(bytes) => Ok(Some(PyBackedBytes::from(bytes.clone()))),
        Err(_) => Err(PyTypeError::new_err("a message's key or value is neither bytes nor None")),
    }
}

fn hold(message: &Bound<'_, PyAny>) -> PyResult<Held> {
    let py = message.py();
    if let Ok(record) = message.cast::<PyTuple>() {
        let (partition, offset, key, value): (i32, i64, Bound<'_, PyAny>, Bound<'_, PyAny>) = record.extract()?;
        return Ok(Held { partition, offset, key: bytes(&key)?, value: Value::Whole(bytes(&value)?) });
    }
    Ok(Held {
        partition: message.call_method0(intern!(py, "partition"))?.extract()?,
        offset: message.call_method0(intern!(py, "offset"))?.extract()?,
        key: bytes(&message.call_method0(intern!(py, "key"))?)?,
        value: value(&message.call_method0(intern!(py, "value"))?)?,
    })
}

pub fn hold_all(messages: &Bound<'_, PyAny>) -> PyResult<Vec<Held>> {
    let mut held = Vec::with_capacity(messages.len().unwrap_or(0));
    for message in messages.try_iter()? {
        held.push(hold(&message?)?);
    }
    if u32::try_from(held.len()).is_err() {
        return Err(PyValueError::new_err("more messages than a batch can number"));
    }
    Ok(held)
}

pub fn inputs(held: &[Held]) -> Vec<Input<'_>> {
    held.iter()
        .map(|Held { partition, offset, key, value }| {
            let (value, shape) = match value {
                Value::Whole(bytes) => (bytes.as_deref(), None),
                Value::Slim(slim) => (Some(&*slim.get().payload), Some(&slim.get().shape)),
            };
            Input { partition: *partition, offset: *offset, key: key.as_deref(), value, shape }
        })
        .collect()
}

/// Replaces the values that begin with a known schema.
pub fn slim_all(messages: &Bound<'_, PyAny>, shapes: &mut Shapes) -> PyResult<()> {
    let py = messages.py();
    for message in messages.try_iter()? {
        let message = message?;
        let value = message.call_method0(intern!(py, "value"))?;
        let Ok(bytes) = value.cast::<PyBytes>() else { continue };
        if let Some((shape, payload)) = shapes.recognise(bytes.as_bytes()) {
            let slim = Bound::new(py, Slim { shape, payload: payload.into() })?;
            message.call_method1(intern!(py, "set_value"), (slim,))?;
        }
    }
    Ok(())
}
