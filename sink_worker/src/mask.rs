//! Personal data is changed before it is a field of a row: nothing behind the decoder sees it.
//!
//! From one secret come two keys, by HMAC with names of their own: one hashes, one encrypts (RFC 5297, AES-256-SIV: equal texts
//! have equal tokens, and a token that was changed is found out). The same text is the same in every table, so that masked
//! columns can still be joined.

use std::fmt;

use aes_siv::siv::Aes256Siv;
use aes_siv::{KeyInit, KeySizeUser};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sha2::{Sha256, Sha512};

use crate::fault::{Class, Fault, Res, convert};
use crate::pg::encode::{Enc, any_text};
use crate::pg::{Pg, null_field, raw_field};
use crate::value::{Phys, Sem, Val};

/// What a sealed event begins with.
const SEALED: &[u8] = b"cdc-sealed-1\0";
const TOKEN: &str = "tok_";
const REDACTED: &[u8] = b"<REDACTED>";
const SHORTEST_SECRET: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// HMAC-SHA-256 of the text, in hexadecimal digits.
    Hash,
    /// The text, encrypted; who has the secret can turn it back.
    Tokenize,
    /// A constant where the column holds text, NULL elsewhere.
    Redact,
    /// The last characters, at most this many and never more than half of them.
    Partial(usize),
}

#[derive(PartialEq, Eq, Hash)]
struct Keys {
    hash: Vec<u8>,
    siv: Vec<u8>,
}

/// One column's mask. It lives as long as the process, as the settings do that it comes from.
#[pyclass(frozen, module = "sink_worker._native")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mask {
    rule: Rule,
    keys: &'static Keys,
}

impl fmt::Debug for Mask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(out)
    }
}

impl Mask {
    /// The type of the masked column; a fault where the rule cannot be kept for such values. A key stays unique.
    pub fn column(&self, natural: Pg, phys: Phys, sem: Sem) -> Result<Pg, Box<Fault>> {
        if self.rule == Rule::Redact {
            return Ok(natural);
        }
        let text = matches!(sem, Sem::Plain | Sem::Unsigned | Sem::Uuid | Sem::Json)
            && !matches!(phys, Phys::F32 | Phys::F64 | Phys::Bytes | Phys::Geo | Phys::VarDec);
        if text {
            return Ok(Pg::Text);
        }
        let why = "only text, integers and booleans can be hashed, tokenized or shown in part: redact it";
        Err(convert(Class::UnsupportedSchema, why))
    }

    /// Whether nothing of a value is left.
    pub fn redacts(&self) -> bool {
        self.rule == Rule::Redact
    }

    /// Whether different values stay different.
    pub fn is_injective(&self) -> bool {
        matches!(self.rule, Rule::Hash | Rule::Tokenize)
    }

    /// Appends the masked field. NULL stays NULL.
    pub fn encode(&self, enc: &Enc, value: Val<'_>, out: &mut Vec<u8>) -> Res<()> {
        if matches!(value, Val::Null) {
            return if enc.nullable {
                null_field(out);
                Ok(())
            } else {
                Err(convert(Class::NullNotAllowed, "null in a column that is required"))
            };
        }
        if self.rule == Rule::Redact {
            if enc.pg == Pg::Text {
                raw_field(out, REDACTED)
            } else {
                null_field(out)
            }
            return Ok(());
        }
        let mut field = Vec::new();
        any_text(&Enc { mask: None, ..*enc }, value, &mut field)?;
        let text = &field[4..];
        match self.rule {
            Rule::Hash => raw_field(out, hexadecimal(&mac::<Hmac<Sha256>>(&self.keys.hash, text)).as_bytes()),
            Rule::Tokenize => raw_field(out, token(self.keys, text)?.as_bytes()),
            Rule::Partial(shown) => raw_field(out, partial(&String::from_utf8_lossy(text), shown).as_bytes()),
            Rule::Redact => {}
        }
        Ok(())
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap_or_else(|_| unreachable!());
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(half), 16).unwrap_or_default());
        }
        text
    })
}

