//! A record's value: its row, or what it says without one.

use crate::avro::cursor::Cursor;
use crate::batch::Counted;
use crate::event::{Part, Work};
use crate::fault::{Class, Fault, Res, fault};
use crate::json::record::Members;
use crate::layout::Layout;
use crate::plan::{Plan, ValueReader, structure};
use crate::row::Marks;
use crate::taker::{Over, Read, RowTaker};

impl Work<'_> {
    pub(super) fn read_value(
        &mut self,
        plan: &Plan,
        layout: &Layout,
        value: Part<'_>,
        members: Option<Members<'_>>,
    ) -> Res<Read> {
        let mut rows = RowTaker {
            layout,
            out: &mut self.compactor.now.rows,
            spans: &mut self.row_spans,
            scratch: &mut self.scratch,
            lenient: self.options.ignore_unknown,
            marks: Marks::default(),
            before: None,
        };
        let mut read = match (&plan.value, value) {
            (ValueReader::AvroEnvelope(envelope), Part::Avro(_, bytes)) => rows.avro_envelope(envelope, bytes)?,
            (ValueReader::AvroFlat(reader), Part::Avro(_, bytes)) => rows.avro_flat(reader, bytes)?,
            (ValueReader::Json(shape), Part::Json { mut payload, .. }) => {
                let (row, envelope) = shape.row(structure(&shape.shape)?);
                let read =
                    if envelope { rows.json_envelope(row, &mut payload)? } else { rows.json_flat(row, &mut payload)? };
                payload.end()?;
                read
            }
            (ValueReader::KeyOnly, Part::Json { .. }) => {
                let members = members.unwrap_or_default();
                Read { op: members.operation()?, source_ms: members.source_ms(), ..Read::default() }
            }
            (ValueReader::Unusable(fault), _) => return Err(fault.clone()),
            _ => return Err(fault(Class::UnsupportedSchema, "the record's format changed under its plan")),
        };
        read.before = rows.before.take();
        Ok(read)
    }

    /// A record whose columns cannot be laid out may still be one that needs none.
    pub(super) fn without_layout(
        &mut self,
        plan: &Plan,
        value: Part<'_>,
        members: Option<Members<'_>>,
        cause: &Fault,
        index: u32,
    ) -> Res<Counted> {
        let head = match (&plan.value, value) {
            (ValueReader::AvroEnvelope(envelope), Part::Avro(_, bytes)) => {
                let mut at = Cursor::new(bytes);
                let head = envelope.read(&mut at, false, &mut Over)?;
                Some((head.op, head.source_ms))
            }
            (ValueReader::Unusable(fault), _) => return Err(fault.clone()),
            (_, Part::Json { mut payload, .. }) => {
                let members = members.map_or_else(|| Members::scan(&mut payload), Ok)?;
                if members.is_envelope() { Some((members.operation()?, members.source_ms())) } else { None }
            }
            _ => None,
        };
        match head {
            Some((b't', source_ms)) => {
                self.compactor.truncate(index);
                Ok(Counted::Event { op: b't', source_ms })
            }
            Some((b'm', _)) => Ok(Counted::Skipped),
            _ => Err(Box::new(cause.clone())),
        }
    }
}
