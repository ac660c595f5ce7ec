//! Bytes of one record, read with every length checked.

use crate::fault::{Class, Fault, Res, fault};

/// Nodes a record may visit beyond its bytes: what ends a schema that multiplies records of no bytes.
const FUEL: u32 = 1 << 20;

pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    fuel: u32,
}

#[cold]
#[inline(never)]
fn truncated() -> Box<Fault> {
    fault(Class::Truncated, "the record ends inside a value")
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0, fuel: FUEL }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub fn burn(&mut self) -> Res<()> {
        self.fuel = self.fuel.checked_sub(1).ok_or_else(|| fault(Class::TooDeep, "the schema expands without end"))?;
        Ok(())
    }

    #[inline]
    pub fn byte(&mut self) -> Res<u8> {
        let byte = *self.bytes.get(self.at).ok_or_else(truncated)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub fn take(&mut self, count: usize) -> Res<&'a [u8]> {
        let end = self.at.checked_add(count).ok_or_else(truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or_else(truncated)?;
        self.at = end;
        Ok(taken)
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Res<[u8; N]> {
        let mut copy = [0; N];
        copy.copy_from_slice(self.take(N)?);
        Ok(copy)
    }

    /// A zigzag varint of up to 64 bits.
    #[inline]
    pub fn long(&mut self) -> Res<i64> {
        let byte = self.byte()?;
        if byte < 0x80 {
            return Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1));
        }
        self.long_rest(byte)
    }

    #[inline]
    fn long_rest(&mut self, first: u8) -> Res<i64> {
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(fault(Class::InvalidVarint, "a number takes more than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
            shift += 7;
        }
    }

    #[inline]
    pub fn int(&mut self) -> Res<i32> {
        let value = self.long()?;
        i32::try_from(value).map_err(|_| fault(Class::InvalidVarint, "an int takes more than 32 bits"))
    }

    /// A length, then as many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Res<&'a [u8]> {
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(length) if length <= self.left() => self.take(length),
            Ok(_) => Err(fault(Class::Truncated, "a length is beyond the record's end")),
            Err(_) => Err(fault(Class::InvalidLength, "a length is negative")),
        }
    }

    #[inline]
    pub fn text(&mut self) -> Res<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| fault(Class::InvalidUtf8, "a string is no UTF-8"))
    }

    #[inline]
    pub fn bool(&mut self) -> Res<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(fault(Class::TypeMismatch, "a boolean is neither 0 nor 1")),
        }
    }

    /// A union's branch or an enum's symbol, below `count`.
    #[inline]
    pub fn choice(&mut self, count: usize, class: Class) -> Res<usize> {
        let index = self.long()?;
        usize::try_from(index)
            .ok()
            .filter(|index| *index < count)
            .ok_or_else(|| fault(class, format!("branch or symbol {index} of {count}")))
    }

    /// Items of the next block of an array or map; 0: no more.
    pub fn block(&mut self) -> Res<u64> {
        let count = self.long()?;
        if count < 0 {
            let size = self.long()?;
            if usize::try_from(size).map_or(true, |size| size > self.left()) {
                return Err(fault(Class::InvalidLength, "a block's size is beyond the record's end"));
            }
        }
        Ok(count.unsigned_abs())
    }
}
