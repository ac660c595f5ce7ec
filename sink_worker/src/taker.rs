//! A value's rows, written into a batch's buffer, from whatever holds them.

use crate::avro::cursor::Cursor;
use crate::avro::envelope::{AvroEnvelope, Rows};
use crate::avro::read::RecordReader;
use crate::fault::{Class, Res, fault};
use crate::json::connect::{Scratch, Struct};
use crate::json::cursor::Json;
use crate::json::record::Members;
use crate::layout::{KeySource, Layout, canonical};
use crate::row::{Marks, RowWriter};

/// What a value said.
#[derive(Default)]
pub struct Read {
    pub op: u8,
    pub source_ms: Option<i64>,
    /// The row is in the rows' buffer.
    pub row: bool,
    /// The key that `before` has, where keys come from the value.
    pub before: Option<Vec<u8>>,
}

/// The canonical key of a row.
pub fn key_of(layout: &Layout, rows: &[u8], spans: &[(usize, usize)]) -> Res<Vec<u8>> {
    let mut key = Vec::new();
    for ((low, high), index) in spans.iter().zip(&layout.key) {
        let column = &layout.columns[*index];
        if high - low < 4 || rows[*low..low + 4] == [0xff; 4] {
            return Err(fault(Class::MissingKey, "a key column is null").at(&column.name));
        }
        let start = key.len();
        key.extend_from_slice(&rows[*low..*high]);
        if layout.forms && high - low > 4 {
            canonical(column.pg, &mut key[start + 4..]);
        }
    }
    Ok(key)
}

pub fn ended(at: &Cursor<'_>) -> Res<()> {
    match at.left() {
        0 => Ok(()),
        left => Err(fault(Class::TrailingBytes, format!("{left} bytes follow the record"))),
    }
}

/// Writes rows (and reads `before` where the key is in it).
pub struct RowTaker<'x> {
    pub layout: &'x Layout,
    pub out: &'x mut Vec<u8>,
    pub spans: &'x mut Vec<(usize, usize)>,
    pub scratch: &'x mut Scratch,
    /// Fields that no schema knows are left out.
    pub lenient: bool,
    pub marks: Marks,
    pub before: Option<Vec<u8>>,
}

impl RowTaker<'_> {
    #[inline]
    fn write(&mut self, fill: impl FnOnce(&mut RowWriter<'_>) -> Res<()>) -> Res<()> {
        self.out.extend_from_slice(&(self.layout.columns.len() as i16).to_be_bytes());
        self.spans.clear();
        self.spans.resize(self.layout.key.len(), (0, 0));
        let mut writer = RowWriter {
            targets: &self.layout.value,
            out: self.out,
            spans: self.spans,
            marks: Marks::default(),
            scratch: self.scratch,
        };
        fill(&mut writer)?;
        self.marks = writer.marks;
        Ok(())
    }

    fn take_before(&mut self, fill: impl FnOnce(&mut RowWriter<'_>) -> Res<()>) -> Res<()> {
        let mark = self.out.len();
        self.write(fill)?;
        self.before = Some(key_of(self.layout, self.out, self.spans)?);
        self.out.truncate(mark);
        Ok(())
    }
}

impl RowTaker<'_> {
    pub fn avro_envelope(&mut self, envelope: &AvroEnvelope, bytes: &[u8]) -> Res<Read> {
        let mut at = Cursor::new(bytes);
        let head = envelope.read(&mut at, self.layout.key_source == KeySource::Value, self)?;
        ended(&at)?;
        Ok(Read { op: head.op, source_ms: head.source_ms, row: head.after, before: None })
    }

    pub fn avro_flat(&mut self, reader: &RecordReader, bytes: &[u8]) -> Res<Read> {
        let mut at = Cursor::new(bytes);
        self.write(|writer| writer.avro(reader, &mut at))?;
        ended(&at)?;
        Ok(self.marked())
    }

    pub fn json_flat(&mut self, shape: &Struct, payload: &mut Json<'_>) -> Res<Read> {
        let lenient = self.lenient;
        self.write(|writer| writer.json(shape, payload, lenient))?;
        Ok(self.marked())
    }

    /// A flattened row is an upsert unless a field of its own says otherwise; of a table without key an insert.
    fn marked(&self) -> Read {
        let unmarked = if self.layout.key_source == KeySource::Append { b'c' } else { b'u' };
        let op = if self.marks.deleted { b'd' } else { self.marks.op.unwrap_or(unmarked) };
        Read { op, source_ms: self.marks.source_ms, row: true, before: None }
    }

    /// `after` is read where it is met, so that a record is gone over once.
    pub fn json_envelope(&mut self, shape: &Struct, payload: &mut Json<'_>) -> Res<Read> {
        let (by_value, lenient) = (self.layout.key_source == KeySource::Value, self.lenient);
        let (mark, mut row) = (self.out.len(), false);
        let members = Members::scan_with(payload, |after| {
            // Of a name that comes twice the last one counts.
            self.out.truncate(mark);
            self.write(|writer| writer.json(shape, after, lenient))?;
            row = true;
            Ok(true)
        })?;
        if members.after.is_none() && row {
            self.out.truncate(mark);
            row = false;
        }
        if let Some(mut before) = members.before.clone().filter(|_| by_value) {
            // The key's places in the row are those of the row written last.
            let spans = self.spans.clone();
            self.take_before(|writer| writer.json(shape, &mut before, lenient))?;
            *self.spans = spans;
        }
        Ok(Read { op: members.operation()?, source_ms: members.source_ms(), row, before: None })
    }
}

impl Rows for RowTaker<'_> {
    fn before(&mut self, reader: &RecordReader, at: &mut Cursor<'_>) -> Res<()> {
        self.take_before(|writer| writer.avro(reader, at))
    }

    fn after(&mut self, reader: &RecordReader, at: &mut Cursor<'_>) -> Res<()> {
        self.write(|writer| writer.avro(reader, at))
    }
}

/// Reads rows and keeps nothing.
pub struct Over;

impl Rows for Over {
    fn before(&mut self, reader: &RecordReader, at: &mut Cursor<'_>) -> Res<()> {
        reader.over(at)
    }

    fn after(&mut self, reader: &RecordReader, at: &mut Cursor<'_>) -> Res<()> {
        reader.over(at)
    }
}
