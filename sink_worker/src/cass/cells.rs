//! The cells of one event, from JSON or Avro, and what deletions tell.

use crate::avro::cursor::Cursor;
use crate::avro::read::skip;
use crate::avro::render::render;
use crate::cass::bound::{Clustering, range};
use crate::cass::envelope::{CellReader, Envelope, Field, Head as Said, InCell, operation, present};
use crate::cass::event::After;
use crate::cass::form::Form;
use crate::cass::lattice::{Cell, Class as Of, Mark, NULL, Slot};
use crate::cass::layout::{Layout, RANGE_END, RANGE_START, Target};
use crate::fault::{Class, Res, fault};
use crate::json::connect::Scratch;
use crate::json::cursor::Json;
use crate::value::Val;

/// The envelope's members; the place of `after`.
pub fn scan<'a>(at: &mut Json<'a>) -> Res<(Said, Json<'a>)> {
    let (mut said, mut after) = (Said::default(), None);
    let mut more = at.open(b'{', b'}')?;
    while more {
        let (name, _) = at.raw_string()?;
        at.expect(b':')?;
        match name {
            b"op" => said.op = operation(at.string(&mut String::new())?)?,
            b"source" => source(at, &mut said)?,
            b"after" if at.peek()? != b'n' => {
                after = Some(at.clone());
                at.skip()?;
            }
            _ => drop(at.skip()?),
        }
        more = at.more(b'}')?;
    }
    at.end()?;
    if said.op == 0 {
        return Err(fault(Class::UnknownOp, "the record is no envelope: it has no operation"));
    }
    Ok((said, after.ok_or_else(|| fault(Class::MissingAfter, "the envelope has no after"))?))
}

fn source(at: &mut Json<'_>, said: &mut Said) -> Res<()> {
    if at.null()? {
        return Ok(());
    }
    let mut more = at.open(b'{', b'}')?;
    while more {
        let (name, _) = at.raw_string()?;
        at.expect(b':')?;
        let null = at.peek()? == b'n';
        match name {
            b"ts_us" if !null => said.ts_us = Some(at.integer()?),
            b"ts_ms" if !null => said.ts_ms = Some(at.integer()?),
            b"snapshot" if !null => said.snapshot = !matches!(at.skip()?, b"\"false\"" | b"false"),
            _ => drop(at.skip()?),
        }
        more = at.more(b'}')?;
    }
    Ok(())
}

pub fn target(layout: &Layout, number: usize, name: &[u8]) -> Option<Target> {
    if layout.names.get(number).is_some_and(|known| known.as_bytes() == name) {
        return Some(layout.targets[number]);
    }
    let found = layout.names.iter().position(|known| known.as_bytes() == name);
    found.map(|number| layout.targets[number])
}

/// A cell from where its value begins in the arena (a COPY field), and when its life ends. `null` in the event is a deletion;
/// a value that a mask made NULL of still keeps its row alive.
fn finished(start: usize, arena: &mut Vec<u8>, null: bool, deletion: Option<i64>, ts: i64) -> Cell {
    if null {
        arena.truncate(start);
        return Cell { mark: Mark::dead(ts), value: NULL };
    }
    let mark = deletion.map_or(Mark::live(ts), |micros| Mark::expiring(ts, micros.div_euclid(1_000_000)));
    if arena[start..].starts_with(&[0xff; 4]) {
        arena.truncate(start);
        return Cell { mark, value: NULL };
    }
    Cell { mark, value: Slot { start: (start + 4) as u32, length: (arena.len() - start - 4) as u32 } }
}

pub fn json_cell(
    form: &Form,
    at: &mut Json<'_>,
    precise: bool,
    scratch: &mut Scratch,
    arena: &mut Vec<u8>,
    ts: i64,
) -> Res<Option<Cell>> {
    let (mut start, mut null, mut deletion, mut set) = (None, false, None, true);
    let mut more = at.open(b'{', b'}')?;
    while more {
        let (name, _) = at.raw_string()?;
        at.expect(b':')?;
        match name {
            b"value" => {
                start = Some(arena.len());
                null = at.peek()? == b'n';
                form.json(at, precise, scratch, arena)?;
            }
            b"deletion_ts" => deletion = if at.null()? { None } else { Some(at.integer()?) },
            b"set" => set = at.skip()? != b"false",
            _ => drop(at.skip()?),
        }
        more = at.more(b'}')?;
    }
    let start = start.ok_or_else(|| fault(Class::MissingField, "a cell has no value"))?;
    Ok(if set { Some(finished(start, arena, null, deletion, ts)) } else { None })
}

pub fn avro_cell(
    envelope: &Envelope,
    cell: &CellReader,
    form: &Form,
    at: &mut Cursor<'_>,
    (precise, ts, wanted): (bool, i64, bool),
    scratch: &mut Scratch,
    arena: &mut Vec<u8>,
) -> Res<Option<Cell>> {
    let (start, mut null, mut deletion, mut set) = (arena.len(), false, None, true);
    for (what, id, reader) in &cell.fields {
        match what {
            InCell::Value if wanted => {
                let mut text = String::new();
                let value = reader.read(&envelope.schema, at, &mut text)?;
                null = matches!(value, Val::Null);
                form.value(value, precise, scratch, arena)?;
            }
            InCell::Deletion => match reader.read(&envelope.schema, at, &mut String::new())? {
                Val::Int(count) => deletion = Some(count),
                _ => deletion = None,
            },
            InCell::Set => {
                set = !matches!(reader.read(&envelope.schema, at, &mut String::new())?, Val::Bool(false));
            }
            _ => skip(&envelope.schema, *id, at, 0)?,
        }
    }
    Ok(if set && wanted { Some(finished(start, arena, null, deletion, ts)) } else { None })
}

