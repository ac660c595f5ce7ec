//! Between the formats and PostgreSQL: one value, what it is physically, and what it means.

/// One value as a format's reader hands it on, borrowed from the record or a scratch buffer.
#[derive(Clone, Copy, Debug)]
pub enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    F32(f32),
    F64(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    /// A number's literal, digits as they came.
    Num(&'a str),
    /// A decimal that carries its scale.
    Dec {
        scale: i32,
        unscaled: &'a [u8],
    },
    Geo {
        wkb: &'a [u8],
        srid: Option<i32>,
    },
    /// Any other structure, as JSON text.
    Json(&'a str),
}

/// How a value is written by the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phys {
    Bool,
    Int16,
    Int32,
    Int64,
    F32,
    F64,
    Str,
    Bytes,
    Geo,
    VarDec,
    /// An array, a map, a record, a union of several types.
    Nested,
    /// Schemaless JSON: whatever the token is.
    Any,
}

impl Phys {
    pub fn is_int(self) -> bool {
        matches!(self, Phys::Int16 | Phys::Int32 | Phys::Int64)
    }
}

/// How text stands for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    Base64,
    Base64Url,
    Hex,
}

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sem {
    Plain,
    /// Days since 1970.
    Date,
    /// Since 1970, in UTC or without a zone.
    Millis,
    Micros,
    Nanos,
    ZonedTimestamp,
    IsoDate,
    IsoTimestamp,
    IsoTime,
    /// Since midnight; may be negative or beyond 24 h.
    TimeMillis,
    TimeMicros,
    TimeNanos,
    ZonedTime,
    DurationMicros,
    DurationNanos,
    IsoInterval,
    Decimal(i32),
    VarDecimal,
    Bits(Option<u32>),
    Json,
    Uuid,
    Geometry,
    /// A signed long that carries an unsigned one.
    Unsigned,
    Text(Binary),
}

/// What a schema says of a field beside its type.
#[derive(Clone, Debug, Default)]
pub struct Note {
    pub source: Option<String>,
    pub source_type: Option<String>,
    pub length: Option<i64>,
    pub scale: Option<i64>,
    pub precision: Option<i64>,
    pub allowed: Option<String>,
}

/// One field of a record, whatever its format.
#[derive(Clone, Debug)]
pub struct FieldSpec {
    pub name: String,
    pub phys: Phys,
    pub sem: Sem,
    pub optional: bool,
    pub note: Note,
}

/// What the semantic name and the parameters of a schema make of a physical type.
pub fn classify(name: Option<&str>, phys: Phys, parameter: &dyn Fn(&str) -> Option<String>) -> (Phys, Sem, Note) {
    let number = |key: &str| parameter(key).and_then(|text| text.parse::<i64>().ok());
    let note = Note {
        source: name.map(str::to_owned),
        source_type: parameter("__debezium.source.column.type"),
        length: number("__debezium.source.column.length").or_else(|| number("length")),
        scale: number("__debezium.source.column.scale"),
        precision: number("connect.decimal.precision"),
        allowed: parameter("allowed"),
    };
    let scale = number("scale").and_then(|scale| i32::try_from(scale).ok());
    let length = number("length").and_then(|length| u32::try_from(length).ok());
    let unsigned = note.source_type.as_deref().is_some_and(is_unsigned_bigint);
    let (short, kind) = match name.map(|name| name.rsplit('.').next().unwrap_or(name)) {
        Some(short) if phys == Phys::Nested => match short {
            "VariableScaleDecimal" => (Phys::VarDec, Sem::VarDecimal),
            "Geometry" | "Geography" | "Point" => (Phys::Geo, Sem::Geometry),
            _ => (phys, Sem::Plain),
        },
        Some(_) if phys == Phys::Int64 && unsigned => (phys, Sem::Unsigned),
        Some(_) => (phys, semantic(name.unwrap_or_default(), phys, scale, length)),
        None if phys == Phys::Int64 && unsigned => (phys, Sem::Unsigned),
        None => (phys, Sem::Plain),
    };
    (short, kind, note)
}

fn is_unsigned_bigint(source_type: &str) -> bool {
    let upper = source_type.to_ascii_uppercase();
    upper.starts_with("BIGINT") && upper.contains("UNSIGNED")
}

