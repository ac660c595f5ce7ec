//! A table's columns as one kind of record gives them: where each field of value and key goes.

use std::sync::Arc;

use crate::columns::{Column, Mapped, map};
use crate::fault::{Class, Fault, convert};
use crate::options::{Hint, Options};
use crate::pg::Pg;
use crate::pg::encode::Enc;
use crate::value::{FieldSpec, Phys};

/// What a field of a flattened record says about the event itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    None,
    Op,
    Deleted,
    SourceTime,
}

/// Where one field goes.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub phys: Phys,
    /// None: it becomes no column.
    pub enc: Option<Enc>,
    /// Its place in the key.
    pub key: Option<usize>,
    pub control: Control,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A table without key.
    Append,
    Record,
    Value,
}

#[derive(Debug)]
pub struct Layout {
    pub columns: Arc<Vec<Column>>,
    /// Indexes into `columns`, in the key's order.
    pub key: Vec<usize>,
    pub key_source: KeySource,
    /// One per field of the value; empty where there is none.
    pub value: Vec<Target>,
    /// One per field of the record's key.
    pub record_key: Vec<Target>,
    /// Places in the key whose columns only the record's key has; they end the row, in this order.
    pub appended: Vec<usize>,
    /// Whether each key column must read the same in key and value (not where equal values have several forms).
    pub compared: Vec<bool>,
    /// Whether canonical() may change a key.
    pub forms: bool,
    /// Whether the record's key has its fields in the key's order.
    pub in_order: bool,
    /// Of the key's names and types: rows of two layouts may be compacted together only where it is equal.
    pub signature: u64,
    pub fingerprint: u64,
    /// It knows the key columns and no others.
    pub key_only: bool,
}

pub struct Inputs<'a> {
    pub value: Option<&'a [FieldSpec]>,
    pub record_key: Option<&'a [FieldSpec]>,
    /// Flattened: some fields are about the event.
    pub flat: bool,
    pub hint: &'a Hint,
    pub options: &'a Options,
}

pub fn build(inputs: &Inputs<'_>) -> Result<Layout, Box<Fault>> {
    let (mut value, mut columns) = value_targets(inputs)?;
    let (key_source, names) = key_names(inputs, &columns)?;
    let mut layout_key = Vec::new();
    let mut appended = Vec::new();
    let mut record_key = skipped(inputs.record_key.filter(|_| key_source == KeySource::Record).unwrap_or_default());
    for (place, name) in names.iter().enumerate() {
        let found = columns.iter().position(|column| column.name == *name);
        let index = match found {
            Some(index) => index,
            None => {
                let spec = spec_named(inputs.record_key, name).ok_or_else(|| no_key_field(name))?;
                columns.push(map(spec, inputs.hint, inputs.options)?.ok_or_else(|| no_key_field(name))?.column);
                appended.push(place);
                columns.len() - 1
            }
        };
        if columns[index].pg == Pg::Geometry {
            return Err(convert(Class::UnsupportedSchema, "a geometry is in the key").at(name));
        }
        if inputs.hint.mask(name).is_some_and(|mask| !mask.is_injective()) {
            return Err(convert(
                Class::UnsupportedSchema,
                "a mask that makes different keys equal: hash or tokenize it",
            )
            .at(name));
        }
        columns[index].key = true;
        columns[index].nullable = false;
        layout_key.push(index);
        if let Some(target) = value.iter_mut().find(|target| target.name == *name && target.enc.is_some()) {
            target.key = Some(place);
        }
        if key_source == KeySource::Record {
            fill_key_target(inputs, &mut record_key, name, place, columns[index].pg)?;
        }
    }
    let compared = layout_key
        .iter()
        .enumerate()
        .map(|(place, index)| !appended.contains(&place) && !has_forms(columns[*index].pg));
    let compared = compared.collect();
    let places: Vec<usize> = record_key.iter().filter_map(|target| target.key).collect();
    let signature = hash(layout_key.iter().map(|index| (columns[*index].name.as_str(), columns[*index].pg.name())));
    let fingerprint = fingerprint(&columns, &layout_key);
    Ok(Layout {
        key_source,
        value,
        record_key,
        appended,
        compared,
        forms: layout_key.iter().any(|index| has_forms(columns[*index].pg)),
        in_order: places.is_sorted(),
        signature,
        fingerprint,
        key_only: inputs.value.is_none(),
        columns: Arc::new(columns),
        key: layout_key,
    })
}

fn no_key_field(name: &str) -> Box<Fault> {
    convert(Class::MissingKey, "the key column is neither in the record's key nor in its value").at(name)
}

fn spec_named<'a>(specs: Option<&'a [FieldSpec]>, name: &str) -> Option<&'a FieldSpec> {
    specs?.iter().find(|spec| spec.name == name)
}

fn control(spec: &FieldSpec, flat: bool) -> Control {
    match spec.name.as_str() {
        "__op" if flat => Control::Op,
        "__deleted" if flat => Control::Deleted,
        "__source_ts_ms" if flat => Control::SourceTime,
        _ => Control::None,
    }
}

