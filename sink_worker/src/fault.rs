//! Why a record is no row. Every failure of the decoders is a `Fault`; none of them panics.

/// Where in the work on a record it failed, as dead letter records name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Key,
    Value,
    Convert,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::Key => "decode_key",
            Stage::Value => "decode_value",
            Stage::Convert => "convert",
        }
    }
}

macro_rules! classes {
    ($($variant:ident),* $(,)?) => {
        /// The kind of failure: a closed set, so that metrics and rules can count on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Class { $($variant),* }
        impl Class {
            pub const ALL: &'static [Class] = &[$(Class::$variant),*];
            pub fn name(self) -> &'static str {
                match self { $(Class::$variant => stringify!($variant)),* }
            }
        }
    };
}

classes! {
    AmbiguousColumn, FutureTimestamp, InternalError, InvalidEnum, InvalidJson, InvalidLength, InvalidUnion, InvalidUtf8, InvalidVarint, KeyMismatch,
    KeylessChange, LossyMode, MagicByte, MissingAfter, MissingField, MissingKey, NoColumnTypes, NulInText, NullNotAllowed,
    OutOfRange, TooDeep, TrailingBytes, Truncated, TypeMismatch, UnknownField, UnknownMarshal, UnknownOp, UnknownSchema,
    UnsupportedSchema,
}

/// A failure: its class, a text without values of the row, and the column where there is one.
#[derive(Clone, Debug)]
pub struct Fault {
    pub class: Class,
    pub stage: Stage,
    pub message: String,
    pub column: Option<String>,
}

/// Boxed: results stay two words on the path where all is well.
pub type Res<T> = Result<T, Box<Fault>>;

#[cold]
#[inline(never)]
pub fn fault(class: Class, message: impl Into<String>) -> Box<Fault> {
    Box::new(Fault { class, stage: Stage::Value, message: message.into(), column: None })
}

/// A value that was read well, and that PostgreSQL's type cannot hold.
#[cold]
#[inline(never)]
pub fn convert(class: Class, message: impl Into<String>) -> Box<Fault> {
    Box::new(Fault { class, stage: Stage::Convert, message: message.into(), column: None })
}

impl Fault {
    /// Names the column, unless an inner one is named already.
    #[cold]
    #[inline(never)]
    pub fn at(mut self: Box<Self>, column: &str) -> Box<Self> {
        self.column.get_or_insert_with(|| column.to_owned());
        self
    }

    /// The same failure, met while reading the record's key.
    #[cold]
    pub fn in_key(mut self: Box<Self>) -> Box<Self> {
        if self.stage == Stage::Value {
            self.stage = Stage::Key;
        }
        self
    }
}