/// Whether a source type is of bytes, however the connector writes them.
pub fn is_binary_source(source_type: &str) -> bool {
    let upper = source_type.to_ascii_uppercase();
    upper.contains("BLOB") || upper.contains("BINARY")
}

fn semantic(name: &str, phys: Phys, scale: Option<i32>, length: Option<u32>) -> Sem {
    use Phys::{Bytes, Int32, Int64, Str};
    match (name, phys) {
        ("io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" | "date", Int32) => Sem::Date,
        ("io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp", Int64) => Sem::Millis,
        ("timestamp-millis" | "local-timestamp-millis", Int64) => Sem::Millis,
        ("io.debezium.time.MicroTimestamp" | "timestamp-micros" | "local-timestamp-micros", Int64) => Sem::Micros,
        ("io.debezium.time.NanoTimestamp" | "timestamp-nanos" | "local-timestamp-nanos", Int64) => Sem::Nanos,
        ("io.debezium.time.ZonedTimestamp", Str) => Sem::ZonedTimestamp,
        ("io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" | "time-millis", Int32) => Sem::TimeMillis,
        ("io.debezium.time.MicroTime" | "time-micros", Int64) => Sem::TimeMicros,
        ("io.debezium.time.NanoTime", Int64) => Sem::TimeNanos,
        ("io.debezium.time.ZonedTime", Str) => Sem::ZonedTime,
        ("io.debezium.time.MicroDuration", Int64) => Sem::DurationMicros,
        ("io.debezium.time.NanoDuration", Int64) => Sem::DurationNanos,
        ("io.debezium.time.Interval", Str) => Sem::IsoInterval,
        ("io.debezium.time.IsoDate", Str) => Sem::IsoDate,
        ("io.debezium.time.IsoTimestamp", Str) => Sem::IsoTimestamp,
        ("io.debezium.time.IsoTime", Str) => Sem::IsoTime,
        ("org.apache.kafka.connect.data.Decimal" | "decimal", Bytes) => Sem::Decimal(scale.unwrap_or(0)),
        ("io.debezium.data.Bits", Bytes) => Sem::Bits(length),
        ("io.debezium.data.Json", Str) => Sem::Json,
        ("io.debezium.data.Uuid" | "uuid", Str) => Sem::Uuid,
        _ => Sem::Plain,
    }
}

/// Decodes text that stands for bytes; None where it does not.
pub fn decode_binary(text: &[u8], binary: Binary, out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    match binary {
        Binary::Hex => decode_hex(text, out),
        Binary::Base64 => decode_base64(text, [b'+', b'/'], out),
        Binary::Base64Url => decode_base64(text, [b'-', b'_'], out),
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn decode_hex(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    for pair in text.chunks_exact(2) {
        out.push(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?);
    }
    Some(())
}

/// The value of each byte as a digit of base 64; 64: none.
const fn base64_table(last: [u8; 2]) -> [u8; 256] {
    let mut table = [64u8; 256];
    let mut index = 0;
    while index < 26 {
        table[b'A' as usize + index] = index as u8;
        table[b'a' as usize + index] = 26 + index as u8;
        index += 1;
    }
    let mut digit = 0;
    while digit < 10 {
        table[b'0' as usize + digit] = 52 + digit as u8;
        digit += 1;
    }
    table[last[0] as usize] = 62;
    table[last[1] as usize] = 63;
    table
}

const STANDARD: [u8; 256] = base64_table(*b"+/");
const URL: [u8; 256] = base64_table(*b"-_");

fn decode_base64(text: &[u8], last: [u8; 2], out: &mut Vec<u8>) -> Option<()> {
    let table = if last == *b"+/" { &STANDARD } else { &URL };
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let digits = &text[..text.len() - padding];
    if digits.len() % 4 == 1 || (padding > 0 && !text.len().is_multiple_of(4)) {
        return None;
    }
    for chunk in digits.chunks(4) {
        let mut bits = 0u32;
        for byte in chunk {
            let digit = table[usize::from(*byte)];
            if digit == 64 {
                return None;
            }
            bits = bits << 6 | u32::from(digit);
        }
        bits <<= 6 * (4 - chunk.len());
        out.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(())
}
