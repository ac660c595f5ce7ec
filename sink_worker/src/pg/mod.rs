//! PostgreSQL's side: its types, and the binary form of their values.

pub mod encode;
pub mod numeric;
pub mod time;

/// The types that values are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pg {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    VarBit,
    Geometry,
}

impl Pg {
    /// (type oid, array type oid) of `pg_type`; 0 where only the server knows.
    pub fn oids(self) -> (u32, u32) {
        match self {
            Pg::Bool => (16, 1000),
            Pg::Int2 => (21, 1005),
            Pg::Int4 => (23, 1007),
            Pg::Int8 => (20, 1016),
            Pg::Float4 => (700, 1021),
            Pg::Float8 => (701, 1022),
            Pg::Numeric => (1700, 1231),
            Pg::Text => (25, 1009),
            Pg::Bytea => (17, 1001),
            Pg::Date => (1082, 1182),
            Pg::Time => (1083, 1183),
            Pg::TimeTz => (1266, 1270),
            Pg::Timestamp => (1114, 1115),
            Pg::TimestampTz => (1184, 1185),
            Pg::Interval => (1186, 1187),
            Pg::Uuid => (2950, 2951),
            Pg::Json => (114, 199),
            Pg::Jsonb => (3802, 3807),
            Pg::VarBit => (1562, 1563),
            Pg::Geometry => (0, 0),
        }
    }

    /// The type's name without a modifier.
    pub fn name(self) -> &'static str {
        match self {
            Pg::Bool => "boolean",
            Pg::Int2 => "smallint",
            Pg::Int4 => "integer",
            Pg::Int8 => "bigint",
            Pg::Float4 => "real",
            Pg::Float8 => "double precision",
            Pg::Numeric => "numeric",
            Pg::Text => "text",
            Pg::Bytea => "bytea",
            Pg::Date => "date",
            Pg::Time => "time",
            Pg::TimeTz => "timetz",
            Pg::Timestamp => "timestamp",
            Pg::TimestampTz => "timestamptz",
            Pg::Interval => "interval",
            Pg::Uuid => "uuid",
            Pg::Json => "json",
            Pg::Jsonb => "jsonb",
            Pg::VarBit => "bit varying",
            Pg::Geometry => "geometry",
        }
    }
}

/// What a column's type in PostgreSQL is written as there: the type and its modifier's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Declared {
    pub pg: Pg,
    pub modifier: Option<i32>,
    pub scale: Option<i32>,
}

impl Declared {
    /// Reads `format_type()`'s spelling or a usual alias; None for a type that values are not written as.
    pub fn parse(text: &str) -> Option<Declared> {
        let lower = text.trim().to_ascii_lowercase();
        let (head, numbers, tail) = match lower.split_once('(') {
            Some((head, rest)) => {
                let (numbers, tail) = rest.split_once(')')?;
                (head.trim().to_owned(), numbers.to_owned(), tail.trim().to_owned())
            }
            None => (lower, String::new(), String::new()),
        };
        let name = if tail.is_empty() { head } else { format!("{head} {tail}") };
        let mut numbers = numbers.split(',').map(|number| number.trim().parse::<i32>().ok());
        let modifier = numbers.next().flatten();
        Some(Declared { pg: by_name(&name)?, modifier, scale: numbers.next().flatten() })
    }
}

fn by_name(name: &str) -> Option<Pg> {
    Some(match name {
        "boolean" | "bool" => Pg::Bool,
        "smallint" | "int2" | "smallserial" => Pg::Int2,
        "integer" | "int" | "int4" | "serial" => Pg::Int4,
        "bigint" | "int8" | "bigserial" => Pg::Int8,
        "real" | "float4" => Pg::Float4,
        "double precision" | "float8" | "float" => Pg::Float8,
        "numeric" | "decimal" => Pg::Numeric,
        "text" | "character varying" | "varchar" | "character" | "char" | "bpchar" => Pg::Text,
        "bytea" => Pg::Bytea,
        "date" => Pg::Date,
        "time" | "time without time zone" => Pg::Time,
        "timetz" | "time with time zone" => Pg::TimeTz,
        "timestamp" | "timestamp without time zone" => Pg::Timestamp,
        "timestamptz" | "timestamp with time zone" => Pg::TimestampTz,
        "interval" => Pg::Interval,
        "uuid" => Pg::Uuid,
        "json" => Pg::Json,
        "jsonb" => Pg::Jsonb,
        "bit varying" | "varbit" | "bit" => Pg::VarBit,
        "geometry" => Pg::Geometry,
        _ => return None,
    })
}

/// Appends what `write` writes as one COPY field: its length, then the bytes.
#[inline]
pub fn field<E>(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let length = (out.len() - start - 4) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// A COPY field of bytes that are in their final form already.
#[inline]
pub fn raw_field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// NULL.
#[inline]
pub fn null_field(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1i32).to_be_bytes());
}
