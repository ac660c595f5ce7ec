//! Which PostgreSQL type a field becomes.

use crate::fault::{Class, Fault, convert};
use crate::mask::Mask;
use crate::options::{Hint, HintColumn, Options};
use crate::pg::encode::Enc;
use crate::pg::{Declared, Pg};
use crate::value::{Binary, FieldSpec, Note, Phys, Sem, classify, is_binary_source};

/// A column of a segment.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub pg: Pg,
    pub pg_type: String,
    pub nullable: bool,
    pub key: bool,
    pub note: Note,
}

/// A field's column, and how it is read and written.
#[derive(Clone, Debug)]
pub struct Mapped {
    pub column: Column,
    pub phys: Phys,
    pub enc: Enc,
}

/// Maps a field; None: the settings leave it out. Fails where schemaless JSON has a field without a type, and where a mask does
/// not fit.
pub fn map(spec: &FieldSpec, hint: &Hint, options: &Options) -> Result<Option<Mapped>, Box<Fault>> {
    let mut found = bare(spec, hint, options)?;
    if let (Some(mapped), Some(mask)) = (&mut found, hint.mask(&spec.name)) {
        conceal(mapped, mask).map_err(|fault| fault.at(&spec.name))?;
    }
    Ok(found)
}

fn conceal(mapped: &mut Mapped, mask: Mask) -> Result<(), Box<Fault>> {
    let Mapped { column, phys, enc } = mapped;
    let pg = mask.column(column.pg, *phys, enc.sem)?;
    if pg != column.pg {
        (column.pg, column.pg_type) = (pg, pg.name().to_owned());
    }
    column.note = Note::default();
    column.nullable |= pg != Pg::Text;
    *enc = Enc { pg, nullable: column.nullable, mask: Some(mask), ..*enc };
    Ok(())
}

fn bare(spec: &FieldSpec, hint: &Hint, options: &Options) -> Result<Option<Mapped>, Box<Fault>> {
    let known = hint.column(&spec.name);
    if spec.phys != Phys::Any {
        return Ok(Some(mapped(spec, known, options)));
    }
    match known {
        Some(known) => Ok(Some(untyped(known, options))),
        None if hint.columns.is_empty() => {
            Err(convert(Class::NoColumnTypes, "the record has no schema, and the table is not known").at(&spec.name))
        }
        None if options.ignore_unknown => Ok(None),
        None => {
            Err(convert(Class::UnknownField, "the record has no schema, and the table no such column").at(&spec.name))
        }
    }
}

fn mapped(spec: &FieldSpec, known: Option<&HintColumn>, options: &Options) -> Mapped {
    let mut spec = spec.clone();
    let wanted = known.and_then(|column| column.declared);
    let source_is_binary = spec.note.source_type.as_deref().is_some_and(is_binary_source);
    if spec.phys == Phys::Str
        && spec.sem == Sem::Plain
        && (source_is_binary || wanted.is_some_and(|wanted| wanted.pg == Pg::Bytea))
        && let Some(binary) = options.binary
    {
        spec.sem = Sem::Text(binary);
    }
    let (mut pg, mut pg_type) = natural(&spec, options);
    if let Some(wanted) = wanted
        && wanted.pg != pg
        && converts(&spec, wanted.pg)
    {
        (pg, pg_type) = (wanted.pg, declared_name(wanted));
    }
    finish(spec, pg, pg_type, options)
}

fn finish(spec: FieldSpec, pg: Pg, pg_type: String, options: &Options) -> Mapped {
    let enc = Enc { pg, sem: spec.sem, nullable: spec.optional, zero_is_epoch: options.zero_is_epoch, mask: None };
    let column = Column { name: spec.name, pg, pg_type, nullable: spec.optional, key: false, note: spec.note };
    Mapped { column, phys: spec.phys, enc }
}

/// A field of schemaless JSON: the target column says what it is.
fn untyped(known: &HintColumn, options: &Options) -> Mapped {
    let declared = known.declared.unwrap_or(Declared { pg: Pg::Text, modifier: None, scale: None });
    let parameter = |key: &str| match (key, declared.pg) {
        ("scale", Pg::Numeric) => Some(declared.scale.unwrap_or(0).to_string()),
        ("length", Pg::VarBit) => declared.modifier.map(|length| length.to_string()),
        _ => None,
    };
    // The physical type that a semantic name stands on; the token itself decides how it is read.
    let candidates = [Phys::Int32, Phys::Int64, Phys::Str, Phys::Bytes, Phys::Nested];
    let named = candidates.iter().find_map(|phys| {
        let (phys, sem, _) = classify(known.source.as_deref(), *phys, &parameter);
        (sem != Sem::Plain).then_some((phys, sem))
    });
    let by_name =
        named.map(|(phys, sem)| (if matches!(phys, Phys::Geo | Phys::VarDec) { phys } else { Phys::Any }, sem));
    let (phys, sem) = by_name.unwrap_or_else(|| by_type(declared, options));
    let note = Note { source: known.source.clone(), ..Note::default() };
    let spec = FieldSpec { name: known.name.clone(), phys, sem, optional: known.nullable, note };
    finish(spec, declared.pg, declared_name(declared), options)
}

