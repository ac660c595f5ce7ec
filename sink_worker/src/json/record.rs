//! JSON records taken apart: schema and payload, and an envelope's members. Schemas are parsed once and known by
//! their text, so that of the next record only its bytes are compared.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::fault::{Class, Res, fault};
use crate::json::connect::Struct;
use crate::json::cursor::Json;
use crate::row::operation;

/// Schemas that are kept; a source that never repeats one starts over.
const MAX_SHAPES: usize = 1024;
/// Those that a record is compared with before it is taken apart.
const RECENT: usize = 32;
const RECENT_NAMES: usize = 4;
const SCHEMA_FIRST: &[u8] = b"{\"schema\":";
const THEN_PAYLOAD: &[u8] = b",\"payload\":";
/// Shapes outlive the caches that made them, so that no two of a process may have one number.
static SHAPES_MADE: AtomicU32 = AtomicU32::new(0);

/// A schema that was met, or the field names of records without one.
pub struct Shape {
    pub id: u32,
    text: Box<[u8]>,
    pub parsed: Result<Option<Struct>, String>,
}

impl Shape {
    pub fn is_schemaless(&self) -> bool {
        self.text.is_empty()
    }

    /// The schema's text.
    pub fn schema(&self) -> &[u8] {
        &self.text
    }

    /// The whole record that [`Shapes::recognise`] took the payload from.
    pub fn record(&self, payload: &[u8]) -> Vec<u8> {
        [SCHEMA_FIRST, &self.text, THEN_PAYLOAD, payload, b"}"].concat()
    }
}

#[derive(Default)]
pub struct Shapes {
    by_text: HashMap<Box<[u8]>, Arc<Shape>>,
    by_names: HashMap<Vec<String>, Arc<Shape>>,
    recent: Vec<Arc<Shape>>,
    /// Keys and values take turns, so more than one is at hand.
    recent_names: Vec<(Vec<String>, Arc<Shape>)>,
}

impl Shapes {
    fn number(&mut self) -> u32 {
        if self.by_text.len() + self.by_names.len() >= MAX_SHAPES {
            self.by_text.clear();
            self.by_names.clear();
            self.recent.clear();
            self.recent_names.clear();
        }
        SHAPES_MADE.fetch_add(1, Ordering::Relaxed)
    }

    fn of_text(&mut self, text: &[u8]) -> Arc<Shape> {
        let shape = match self.by_text.get(text) {
            Some(shape) => Arc::clone(shape),
            None => {
                let id = self.number();
                let parsed = Struct::parse(text);
                let shape = Arc::new(Shape { id, text: text.into(), parsed });
                self.by_text.insert(text.into(), Arc::clone(&shape));
                shape
            }
        };
        self.recent.retain(|known| known.id != shape.id);
        self.recent.truncate(RECENT - 1);
        self.recent.insert(0, Arc::clone(&shape));
        shape
    }

    /// The shape of an object without schema.
    pub fn of_names(&mut self, at: &mut Json<'_>) -> Res<Arc<Shape>> {
        let mut scratch = String::new();
        for (names, shape) in &self.recent_names {
            if same_names(names, &mut at.clone(), &mut scratch)? {
                return Ok(Arc::clone(shape));
            }
        }
        let mut names: Vec<String> = Vec::new();
        let mut more = at.open(b'{', b'}')?;
        while more {
            let name = at.name(&mut scratch)?;
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
            at.skip()?;
            more = at.more(b'}')?;
        }
        let shape = match self.by_names.get(&names) {
            Some(shape) => Arc::clone(shape),
            None => {
                let id = self.number();
                let parsed = Ok(Some(Struct::schemaless(&names)));
                let shape = Arc::new(Shape { id, text: Box::default(), parsed });
                self.by_names.insert(names.clone(), Arc::clone(&shape));
                shape
            }
        };
        self.recent_names.truncate(RECENT_NAMES - 1);
        self.recent_names.insert(0, (names, Arc::clone(&shape)));
        Ok(shape)
    }

    /// The schema and the payload of a record that begins with a schema met not long ago.
    pub fn recognise<'a>(&mut self, bytes: &'a [u8]) -> Option<(Arc<Shape>, &'a [u8])> {
        let rest = bytes.strip_prefix(SCHEMA_FIRST)?;
        for (place, shape) in self.recent.iter().enumerate() {
            // A whole JSON object ends itself: what begins with the same object has the same schema.
            let payload = rest.strip_prefix(&*shape.text).and_then(|rest| rest.strip_prefix(THEN_PAYLOAD));
            if let Some(payload) = payload.and_then(|payload| payload.strip_suffix(b"}")) {
                let shape = Arc::clone(shape);
                if place > 1 {
                    self.recent.swap(0, place);
                }
                return Some((shape, payload));
            }
        }
        None
    }

    /// A record's schema, if it has one, and its payload.
    pub fn split<'a>(&mut self, bytes: &'a [u8]) -> Res<(Option<Arc<Shape>>, Json<'a>)> {
        if let Some((shape, payload)) = self.recognise(bytes) {
            return Ok((Some(shape), Json::new(payload)));
        }
        let (schema, payload) = take_apart(bytes)?;
        match (schema, payload) {
            (Some(schema), Some(payload)) if schema == b"null" => Ok((None, Json::new(payload))),
            (Some(schema), Some(payload)) => Ok((Some(self.of_text(schema)), Json::new(payload))),
            _ => Ok((None, Json::new(bytes))),
        }
    }
}

