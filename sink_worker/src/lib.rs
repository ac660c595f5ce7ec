//! Debezium records to PostgreSQL binary COPY streams: the half of the sink worker that touches every event.

mod api;
mod avro;
mod batch;
mod cass;
mod columns;
mod compact;
mod event;
mod fault;
mod hints;
mod json;
mod layout;
mod mask;
mod message;
mod options;
mod pg;
mod plan;
mod row;
mod segment;
mod taker;
mod value;

#[pyo3::pymodule(gil_used = true)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::api::{Batch, Decoder, Reject, SchemaError, UnknownSchema};
    #[pymodule_export]
    use crate::cass::api::{CellColumn, CellHint, CellWrites, Merged, merge_cells};
    #[pymodule_export]
    use crate::hints::{ColumnHint, TableHint};
    #[pymodule_export]
    use crate::mask::{Mask, MaskKey};
    #[pymodule_export]
    use crate::message::Slim;
    #[pymodule_export]
    use crate::segment::{Column, Segment};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let names = crate::fault::Class::ALL.iter().map(|class| class.name());
        module.add("ERROR_CLASSES", pyo3::types::PyFrozenSet::new(module.py(), names)?)
    }
}
