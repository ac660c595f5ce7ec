//! A table's columns as one kind of event gives them: which are the key's, which have cells, and how their values are written.

use std::collections::BTreeMap;

use crate::cass::cql::Cql;
use crate::cass::form::Form;
use crate::fault::{Class, Fault, Res, convert};
use crate::mask::Mask;

pub const RANGE_START: &str = "_range_start";
pub const RANGE_END: &str = "_range_end";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnAmbiguous {
    Refuse,
    /// The cell is left out, and the event listed.
    List,
}

/// What is known of a table beside its events.
#[derive(Debug)]
pub struct Hint {
    /// Types as the settings declare them.
    pub declared: BTreeMap<String, Cql>,
    /// Declared columns that an event cannot tell.
    pub ambiguous: Vec<String>,
    pub on_ambiguous: OnAmbiguous,
    /// Columns of the table in PostgreSQL, as they are there.
    pub target: BTreeMap<String, String>,
    pub masks: BTreeMap<String, Mask>,
    /// A varint's bytes or number are exact: the connector's mode is `precise`.
    pub precise: bool,
    pub report_us: i64,
    pub refuse_us: i64,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub form: Form,
    pub ambiguous: bool,
}

/// Where a field of `after` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Key,
    Cell(usize),
    /// Its type is not known: what touches it is refused.
    Unknown,
    RangeStart,
    RangeEnd,
}

#[derive(Clone, Debug)]
pub struct Layout {
    pub names: Vec<String>,
    pub targets: Vec<Target>,
    pub key: Vec<Column>,
    pub columns: Vec<Column>,
    pub fingerprint: u64,
}

pub type Typed = (String, Option<Cql>);

impl Hint {
    fn column(&self, name: &str, schema: Option<&Cql>, in_key: bool) -> Res<Option<Column>> {
        let target = self.target.get(name).and_then(|text| Cql::of_column(text));
        let declared = self.declared.get(name).cloned().map(|cql| cql.refined(schema));
        let Some(cql) = declared.or_else(|| chosen(schema.cloned(), target.clone())) else { return Ok(None) };
        let collection = matches!(cql, Cql::List(_) | Cql::Map(_, _) | Cql::Udt(_));
        let undeclared = collection && !self.declared.contains_key(name);
        let ambiguous = !in_key && (undeclared || self.ambiguous.iter().any(|found| found == name));
        let mut form = Form::of(cql, in_key);
        // Not a key's: what is remembered of the dead has its bytes.
        if let (Some(column), false) = (&target, in_key) {
            form = form.widened(column);
        }
        if let Some(mask) = self.masks.get(name) {
            if in_key && !mask.is_injective() {
                return Err(convert(
                    Class::UnsupportedSchema,
                    "a mask that makes different keys equal: hash or tokenize it",
                )
                .at(name));
            }
            form = form.masked(*mask).map_err(|why| why.at(name))?;
        }
        Ok(Some(Column { name: name.to_owned(), form, ambiguous }))
    }
}

/// The schema's type, unless the table has one that the schema cannot tell from it.
fn chosen(schema: Option<Cql>, target: Option<Cql>) -> Option<Cql> {
    match (schema, target) {
        (Some(Cql::Text), Some(target @ (Cql::Inet | Cql::Decimal | Cql::VarInt))) => Some(target),
        (Some(Cql::BigInt), Some(target @ (Cql::Time | Cql::Timestamp))) => Some(target),
        (Some(schema), _) => Some(schema),
        (None, target) => target,
    }
}

impl Layout {
    /// `fields` are those of `after`, `key` those of the record's key, in their orders.
    pub fn build(fields: &[Typed], key: &[Typed], hint: &Hint) -> Res<Layout> {
        let schema = |name: &str, own: &Option<Cql>| -> Option<Cql> {
            let other = fields.iter().find(|(field, _)| field == name).and_then(|(_, cql)| cql.clone());
            other.or_else(|| own.clone())
        };
        let mut keys = Vec::new();
        for (name, own) in key {
            let column = hint.column(name, schema(name, own).as_ref(), true)?;
            keys.push(column.ok_or_else(|| no_type(name))?);
        }
        if keys.is_empty() {
            return Err(convert(Class::MissingKey, "the record's key has no columns"));
        }
        let (mut targets, mut columns) = (Vec::new(), Vec::new());
        for (name, cql) in fields {
            targets.push(match name.as_str() {
                RANGE_START => Target::RangeStart,
                RANGE_END => Target::RangeEnd,
                _ if keys.iter().any(|column| column.name == *name) => Target::Key,
                _ => match hint.column(name, cql.as_ref(), false)? {
                    Some(column) => {
                        columns.push(column);
                        Target::Cell(columns.len() - 1)
                    }
                    None => Target::Unknown,
                },
            });
        }
        let names: Vec<String> = fields.iter().map(|(name, _)| name.clone()).collect();
        let fingerprint = fingerprint(&keys, &columns);
        Ok(Layout { names, targets, key: keys, columns, fingerprint })
    }

    /// The same for writes that have lost some columns: no event is read with it.
    pub fn keeping(&self, kept: &[usize]) -> Layout {
        let columns: Vec<Column> = kept.iter().map(|column| self.columns[*column].clone()).collect();
        let fingerprint = fingerprint(&self.key, &columns);
        Layout { names: Vec::new(), targets: Vec::new(), key: self.key.clone(), columns, fingerprint }
    }
}

#[cold]
pub fn no_type(name: &str) -> Box<Fault> {
    let why =
        "the record has no schema, and neither the settings (cassandra.tables) nor the table know the column's type";
    convert(Class::NoColumnTypes, why).at(name)
}

/// FNV-1a: the same in every process.
fn fingerprint(key: &[Column], columns: &[Column]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    for column in key.iter().chain(columns) {
        let text = format!("{}\u{1}{}\u{1}{:?}\u{2}", column.name, column.form.pg_type(), key.len());
        text.bytes().for_each(|byte| sum = (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    }
    sum
}
