//! CQL's types, from what the settings declare, the events' schemas say, and the columns in PostgreSQL are.

/// A type, without what does not matter to a value (`frozen`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cql {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Text,
    Blob,
    Decimal,
    VarInt,
    Uuid,
    Timestamp,
    Date,
    Time,
    Duration,
    Inet,
    List(Box<Cql>),
    Map(Box<Cql>, Box<Cql>),
    Tuple(Vec<Cql>),
    /// A user-defined type; its fields where a schema tells them.
    Udt(Vec<(String, Cql)>),
}

impl Cql {
    /// Parses `list<map<text,int>>`: what the settings' reader writes, which has checked it.
    pub fn parse(text: &str) -> Option<Cql> {
        let (found, rest) = parse(text)?;
        rest.is_empty().then_some(found)
    }

    pub fn is_scalar(&self) -> bool {
        !matches!(self, Cql::List(_) | Cql::Map(_, _) | Cql::Tuple(_) | Cql::Udt(_))
    }

    /// What is declared, with the fields that only the schema knows.
    pub fn refined(self, schema: Option<&Cql>) -> Cql {
        match (self, schema) {
            (Cql::Udt(own), Some(Cql::Udt(fields))) if own.is_empty() => Cql::Udt(fields.clone()),
            (Cql::List(item), Some(Cql::List(other))) => Cql::List(Box::new(item.refined(Some(other)))),
            (Cql::Map(key, item), Some(Cql::Map(_, other))) => Cql::Map(key, Box::new(item.refined(Some(other)))),
            (Cql::Tuple(items), Some(Cql::Tuple(others))) if items.len() == others.len() => {
                Cql::Tuple(items.into_iter().zip(others).map(|(item, other)| item.refined(Some(other))).collect())
            }
            (own, _) => own,
        }
    }

    /// The type that a column of a table in PostgreSQL holds, as `format_type()` spells it.
    pub fn of_column(pg_type: &str) -> Option<Cql> {
        let lower = pg_type.to_ascii_lowercase();
        if let Some(item) = lower.strip_suffix("[]") {
            return Some(Cql::List(Box::new(Cql::of_column(item)?)));
        }
        Some(match lower.split('(').next().unwrap_or_default().trim() {
            "boolean" => Cql::Boolean,
            "smallint" => Cql::SmallInt,
            "integer" => Cql::Int,
            "bigint" => Cql::BigInt,
            "real" => Cql::Float,
            "double precision" => Cql::Double,
            "text" | "character varying" => Cql::Text,
            "bytea" => Cql::Blob,
            "numeric" => Cql::Decimal,
            "uuid" => Cql::Uuid,
            "timestamp with time zone" | "timestamptz" => Cql::Timestamp,
            "date" => Cql::Date,
            "time without time zone" | "time" => Cql::Time,
            "interval" => Cql::Duration,
            "inet" => Cql::Inet,
            "jsonb" => Cql::Udt(Vec::new()),
            _ => return None,
        })
    }
}

fn native(name: &str) -> Cql {
    match name {
        "boolean" => Cql::Boolean,
        "tinyint" => Cql::TinyInt,
        "smallint" => Cql::SmallInt,
        "int" => Cql::Int,
        "bigint" | "counter" => Cql::BigInt,
        "float" => Cql::Float,
        "double" => Cql::Double,
        "text" | "varchar" | "ascii" => Cql::Text,
        "blob" => Cql::Blob,
        "decimal" => Cql::Decimal,
        "varint" => Cql::VarInt,
        "uuid" | "timeuuid" => Cql::Uuid,
        "timestamp" => Cql::Timestamp,
        "date" => Cql::Date,
        "time" => Cql::Time,
        "duration" => Cql::Duration,
        "inet" => Cql::Inet,
        _ => Cql::Udt(Vec::new()),
    }
}

fn parse(text: &str) -> Option<(Cql, &str)> {
    let end = text.find(['<', '>', ',']).unwrap_or(text.len());
    let (name, mut rest) = (text[..end].trim(), &text[end..]);
    if name.is_empty() {
        return None;
    }
    let mut arguments = Vec::new();
    if rest.starts_with('<') {
        loop {
            let (argument, after) = parse(&rest[1..])?;
            arguments.push(argument);
            rest = after;
            match rest.bytes().next()? {
                b',' => {}
                b'>' => break,
                _ => return None,
            }
        }
        rest = &rest[1..];
    }
    let mut arguments = arguments.into_iter();
    let found = match name {
        "list" | "set" => Cql::List(Box::new(arguments.next()?)),
        "map" => Cql::Map(Box::new(arguments.next()?), Box::new(arguments.next()?)),
        "tuple" => Cql::Tuple(arguments.by_ref().collect()),
        _ => native(name),
    };
    arguments.next().is_none().then_some((found, rest))
}