fn same_names(names: &[String], at: &mut Json<'_>, scratch: &mut String) -> Res<bool> {
    let mut more = at.open(b'{', b'}')?;
    let mut known = names.iter();
    while more {
        if known.next().is_none_or(|known| !at.name(scratch).is_ok_and(|name| name == known)) {
            return Ok(false);
        }
        at.skip()?;
        more = at.more(b'}')?;
    }
    Ok(known.next().is_none())
}

/// The bytes of two members of an object.
type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// The bytes of `schema` and `payload`, where the text is an object of exactly these two.
fn take_apart(bytes: &[u8]) -> Res<Pair<'_>> {
    let mut at = Json::new(bytes);
    let (mut schema, mut payload, mut others) = (None, None, false);
    let mut scratch = String::new();
    if at.peek()? != b'{' {
        return Err(fault(Class::InvalidJson, "the record is no JSON object"));
    }
    let mut more = at.open(b'{', b'}')?;
    while more {
        let place = match at.name(&mut scratch)? {
            "schema" => Some(true),
            "payload" => Some(false),
            _ => None,
        };
        let value = at.skip()?;
        match place {
            Some(true) => schema = Some(value),
            Some(false) => payload = Some(value),
            None => others = true,
        }
        more = at.more(b'}')?;
    }
    at.end()?;
    Ok(if others { (None, None) } else { (schema, payload) })
}

/// The members of an envelope (or of what may be one).
#[derive(Default)]
pub struct Members<'a> {
    pub before: Option<Json<'a>>,
    pub after: Option<Json<'a>>,
    pub op: Option<&'a [u8]>,
    source: Option<Json<'a>>,
    time: Option<i64>,
    pub count: usize,
    /// A `ddl`, or an `event_count`, or nothing but a `ts_ms`: a message about no row.
    pub bookkeeping: bool,
    has_before: bool,
    has_after: bool,
}

impl<'a> Members<'a> {
    pub fn scan(at: &mut Json<'a>) -> Res<Members<'a>> {
        Members::scan_with(at, |_| Ok(false))
    }

    /// `take_after` is given the row after the change; it may read on over it (true), or leave it alone (false).
    pub fn scan_with(at: &mut Json<'a>, mut take_after: impl FnMut(&mut Json<'a>) -> Res<bool>) -> Res<Members<'a>> {
        let mut members = Members::default();
        let mut more = at.open(b'{', b'}')?;
        while more {
            let (name, _) = at.raw_string()?;
            at.expect(b':')?;
            let null = at.peek()? == b'n';
            let place = at.clone();
            match name {
                b"op" if !null && at.peek()? == b'"' => members.op = Some(at.raw_string()?.0),
                b"ts_ms" if !null => {
                    members.time = at.skip().ok().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
                }
                b"after" if !null && take_after(at)? => {}
                _ => drop(at.skip()?),
            }
            match name {
                b"before" => (members.has_before, members.before) = (true, (!null).then_some(place)),
                b"after" => (members.has_after, members.after) = (true, (!null).then_some(place)),
                b"source" if !null => members.source = Some(place),
                b"ddl" | b"event_count" => members.bookkeeping = true,
                _ => {}
            }
            members.count += 1;
            more = at.more(b'}')?;
        }
        members.bookkeeping |= members.count == 1 && members.time.is_some();
        Ok(members)
    }

    /// The operation's letter.
    pub fn operation(&self) -> Res<u8> {
        let op = self.op.ok_or_else(|| fault(Class::UnknownOp, "the envelope has no operation"))?;
        operation(std::str::from_utf8(op).unwrap_or_default())
    }

    pub fn is_envelope(&self) -> bool {
        self.op.is_some() && self.source.is_some() && (self.has_before || self.has_after)
    }

    /// source.ts_ms, else the envelope's own.
    pub fn source_ms(&self) -> Option<i64> {
        let from_source = self.source.clone().and_then(|mut at| {
            let mut more = at.open(b'{', b'}').ok()?;
            while more {
                let (name, _) = at.raw_string().ok()?;
                at.expect(b':').ok()?;
                if name == b"ts_ms" {
                    return at.integer().ok();
                }
                at.skip().ok()?;
                more = at.more(b'}').ok()?;
            }
            None
        });
        from_source.or(self.time)
    }
}
