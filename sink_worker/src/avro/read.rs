//! Readers compiled from schemas: one value for a column, or over it and on.

use std::sync::Arc;

use crate::avro::cursor::Cursor;
use crate::avro::render;
use crate::avro::schema::{AvroSchema, Id, Kind, MAX_DEPTH, Optional, Union};
use crate::fault::{Class, Res, fault};
use crate::value::{FieldSpec, Phys, Val, classify};

/// How a column's value is read.
#[derive(Debug)]
pub struct Reader {
    union: Option<Union>,
    prim: Prim,
}

#[derive(Debug)]
enum Prim {
    Null,
    Bool,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    Parts(Phys, Vec<(Part, Reader)>),
    /// Rendered as JSON.
    Nested(Id),
}

/// What a field of a decimal or geometry record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Scale,
    Unscaled,
    Wkb,
    Srid,
    Other,
}

impl Reader {
    /// The reader of a node, and what the column made of it is.
    pub fn compile(schema: &AvroSchema, name: &str, id: Id) -> (Reader, FieldSpec) {
        let optional = schema.optional(id).unwrap_or(Optional { union: None, node: id });
        let meta = schema.meta(optional.node);
        let natural = physical(schema.kind(optional.node), meta.connect_type.as_deref());
        let (phys, sem, note) = classify(meta.name.as_deref(), natural, &|key| meta.parameters.get(key).cloned());
        let parts = if matches!(phys, Phys::Geo | Phys::VarDec) { parts(schema, optional.node, phys) } else { None };
        // A record that has the name of a decimal or geometry and not its fields is as good as any other.
        let phys = if parts.is_none() && matches!(phys, Phys::Geo | Phys::VarDec) { Phys::Nested } else { phys };
        let prim = match parts {
            Some(parts) => Prim::Parts(phys, parts),
            None => prim(schema.kind(optional.node), optional.node),
        };
        let spec =
            FieldSpec { name: name.to_owned(), phys, sem, optional: optional.nullable() || nullable(schema, id), note };
        (Reader { union: optional.union, prim }, spec)
    }

    /// `scratch` holds what is no slice of the record.
    #[inline]
    pub fn read<'v, 'b: 'v>(
        &'v self,
        schema: &AvroSchema,
        at: &mut Cursor<'b>,
        scratch: &'v mut String,
    ) -> Res<Val<'v>> {
        if let Some(union) = self.union {
            let branch = at.choice(union.count, Class::InvalidUnion)?;
            if branch != union.value {
                return Ok(Val::Null);
            }
        }
        Ok(match &self.prim {
            Prim::Null => Val::Null,
            Prim::Bool => Val::Bool(at.bool()?),
            Prim::Int => Val::Int(i64::from(at.int()?)),
            Prim::Long => Val::Int(at.long()?),
            Prim::Float => Val::F32(f32::from_le_bytes(at.array()?)),
            Prim::Double => Val::F64(f64::from_le_bytes(at.array()?)),
            Prim::Bytes => Val::Bytes(at.bytes()?),
            Prim::Text => Val::Str(at.text()?),
            Prim::Fixed(size) => Val::Bytes(at.take(*size)?),
            Prim::Enum(symbols) => Val::Str(&symbols[at.choice(symbols.len(), Class::InvalidEnum)?]),
            Prim::Parts(phys, parts) => read_parts(*phys, parts, schema, at)?,
            Prim::Nested(id) => {
                scratch.clear();
                render::render(schema, *id, at, scratch, 0)?;
                match scratch.as_str() {
                    "null" => Val::Null,
                    text => Val::Json(text),
                }
            }
        })
    }
}

fn nullable(schema: &AvroSchema, id: Id) -> bool {
    match schema.kind(id) {
        Kind::Null => true,
        Kind::Union(branches) => branches.iter().any(|branch| matches!(schema.kind(*branch), Kind::Null)),
        _ => false,
    }
}

fn physical(kind: &Kind, connect_type: Option<&str>) -> Phys {
    match kind {
        Kind::Bool => Phys::Bool,
        Kind::Int if matches!(connect_type, Some("int8" | "int16")) => Phys::Int16,
        Kind::Int => Phys::Int32,
        Kind::Long => Phys::Int64,
        Kind::Float => Phys::F32,
        Kind::Double => Phys::F64,
        Kind::Bytes | Kind::Fixed(_) => Phys::Bytes,
        Kind::Text | Kind::Enum(_) => Phys::Str,
        Kind::Null | Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Record(_) => Phys::Nested,
    }
}

fn prim(kind: &Kind, id: Id) -> Prim {
    match kind {
        Kind::Null => Prim::Null,
        Kind::Bool => Prim::Bool,
        Kind::Int => Prim::Int,
        Kind::Long => Prim::Long,
        Kind::Float => Prim::Float,
        Kind::Double => Prim::Double,
        Kind::Bytes => Prim::Bytes,
        Kind::Text => Prim::Text,
        Kind::Fixed(size) => Prim::Fixed(*size),
        Kind::Enum(symbols) => Prim::Enum(symbols.clone()),
        Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Record(_) => Prim::Nested(id),
    }
}