fn by_type(declared: Declared, options: &Options) -> (Phys, Sem) {
    let sem = match declared.pg {
        Pg::Bytea => Sem::Text(options.binary.unwrap_or(Binary::Base64)),
        Pg::Date => Sem::Date,
        Pg::Timestamp | Pg::TimestampTz if declared.modifier.is_some_and(|digits| digits <= 3) => Sem::Millis,
        Pg::Timestamp | Pg::TimestampTz => Sem::Micros,
        Pg::Numeric if options.schemaless_base64 => Sem::Decimal(declared.scale.unwrap_or(0)),
        Pg::VarBit => Sem::Bits(declared.modifier.and_then(|length| u32::try_from(length).ok())),
        Pg::Geometry => return (Phys::Geo, Sem::Geometry),
        _ => Sem::Plain,
    };
    (Phys::Any, sem)
}

fn declared_name(declared: Declared) -> String {
    match (declared.pg, declared.modifier, declared.scale) {
        (Pg::Numeric, Some(precision), scale) => format!("numeric({precision},{})", scale.unwrap_or(0)),
        (Pg::Timestamp | Pg::TimestampTz | Pg::VarBit, Some(modifier), _) => {
            format!("{}({modifier})", declared.pg.name())
        }
        (pg, _, _) => pg.name().to_owned(),
    }
}

/// The type a field has by itself.
fn natural(spec: &FieldSpec, options: &Options) -> (Pg, String) {
    let plain = |pg: Pg| (pg, pg.name().to_owned());
    match (spec.sem, spec.phys) {
        (_, Phys::Nested | Phys::Any) => plain(Pg::Jsonb),
        (Sem::Geometry, _) => plain(if options.postgis { Pg::Geometry } else { Pg::Bytea }),
        (Sem::VarDecimal, _) => plain(Pg::Numeric),
        (Sem::Unsigned, _) => (Pg::Numeric, "numeric(20,0)".to_owned()),
        (Sem::Decimal(scale), _) => match spec.note.precision {
            Some(precision @ 1..=1000) if scale >= 0 && i64::from(scale) <= precision => {
                (Pg::Numeric, format!("numeric({precision},{scale})"))
            }
            _ => plain(Pg::Numeric),
        },
        (Sem::Date | Sem::IsoDate, _) => plain(Pg::Date),
        (Sem::Millis, _) => (Pg::Timestamp, "timestamp(3)".to_owned()),
        (Sem::Micros | Sem::Nanos | Sem::IsoTimestamp, _) => (Pg::Timestamp, "timestamp(6)".to_owned()),
        (Sem::ZonedTimestamp, _) => plain(Pg::TimestampTz),
        (Sem::TimeMillis | Sem::TimeMicros | Sem::TimeNanos | Sem::IsoTime, _) => {
            plain(if options.time_of_day { Pg::Time } else { Pg::Interval })
        }
        (Sem::ZonedTime, _) => plain(Pg::TimeTz),
        (Sem::DurationMicros | Sem::DurationNanos | Sem::IsoInterval, _) => plain(Pg::Interval),
        (Sem::Bits(Some(length)), _) if length > 0 => (Pg::VarBit, format!("bit varying({length})")),
        (Sem::Bits(_), _) => plain(Pg::VarBit),
        (Sem::Json, _) => plain(Pg::Jsonb),
        (Sem::Uuid, _) => plain(Pg::Uuid),
        (Sem::Text(_), _) => plain(Pg::Bytea),
        (Sem::Plain, phys) => plain(match phys {
            Phys::Bool => Pg::Bool,
            Phys::Int16 => Pg::Int2,
            Phys::Int32 => Pg::Int4,
            Phys::Int64 => Pg::Int8,
            Phys::F32 => Pg::Float4,
            Phys::F64 => Pg::Float8,
            Phys::Bytes => Pg::Bytea,
            Phys::VarDec => Pg::Numeric,
            Phys::Str | Phys::Geo | Phys::Nested | Phys::Any => Pg::Text,
        }),
    }
}

/// Whether every value of the field is written exactly as `target`, or rejected: never changed.
fn converts(spec: &FieldSpec, target: Pg) -> bool {
    let clock = matches!(spec.sem, Sem::TimeMillis | Sem::TimeMicros | Sem::TimeNanos | Sem::IsoTime);
    let instant = matches!(spec.sem, Sem::Millis | Sem::Micros | Sem::Nanos | Sem::ZonedTimestamp | Sem::IsoTimestamp);
    let plain = spec.sem == Sem::Plain;
    match target {
        Pg::Bool => plain && spec.phys.is_int(),
        Pg::Int2 | Pg::Int4 | Pg::Int8 => plain && (spec.phys.is_int() || spec.phys == Phys::Bool),
        Pg::Float8 => plain && (spec.phys.is_int() || spec.phys == Phys::F32),
        Pg::Numeric => plain && (spec.phys.is_int() || spec.phys == Phys::Str),
        Pg::Text => spec.phys == Phys::Str || (spec.phys.is_int() && (plain || spec.sem == Sem::Unsigned)),
        Pg::Bytea => matches!(spec.sem, Sem::Text(_)),
        Pg::Date => plain && spec.phys == Phys::Str,
        Pg::Timestamp | Pg::TimestampTz => {
            instant || matches!(spec.sem, Sem::Date) || (plain && spec.phys == Phys::Str)
        }
        Pg::Time | Pg::Interval => clock,
        Pg::Uuid => plain && spec.phys == Phys::Str,
        Pg::Json | Pg::Jsonb => {
            spec.phys == Phys::Nested || (spec.phys == Phys::Str && (plain || spec.sem == Sem::Json))
        }
        Pg::VarBit => plain && spec.phys == Phys::Bool,
        Pg::Geometry => spec.sem == Sem::Geometry,
        Pg::Float4 | Pg::TimeTz => false,
    }
}