fn siv(keys: &Keys) -> Aes256Siv {
    // The key was made as long as the cipher wants it.
    Aes256Siv::new_from_slice(&keys.siv).unwrap_or_else(|_| unreachable!())
}

fn encrypted(keys: &Keys, bytes: &[u8]) -> Res<Vec<u8>> {
    let none: [&[u8]; 0] = [];
    siv(keys).encrypt(none, bytes).map_err(|_| convert(Class::OutOfRange, "the value cannot be encrypted"))
}

fn token(keys: &Keys, text: &[u8]) -> Res<String> {
    Ok(format!("{TOKEN}{}", URL_SAFE_NO_PAD.encode(encrypted(keys, text)?)))
}

fn partial(text: &str, shown: usize) -> String {
    let count = text.chars().count();
    let hidden = count - shown.min(count / 2);
    text.chars().enumerate().map(|(at, character)| if at < hidden { '*' } else { character }).collect()
}

/// The secret of all masks.
#[pyclass(frozen, module = "sink_worker._native")]
pub struct MaskKey {
    keys: &'static Keys,
}

#[pymethods]
impl MaskKey {
    #[new]
    fn new(secret: &[u8]) -> PyResult<MaskKey> {
        if secret.len() < SHORTEST_SECRET {
            return Err(PyValueError::new_err(format!("a masking key has at least {SHORTEST_SECRET} bytes")));
        }
        let siv = mac::<Hmac<Sha512>>(secret, b"cdc-platform tokenize 1");
        debug_assert_eq!(siv.len(), Aes256Siv::key_size());
        let keys = Keys { hash: mac::<Hmac<Sha256>>(secret, b"cdc-platform hash 1"), siv };
        Ok(MaskKey { keys: Box::leak(Box::new(keys)) })
    }

    #[pyo3(signature = (rule, keep = 4))]
    fn mask(&self, rule: &str, keep: usize) -> PyResult<Mask> {
        let rule = match rule {
            "hash" => Rule::Hash,
            "tokenize" => Rule::Tokenize,
            "redact" => Rule::Redact,
            "partial" => Rule::Partial(keep),
            _ => return Err(PyValueError::new_err(format!("{rule} is no rule"))),
        };
        Ok(Mask { rule, keys: self.keys })
    }

    /// The bytes, encrypted; equal bytes alike, and what is sealed already stays as it is.
    fn seal<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        if bytes.starts_with(SEALED) {
            return Ok(PyBytes::new(py, bytes));
        }
        let body = encrypted(self.keys, bytes).map_err(|fault| PyValueError::new_err(fault.message.clone()))?;
        Ok(PyBytes::new(py, &[SEALED, &body].concat()))
    }

    /// What was sealed; bytes that were not, as they are. ValueError with another key.
    fn unseal<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let Some(body) = bytes.strip_prefix(SEALED) else { return Ok(PyBytes::new(py, bytes)) };
        Ok(PyBytes::new(py, &self.decrypted(body)?))
    }

    /// The text that a token stands for. ValueError where it is none of this key's.
    fn reveal(&self, token: &str) -> PyResult<String> {
        let body = token.strip_prefix(TOKEN).and_then(|body| URL_SAFE_NO_PAD.decode(body).ok());
        let body = body.ok_or_else(|| PyValueError::new_err("it is no token"))?;
        String::from_utf8(self.decrypted(&body)?).map_err(|_| PyValueError::new_err("it stands for no text"))
    }
}

impl MaskKey {
    fn decrypted(&self, body: &[u8]) -> PyResult<Vec<u8>> {
        let none: [&[u8]; 0] = [];
        siv(self.keys).decrypt(none, body).map_err(|_| PyValueError::new_err("it was not made with this key"))
    }
}
