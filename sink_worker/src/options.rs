//! A decoder's settings, and what is known of a target table.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::mask::Mask;
use crate::pg::Declared;
use crate::value::Binary;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Auto,
    Avro,
    Json,
}

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub format: Format,
    pub postgis: bool,
    /// TIME becomes `time` rather than `interval`.
    pub time_of_day: bool,
    pub zero_is_epoch: bool,
    /// How the connector writes bytes as text; None: it writes bytes.
    pub binary: Option<Binary>,
    pub schemaless_base64: bool,
    pub ignore_unknown: bool,
    pub drop_metadata: bool,
}

impl Options {
    pub fn parse(text: &str) -> Result<Options, String> {
        let json: Value =
            serde_json::from_str(text).map_err(|error| format!("the configuration is no JSON: {error}"))?;
        let members = json.as_object().ok_or("the configuration is no JSON object")?;
        let mut options = Options {
            format: Format::Auto,
            postgis: false,
            time_of_day: false,
            zero_is_epoch: false,
            binary: None,
            schemaless_base64: false,
            ignore_unknown: false,
            drop_metadata: false,
        };
        for (name, value) in members {
            options
                .set(name, value.as_str().unwrap_or_default())
                .ok_or_else(|| format!("option {name}: unknown, or not with this value"))?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let either = |off: &str, on: &str| if value == on { Some(true) } else { (value == off).then_some(false) };
        match name {
            "format" => {
                self.format = match value {
                    "auto" => Format::Auto,
                    "avro" => Format::Avro,
                    "json" => Format::Json,
                    _ => return None,
                }
            }
            "geometry" => self.postgis = either("bytea", "postgis")?,
            "time" => self.time_of_day = either("interval", "time")?,
            "zero_dates" => self.zero_is_epoch = either("null", "epoch")?,
            "binary" => {
                self.binary = match value {
                    "bytes" => None,
                    "base64" => Some(Binary::Base64),
                    "base64-url-safe" => Some(Binary::Base64Url),
                    "hex" => Some(Binary::Hex),
                    _ => return None,
                }
            }
            "schemaless_decimal" => self.schemaless_base64 = either("text", "base64")?,
            "unknown_fields" => self.ignore_unknown = either("reject", "ignore")?,
            "flat_metadata" => self.drop_metadata = either("keep", "drop")?,
            _ => return None,
        }
        Some(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HintColumn {
    pub name: String,
    pub pg_type: String,
    /// None: a type that values are not written as; text stands in for it.
    pub declared: Option<Declared>,
    pub nullable: bool,
    pub source: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hint {
    pub columns: Vec<HintColumn>,
    pub key: Option<Vec<String>>,
    pub append: bool,
    /// Of columns by their names.
    pub masks: BTreeMap<String, Mask>,
}

impl Hint {
    pub fn mask(&self, name: &str) -> Option<Mask> {
        self.masks.get(name).copied()
    }

    pub fn column(&self, name: &str) -> Option<&HintColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}