fn value_targets(inputs: &Inputs<'_>) -> Result<(Vec<Target>, Vec<Column>), Box<Fault>> {
    let mut targets = Vec::new();
    let mut columns: Vec<Column> = Vec::new();
    for spec in inputs.value.unwrap_or_default() {
        let control = control(spec, inputs.flat);
        let metadata = matches!(control, Control::Op | Control::Deleted)
            || (inputs.flat && inputs.options.drop_metadata && spec.name.starts_with("__"));
        let mapped = if metadata { None } else { map(spec, inputs.hint, inputs.options)? };
        let phys = mapped.as_ref().map_or(spec.phys, |mapped| mapped.phys);
        let enc = mapped.as_ref().map(|mapped| mapped.enc);
        targets.push(Target { name: spec.name.clone(), phys, enc, key: None, control });
        columns.extend(mapped.map(|mapped| mapped.column));
    }
    if columns.len() > 1600 {
        return Err(convert(Class::UnsupportedSchema, "more than PostgreSQL's 1600 columns"));
    }
    Ok((targets, columns))
}

fn key_names(inputs: &Inputs<'_>, columns: &[Column]) -> Result<(KeySource, Vec<String>), Box<Fault>> {
    if inputs.hint.append {
        return Ok((KeySource::Append, Vec::new()));
    }
    let in_record = |name: &String| spec_named(inputs.record_key, name).is_some();
    match (&inputs.hint.key, inputs.record_key) {
        (Some(names), _) if names.iter().all(in_record) => Ok((KeySource::Record, names.clone())),
        (Some(names), _) => match names.iter().find(|name| columns.iter().all(|column| column.name != **name)) {
            Some(_) if inputs.value.is_none() => Err(convert(
                Class::MissingKey,
                "a delete without a value, and the record's key lacks key columns of the table",
            )),
            Some(name) => Err(no_key_field(name)),
            None => Ok((KeySource::Value, names.clone())),
        },
        (None, Some(specs)) if !specs.is_empty() => {
            Ok((KeySource::Record, specs.iter().map(|spec| spec.name.clone()).collect()))
        }
        (None, _) => Err(convert(Class::MissingKey, "the record has no key, and no key is set for the table")),
    }
}

fn skipped(specs: &[FieldSpec]) -> Vec<Target> {
    let target = |spec: &FieldSpec| Target {
        name: spec.name.clone(),
        phys: spec.phys,
        enc: None,
        key: None,
        control: Control::None,
    };
    specs.iter().map(target).collect()
}

/// The record's key writes the type that the row's column has.
fn fill_key_target(
    inputs: &Inputs<'_>,
    targets: &mut [Target],
    name: &str,
    place: usize,
    pg: Pg,
) -> Result<(), Box<Fault>> {
    let spec = spec_named(inputs.record_key, name).ok_or_else(|| no_key_field(name))?;
    let Mapped { phys, enc, .. } = map(spec, inputs.hint, inputs.options)?.ok_or_else(|| no_key_field(name))?;
    let integers = |pg: Pg| matches!(pg, Pg::Int2 | Pg::Int4 | Pg::Int8);
    if enc.pg != pg && !(integers(enc.pg) && integers(pg)) {
        let why = format!("the key says {}, the value {}", enc.pg.name(), pg.name());
        return Err(convert(Class::KeyMismatch, why).at(name));
    }
    if let Some(target) = targets.iter_mut().find(|target| target.name == name) {
        *target = Target { phys, enc: Some(Enc { pg, nullable: false, ..enc }), key: Some(place), ..target.clone() };
    }
    Ok(())
}

/// Whether equal values of a type are written in several ways, so that canonical() may change them.
fn has_forms(pg: Pg) -> bool {
    matches!(pg, Pg::Numeric | Pg::Float4 | Pg::Float8)
}

/// FNV-1a: the same in every process and on every machine.
fn hash<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |byte: u8| sum = (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    for (left, right) in parts {
        left.bytes().chain([0xff]).chain(right.bytes()).chain([0xfe]).for_each(&mut add);
    }
    sum
}

fn fingerprint(columns: &[Column], key: &[usize]) -> u64 {
    let marks: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let place = key.iter().position(|at| *at == index);
            format!("{}\u{1}{}\u{1}{place:?}", column.pg_type, column.nullable)
        })
        .collect();
    hash(columns.iter().zip(&marks).map(|(column, mark)| (column.name.as_str(), mark.as_str())))
}

/// Equal values of a key in one form: what compaction compares. `bytes` is the value of a COPY field.
pub fn canonical(pg: Pg, bytes: &mut [u8]) {
    match pg {
        Pg::Float4 | Pg::Float8 if bytes[0] == 0x80 && bytes[1..].iter().all(|byte| *byte == 0) => bytes[0] = 0,
        Pg::Numeric if bytes.len() > 8 => {
            let short = |at: usize| i32::from(i16::from_be_bytes([bytes[at], bytes[at + 1]]));
            let (groups, weight) = (short(0), short(2));
            let last = short(bytes.len() - 2);
            let zeros = [10, 100, 1000].iter().filter(|power| last % **power == 0).count() as i32;
            let scale = ((groups - 1 - weight) * 4 - zeros).max(0);
            bytes[6..8].copy_from_slice(&(scale as u16).to_be_bytes());
        }
        // Zero has no groups; NaN and the infinities have no scale.
        Pg::Numeric if bytes.len() == 8 && bytes[4] == 0 => bytes[6..8].fill(0),
        _ => {}
    }
}
