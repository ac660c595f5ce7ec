//! Arrays as parameters of statements: keys, versions, states.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::cass::form::Elements;
use crate::pg::raw_field;

pub const XID: u32 = 28;
pub const XIDS: u32 = 1011;
pub const BYTEA: u32 = 17;
pub const BYTEAS: u32 = 1001;
pub const INT8: u32 = 20;
pub const INT8S: u32 = 1016;

/// An array parameter: its type's oid and its bytes.
pub type Array<'py> = (u32, Bound<'py, PyBytes>);

fn array_oid(oid: u32) -> u32 {
    match oid {
        869 => 1041,
        16 => 1000,
        21 => 1005,
        23 => 1007,
        20 => INT8S,
        700 => 1021,
        701 => 1022,
        1700 => 1231,
        25 => 1009,
        BYTEA => BYTEAS,
        1082 => 1182,
        1083 => 1183,
        1184 => 1185,
        1186 => 1187,
        2950 => 2951,
        3802 => 3807,
        _ => 0,
    }
}

/// An array of items that are COPY fields.
pub fn array<'py>(py: Python<'py>, oid: u32, of: u32, items: impl Iterator<Item = Vec<u8>>) -> PyResult<Array<'py>> {
    let mut elements = Elements::default();
    for item in items {
        let added = elements.add(|out| {
            out.extend_from_slice(&item);
            Ok(())
        });
        added.map_err(|fault| PyValueError::new_err(fault.message))?;
    }
    let mut out = Vec::new();
    elements.bare(oid, &mut out);
    Ok((of, PyBytes::new(py, &out)))
}

/// Bytes as a COPY field.
pub fn boxed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 4);
    raw_field(&mut out, bytes);
    out
}

/// Arrays of the columns of keys, each a row of COPY fields.
pub fn key_arrays<'py, 'k>(
    py: Python<'py>,
    oids: &[u32],
    keys: impl Iterator<Item = &'k [u8]>,
) -> PyResult<Vec<Array<'py>>> {
    let mut columns: Vec<Vec<Vec<u8>>> = oids.iter().map(|_| Vec::new()).collect();
    for key in keys {
        let mut rest = key;
        for column in &mut columns {
            let length = rest.get(..4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes) as usize;
            let (item, after) = rest.split_at((4 + length).min(rest.len()));
            column.push(item.to_vec());
            rest = after;
        }
    }
    oids.iter().zip(columns).map(|(oid, items)| array(py, *oid, array_oid(*oid), items.into_iter())).collect()
}

/// The first columns of a key.
pub fn prefix(key: &[u8], width: usize) -> &[u8] {
    let mut end = 0;
    for _ in 0..width {
        let length = key.get(end..end + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes);
        end = (end + 4 + length as usize).min(key.len());
    }
    &key[..end]
}