pub fn skip_cell(envelope: &Envelope, cell: &CellReader, at: &mut Cursor<'_>) -> Res<()> {
    if present(cell.union, at)? {
        for (_, id, _) in &cell.fields {
            skip(&envelope.schema, *id, at, 0)?;
        }
    }
    Ok(())
}

/// The marker of an INSERT ends with the row's cells where all of them end: `USING TTL` binds both.
pub fn marker(cells: &[Cell], ts: i64) -> Mark {
    let mut showing = cells.iter().filter(|cell| !cell.mark.is_never() && cell.mark.class != Of::Dead).peekable();
    if showing.peek().is_none() || showing.clone().any(|cell| cell.mark.class != Of::Expiring) {
        return Mark::live(ts);
    }
    Mark::expiring(ts, showing.map(|cell| cell.mark.expiry).max().unwrap_or(0))
}

/// When a row or partition was deleted, as its cells tell it: the event's own time is the latest of all that was in its mutation.
pub fn deletion(after: After<'_>) -> Res<Option<i64>> {
    let mut latest = None;
    match after {
        After::Json(mut at) => {
            let mut more = at.open(b'{', b'}')?;
            while more {
                at.raw_string()?;
                at.expect(b':')?;
                if at.peek()? != b'{' {
                    at.skip()?;
                } else {
                    let mut inner = at.open(b'{', b'}')?;
                    while inner {
                        let (name, _) = at.raw_string()?;
                        at.expect(b':')?;
                        match (name, at.peek()?) {
                            (b"deletion_ts", b'-' | b'0'..=b'9') => latest = latest.max(Some(at.integer()?)),
                            _ => drop(at.skip()?),
                        }
                        inner = at.more(b'}')?;
                    }
                }
                more = at.more(b'}')?;
            }
        }
        After::Avro(envelope, bytes) => {
            let mut at = Cursor::new(bytes);
            if !envelope.enter(&mut at)? {
                return Ok(None);
            }
            for field in &envelope.fields {
                match field {
                    Field::Cell(cell) if present(cell.union, &mut at)? => {
                        for (what, id, reader) in &cell.fields {
                            if *what == InCell::Deletion {
                                if let Val::Int(count) = reader.read(&envelope.schema, &mut at, &mut String::new())? {
                                    latest = latest.max(Some(count));
                                }
                            } else {
                                skip(&envelope.schema, *id, &mut at, 0)?;
                            }
                        }
                    }
                    Field::Cell(_) => {}
                    Field::Rendered(id) => skip(&envelope.schema, *id, &mut at, 0)?,
                }
            }
        }
    }
    Ok(latest)
}

/// The bounds of a range tombstone.
pub fn bounds(layout: &Layout, width: usize, after: After<'_>) -> Res<Vec<u8>> {
    let columns: Vec<Clustering<'_>> =
        layout.key[width..].iter().map(|column| Clustering { name: &column.name, form: &column.form }).collect();
    let missing = || fault(Class::MissingField, "a range without its start or its end");
    match after {
        After::Json(mut at) => {
            let (mut start, mut end) = (None, None);
            let mut more = at.open(b'{', b'}')?;
            while more {
                let (name, _) = at.raw_string()?;
                at.expect(b':')?;
                let null = at.peek()? == b'n';
                let place = at.clone();
                at.skip()?;
                match name {
                    _ if null => {}
                    name if name == RANGE_START.as_bytes() => start = Some(place),
                    name if name == RANGE_END.as_bytes() => end = Some(place),
                    _ => {}
                }
                more = at.more(b'}')?;
            }
            range(&mut start.ok_or_else(missing)?, &mut end.ok_or_else(missing)?, &columns)
        }
        After::Avro(envelope, bytes) => {
            let mut at = Cursor::new(bytes);
            envelope.enter(&mut at)?;
            let (mut start, mut end) = (None, None);
            for (number, field) in envelope.fields.iter().enumerate() {
                match field {
                    Field::Cell(cell) => skip_cell(&envelope, cell, &mut at)?,
                    Field::Rendered(id) => {
                        let mut text = String::new();
                        render(&envelope.schema, *id, &mut at, &mut text, 0)?;
                        match layout.targets.get(number) {
                            Some(Target::RangeStart) if text != "null" => start = Some(text),
                            Some(Target::RangeEnd) if text != "null" => end = Some(text),
                            _ => {}
                        }
                    }
                }
            }
            let (start, end) = (start.ok_or_else(missing)?, end.ok_or_else(missing)?);
            range(&mut Json::new(start.as_bytes()), &mut Json::new(end.as_bytes()), &columns)
        }
    }
}
