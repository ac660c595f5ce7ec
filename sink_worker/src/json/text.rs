//! Whether a text is JSON that `jsonb` takes.

use crate::fault::{Class, Fault, Res, convert};

/// Deeper structures than any real document; PostgreSQL's own limit is its stack.
const MAX_DEPTH: u32 = 512;

fn invalid(why: &str) -> Box<Fault> {
    convert(Class::InvalidJson, format!("the text is no JSON: {why}"))
}

/// Fails unless `text` is one JSON value without NUL characters and lone surrogates.
pub fn check(text: &str) -> Res<()> {
    let mut at = Checker { rest: text.as_bytes() };
    at.value(0)?;
    at.space();
    if at.rest.is_empty() { Ok(()) } else { Err(invalid("something follows the value")) }
}

struct Checker<'a> {
    rest: &'a [u8],
}

impl Checker<'_> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn value(&mut self, depth: u32) -> Res<()> {
        if depth > MAX_DEPTH {
            return Err(convert(Class::TooDeep, "the JSON is nested more than 512 levels"));
        }
        self.space();
        match self.rest.first() {
            Some(b'{') => self.members(depth),
            Some(b'[') => self.elements(depth),
            Some(b'"') => self.string(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(invalid("unexpected character")),
            None => Err(invalid("it ends early")),
        }
    }

    fn word(&mut self, word: &[u8]) -> Res<()> {
        self.rest = self.rest.strip_prefix(word).ok_or_else(|| invalid("unexpected word"))?;
        Ok(())
    }

    fn members(&mut self, depth: u32) -> Res<()> {
        self.rest = &self.rest[1..];
        self.space();
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            if self.rest.first() != Some(&b'"') {
                return Err(invalid("a member has no name"));
            }
            self.string()?;
            self.space();
            if !self.eat(b':') {
                return Err(invalid("a member has no colon"));
            }
            self.value(depth + 1)?;
            self.space();
            if self.eat(b'}') {
                return Ok(());
            }
            if !self.eat(b',') {
                return Err(invalid("an object is not closed"));
            }
        }
    }

    fn elements(&mut self, depth: u32) -> Res<()> {
        self.rest = &self.rest[1..];
        self.space();
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            if self.eat(b']') {
                return Ok(());
            }
            if !self.eat(b',') {
                return Err(invalid("an array is not closed"));
            }
        }
    }

    fn digits(&mut self) -> Res<()> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &self.rest[count..];
        if count == 0 { Err(invalid("a number lacks digits")) } else { Ok(()) }
    }

    fn number(&mut self) -> Res<()> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn string(&mut self) -> Res<()> {
        self.rest = &self.rest[1..];
        loop {
            let plain = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let stop = plain.ok_or_else(|| invalid("a string is not closed"))?;
            let byte = self.rest[stop];
            self.rest = &self.rest[stop + 1..];
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => return Err(invalid("a string holds a control character")),
            }
        }
    }

    fn escape(&mut self) -> Res<()> {
        let (&kind, rest) = self.rest.split_first().ok_or_else(|| invalid("it ends early"))?;
        self.rest = rest;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                0 => Err(convert(Class::NulInText, "the JSON holds a NUL character, which jsonb cannot store")),
                0xd800..=0xdbff => match (self.word(b"\\u"), self.hex()) {
                    (Ok(()), Ok(0xdc00..=0xdfff)) => Ok(()),
                    _ => Err(invalid("half a surrogate pair")),
                },
                0xdc00..=0xdfff => Err(invalid("half a surrogate pair")),
                _ => Ok(()),
            },
            _ => Err(invalid("unknown escape")),
        }
    }

    fn hex(&mut self) -> Res<u32> {
        let digits = self.rest.get(..4).ok_or_else(|| invalid("it ends early"))?;
        self.rest = &self.rest[4..];
        digits.iter().try_fold(0, |sum, byte| {
            let digit = char::from(*byte).to_digit(16).ok_or_else(|| invalid("unknown escape"))?;
            Ok(sum << 4 | digit)
        })
    }
}