fn parts(schema: &AvroSchema, id: Id, phys: Phys) -> Option<Vec<(Part, Reader)>> {
    let Kind::Record(fields) = schema.kind(id) else { return None };
    let part = |name: &str, kind: Phys| match (phys, name, kind) {
        (Phys::VarDec, "scale", Phys::Int32) => Part::Scale,
        (Phys::VarDec, "value", Phys::Bytes) => Part::Unscaled,
        (Phys::Geo, "wkb", Phys::Bytes) => Part::Wkb,
        (Phys::Geo, "srid", Phys::Int32) => Part::Srid,
        _ => Part::Other,
    };
    let flat = |name: &str, field: Id| {
        let optional = schema.optional(field)?;
        let kind = schema.kind(optional.node);
        let reader = Reader { union: optional.union, prim: prim(kind, optional.node) };
        Some((part(name, physical(kind, None)), reader))
    };
    let parts: Option<Vec<_>> = fields.iter().map(|(name, field)| flat(name, *field)).collect();
    let wanted: &[Part] = if phys == Phys::VarDec { &[Part::Scale, Part::Unscaled] } else { &[Part::Wkb] };
    let has = |parts: &[(Part, Reader)], part: Part| parts.iter().any(|(found, _)| *found == part);
    parts.filter(|parts| wanted.iter().all(|part| has(parts, *part)))
}

fn read_parts<'b>(phys: Phys, parts: &[(Part, Reader)], schema: &AvroSchema, at: &mut Cursor<'b>) -> Res<Val<'b>> {
    let (mut number, mut bytes) = (None, None);
    for (part, reader) in parts {
        if *part == Part::Other {
            skip_reader(reader, schema, at)?;
            continue;
        }
        if let Some(union) = reader.union
            && at.choice(union.count, Class::InvalidUnion)? != union.value
        {
            continue;
        }
        match reader.prim {
            Prim::Int => number = Some(at.int()?),
            Prim::Bytes => bytes = Some(at.bytes()?),
            Prim::Fixed(size) => bytes = Some(at.take(size)?),
            _ => return Err(fault(Class::UnsupportedSchema, "a decimal or geometry has an unknown form")),
        }
    }
    Ok(match (phys, bytes) {
        (_, None) => Val::Null,
        (Phys::VarDec, Some(unscaled)) => Val::Dec { scale: number.unwrap_or(0), unscaled },
        (_, Some(wkb)) => Val::Geo { wkb, srid: number },
    })
}

fn skip_reader(reader: &Reader, schema: &AvroSchema, at: &mut Cursor<'_>) -> Res<()> {
    if let Some(union) = reader.union
        && at.choice(union.count, Class::InvalidUnion)? != union.value
    {
        return Ok(());
    }
    match &reader.prim {
        Prim::Nested(id) => skip(schema, *id, at, 0),
        Prim::Double => at.take(8).map(drop),
        Prim::Float => at.take(4).map(drop),
        Prim::Bytes | Prim::Text => at.bytes().map(drop),
        Prim::Fixed(size) => at.take(*size).map(drop),
        Prim::Bool => at.bool().map(drop),
        Prim::Null => Ok(()),
        Prim::Parts(_, _) => Err(fault(Class::UnsupportedSchema, "a geometry inside a geometry")),
        Prim::Int | Prim::Long | Prim::Enum(_) => at.long().map(drop),
    }
}

/// Over one value.
pub fn skip(schema: &AvroSchema, id: Id, at: &mut Cursor<'_>, depth: u32) -> Res<()> {
    match schema.kind(id) {
        Kind::Null => {}
        Kind::Bool => drop(at.byte()?),
        Kind::Int | Kind::Long | Kind::Enum(_) => drop(at.long()?),
        Kind::Float => drop(at.take(4)?),
        Kind::Double => drop(at.take(8)?),
        Kind::Bytes | Kind::Text => drop(at.bytes()?),
        Kind::Fixed(size) => drop(at.take(*size)?),
        Kind::Union(branches) => {
            let branch = branches[at.choice(branches.len(), Class::InvalidUnion)?];
            if matches!(schema.kind(branch), Kind::Union(_)) {
                deeper(at, depth)?;
            }
            skip(schema, branch, at, depth + 1)?;
        }
        Kind::Record(fields) => {
            deeper(at, depth)?;
            for (_, field) in fields {
                skip(schema, *field, at, depth + 1)?;
            }
        }
        Kind::Array(item) => skip_items(schema, *item, false, at, depth)?,
        Kind::Map(item) => skip_items(schema, *item, true, at, depth)?,
    }
    Ok(())
}

/// Checks before a step down.
pub fn deeper(at: &mut Cursor<'_>, depth: u32) -> Res<()> {
    if depth > 2 * MAX_DEPTH {
        return Err(fault(Class::TooDeep, "the record is nested too deeply"));
    }
    at.burn()
}

fn skip_items(schema: &AvroSchema, item: Id, keyed: bool, at: &mut Cursor<'_>, depth: u32) -> Res<()> {
    deeper(at, depth)?;
    loop {
        let count = at.block()?;
        if count == 0 {
            return Ok(());
        }
        for _ in 0..count {
            let start = at.position();
            if keyed {
                at.bytes()?;
            }
            skip(schema, item, at, depth + 1)?;
            if at.position() == start {
                break; // items of no bytes: all the others are the same
            }
        }
    }
}

/// A record's fields with their readers.
pub struct RecordReader {
    pub schema: Arc<AvroSchema>,
    pub fields: Vec<Reader>,
    pub specs: Vec<FieldSpec>,
}

impl RecordReader {
    /// None where the node is no record.
    pub fn compile(schema: &Arc<AvroSchema>, id: Id) -> Option<RecordReader> {
        let Kind::Record(fields) = schema.kind(id) else { return None };
        let (fields, specs) = fields.iter().map(|(name, field)| Reader::compile(schema, name, *field)).unzip();
        Some(RecordReader { schema: Arc::clone(schema), fields, specs })
    }

    /// Over one record, field by field.
    pub fn over(&self, at: &mut Cursor<'_>) -> Res<()> {
        let mut scratch = String::new();
        self.fields.iter().try_for_each(|field| field.read(&self.schema, at, &mut scratch).map(drop))
    }
}
