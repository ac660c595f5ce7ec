//! A pull reader over one JSON text. It checks what it reads; what it skips it only balances.

use memchr::memchr2;

use crate::fault::{Class, Fault, Res, fault};
use crate::json::nested;

#[derive(Clone)]
pub struct Json<'a> {
    bytes: &'a [u8],
    at: usize,
}

#[cold]
#[inline(never)]
fn invalid(what: &str, at: usize) -> Box<Fault> {
    fault(Class::InvalidJson, format!("{what} at byte {at}"))
}

#[cold]
#[inline(never)]
fn early() -> Box<Fault> {
    fault(Class::Truncated, "the JSON text ends early")
}

impl<'a> Json<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Json { bytes, at: 0 }
    }

    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    #[inline]
    pub fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    #[inline]
    pub fn peek(&mut self) -> Res<u8> {
        self.space();
        self.bytes.get(self.at).copied().ok_or_else(early)
    }

    #[inline]
    pub fn expect(&mut self, byte: u8) -> Res<()> {
        if self.peek()? != byte {
            return Err(invalid(&format!("'{}' is missing", char::from(byte)), self.at));
        }
        self.at += 1;
        Ok(())
    }

    /// Over exactly these bytes, if they come next.
    #[inline]
    pub fn literally(&mut self, bytes: &[u8]) -> bool {
        let found = self.bytes[self.at..].starts_with(bytes);
        if found {
            self.at += bytes.len();
        }
        found
    }

    /// After the last value: nothing but space.
    pub fn end(&mut self) -> Res<()> {
        self.space();
        if self.at == self.bytes.len() {
            return Ok(());
        }
        Err(fault(Class::TrailingBytes, format!("something follows the value at byte {}", self.at)))
    }

    /// Into an object or array: whether it has an element.
    #[inline]
    pub fn open(&mut self, open: u8, close: u8) -> Res<bool> {
        self.expect(open)?;
        if self.peek()? == close {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// After an element: whether another one follows.
    #[inline]
    pub fn more(&mut self, close: u8) -> Res<bool> {
        match self.peek()? {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            byte if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(invalid("a separator is missing", self.at)),
        }
    }

    /// The bytes between a string's quotes, and whether escapes are among them.
    #[inline]
    pub fn raw_string(&mut self) -> Res<(&'a [u8], bool)> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let stop = memchr2(b'"', b'\\', &self.bytes[self.at..]).ok_or_else(early)?;
            self.at += stop + 1;
            if self.bytes[self.at - 1] == b'"' {
                return Ok((&self.bytes[start..self.at - 1], escaped));
            }
            escaped = true;
            self.at += 1;
            if self.at > self.bytes.len() {
                return Err(early());
            }
        }
    }

    /// A string's value, in `scratch` where it had escapes.
    #[inline]
    pub fn string<'s>(&mut self, scratch: &'s mut String) -> Res<&'s str>
    where
        'a: 's,
    {
        let start = self.at;
        let (raw, escaped) = self.raw_string()?;
        let text = std::str::from_utf8(raw)
            .map_err(|_| fault(Class::InvalidUtf8, format!("a string at byte {start} is no UTF-8")))?;
        if raw.iter().any(|byte| *byte < 0x20) {
            return Err(invalid("a string holds a control character", start));
        }
        if !escaped {
            return Ok(text);
        }
        scratch.clear();
        unescape(text, scratch).ok_or_else(|| invalid("a string has an unknown escape", start))?;
        Ok(scratch)
    }

    /// A member's name with its colon.
    #[inline]
    pub fn name<'s>(&mut self, scratch: &'s mut String) -> Res<&'s str>
    where
        'a: 's,
    {
        self.space();
        let name = self.string(scratch)?;
        self.expect(b':')?;
        Ok(name)
    }

    /// A number's literal.
    #[inline]
    pub fn number(&mut self) -> Res<&'a str> {
        self.space();
        let rest = &self.bytes[self.at..];
        let length =
            rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
        let literal = &rest[..length];
        if !is_number(literal) {
            return Err(invalid("a number is malformed", self.at));
        }
        self.at += length;
        std::str::from_utf8(literal).map_err(|_| invalid("a number is malformed", self.at))
    }

    /// An integer of up to 64 bits.
    #[inline]
    pub fn integer(&mut self) -> Res<i64> {
        let start = self.at;
        let literal = self.number()?;
        literal.parse().map_err(|_| {
            let whole = !literal.contains(['.', 'e', 'E']);
            let class = if whole { Class::OutOfRange } else { Class::TypeMismatch };
            fault(class, format!("the number at byte {start} is no integer of 64 bits"))
        })
    }

    #[inline]
    pub fn word(&mut self, word: &str) -> Res<()> {
        self.space();
        if self.literally(word.as_bytes()) {
            return Ok(());
        }
        Err(invalid("an unknown word", self.at))
    }

    #[inline]
    pub fn null(&mut self) -> Res<bool> {
        if self.peek()? != b'n' {
            return Ok(false);
        }
        self.word("null")?;
        Ok(true)
    }

    /// Over one value, and its bytes.
    pub fn skip(&mut self) -> Res<&'a [u8]> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => drop(self.raw_string()?),
            b'{' | b'[' => self.skip_nested()?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => drop(self.number()?),
        }
        Ok(self.since(start))
    }

    fn skip_nested(&mut self) -> Res<()> {
        self.at += nested::length(&self.bytes[self.at..]).ok_or_else(early)?;
        Ok(())
    }
}

/// Whether the bytes are a number by JSON's grammar.
fn is_number(literal: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let unsigned = literal.strip_prefix(b"-").unwrap_or(literal);
    let whole = digits(unsigned);
    if whole == 0 || (whole > 1 && unsigned[0] == b'0') {
        return false;
    }
    let mut rest = &unsigned[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    match rest {
        [] => true,
        [b'e' | b'E', exponent @ ..] => {
            let exponent = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        _ => false,
    }
}

fn hex4(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

fn unescape(text: &str, out: &mut String) -> Option<()> {
    let mut rest = text;
    while let Some(stop) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..stop]);
        let kind = *rest.as_bytes().get(stop + 1)?;
        rest = rest.get(stop + 2..)?;
        out.push(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut code = hex4(rest)?;
                rest = &rest[4..];
                if (0xd800..0xdc00).contains(&code) {
                    let low = hex4(rest.strip_prefix("\\u")?).filter(|low| (0xdc00..0xe000).contains(low))?;
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    rest = &rest[6..];
                }
                char::from_u32(code)?
            }
            _ => return None,
        });
    }
    out.push_str(rest);
    Some(())
}
