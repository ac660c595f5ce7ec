//! Rows: the fields of one record written as COPY fields, with the places of those that make the key.

use crate::avro::cursor::Cursor;
use crate::avro::read::RecordReader;
use crate::fault::{Class, Fault, Res, fault};
use crate::json::connect::{Scratch, Sink, Struct, read};
use crate::json::cursor::Json;
use crate::layout::{Control, Target};
use crate::pg::encode::encode;
use crate::value::Val;

/// What a flattened record said about its event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    pub op: Option<u8>,
    pub deleted: bool,
    pub source_ms: Option<i64>,
}

pub struct RowWriter<'x> {
    pub targets: &'x [Target],
    pub out: &'x mut Vec<u8>,
    /// Start and end in `out` of each key column's field, by its place in the key.
    pub spans: &'x mut Vec<(usize, usize)>,
    pub marks: Marks,
    pub scratch: &'x mut Scratch,
}

#[cold]
#[inline(never)]
fn unknown_op() -> Box<Fault> {
    fault(Class::UnknownOp, "the operation is none of c, r, u, d, t, m")
}

/// An operation's letter.
pub fn operation(text: &str) -> Res<u8> {
    match text.as_bytes() {
        [op @ (b'c' | b'r' | b'u' | b'd' | b't' | b'm')] => Ok(*op),
        _ => Err(unknown_op()),
    }
}

impl Marks {
    #[cold]
    fn note(&mut self, control: Control, value: Val<'_>) -> Res<()> {
        match (control, value) {
            (Control::Op, Val::Str(text)) => self.op = Some(operation(text)?),
            (Control::Deleted, Val::Str(text)) => self.deleted = text == "true",
            (Control::Deleted, Val::Bool(value)) => self.deleted = value,
            (Control::SourceTime, Val::Int(value)) => self.source_ms = Some(value),
            (Control::SourceTime, Val::Num(text)) => self.source_ms = text.parse().ok(),
            _ => {}
        }
        Ok(())
    }
}

#[inline]
fn put(target: &Target, value: Val<'_>, out: &mut Vec<u8>, spans: &mut [(usize, usize)], marks: &mut Marks) -> Res<()> {
    if target.control != Control::None {
        marks.note(target.control, value)?;
    }
    let Some(enc) = &target.enc else { return Ok(()) };
    let start = out.len();
    encode(enc, value, out)?;
    if let Some(place) = target.key {
        spans[place] = (start, out.len());
    }
    Ok(())
}

impl RowWriter<'_> {
    pub fn avro(&mut self, reader: &RecordReader, at: &mut Cursor<'_>) -> Res<()> {
        for (field, target) in reader.fields.iter().zip(self.targets) {
            let value = field.read(&reader.schema, at, &mut self.scratch.text).map_err(|why| why.at(&target.name))?;
            put(target, value, self.out, self.spans, &mut self.marks).map_err(|why| why.at(&target.name))?;
        }
        Ok(())
    }

    pub fn json(&mut self, shape: &Struct, at: &mut Json<'_>, lenient: bool) -> Res<()> {
        let (start, mark) = (at.clone(), self.out.len());
        if shape.in_order(at, self)? {
            return Ok(());
        }
        self.out.truncate(mark);
        *at = start;
        shape.by_place(at, lenient, self)
    }
}

impl Sink for RowWriter<'_> {
    #[inline]
    fn field(&mut self, index: usize, at: &mut Json<'_>) -> Res<()> {
        let target = &self.targets[index];
        let value = read(target.phys, at, self.scratch).map_err(|why| why.at(&target.name))?;
        put(target, value, self.out, self.spans, &mut self.marks).map_err(|why| why.at(&target.name))
    }
}
