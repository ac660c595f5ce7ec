//! Where an object or array ends, found 64 bytes at a time: quotes and brackets become bits, and what lies between quotes is
//! masked out. The method is simdjson's (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019).

use wide::u8x16;

const BLOCK: usize = 64;

/// Quotes, opening and closing brackets, and backslashes of a block, a bit for each byte.
#[derive(Default)]
struct Marks {
    quotes: u64,
    opening: u64,
    closing: u64,
    backslashes: u64,
}

fn marks(block: &[u8; BLOCK]) -> Marks {
    let mut marks = Marks::default();
    for (place, lane) in block.as_chunks::<16>().0.iter().enumerate() {
        let bytes = u8x16::new(*lane);
        // Brackets and braces differ in one bit.
        let folded = bytes | u8x16::splat(0x20);
        let equal = |lane: u8x16, byte| u64::from(lane.simd_eq(u8x16::splat(byte)).to_bitmask()) << (16 * place);
        marks.quotes |= equal(bytes, b'"');
        marks.opening |= equal(folded, b'{');
        marks.closing |= equal(folded, b'}');
        marks.backslashes |= equal(bytes, b'\\');
    }
    marks
}

/// Each bit is whether an odd number of bits is set up to it.
fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// The length of the object or array that the text begins with; None where the text ends before it.
pub fn length(text: &[u8]) -> Option<usize> {
    let mut depth = 0u32;
    let (mut in_string, mut escaped) = (false, false);
    for (number, part) in text.chunks(BLOCK).enumerate() {
        let mut block = [b' '; BLOCK];
        block[..part.len()].copy_from_slice(part);
        let marks = marks(&block);
        let brackets = if marks.backslashes != 0 || escaped {
            outside_strings_slowly(part, &mut in_string, &mut escaped)
        } else {
            let inside = parity(marks.quotes) ^ if in_string { u64::MAX } else { 0 };
            in_string = inside >> (BLOCK - 1) == 1;
            (marks.opening | marks.closing) & !inside
        };
        let closing = brackets & marks.closing;
        let opening = (brackets & marks.opening).count_ones();
        if depth > closing.count_ones() {
            depth = depth + opening - closing.count_ones();
            continue;
        }
        let mut left = brackets;
        while left != 0 {
            let place = left.trailing_zeros();
            left &= left - 1;
            if closing >> place & 1 == 0 {
                depth += 1;
            } else if depth <= 1 {
                return Some(number * BLOCK + place as usize + 1);
            } else {
                depth -= 1;
            }
        }
    }
    None
}

/// The brackets outside strings, where backslashes are about.
fn outside_strings_slowly(part: &[u8], in_string: &mut bool, escaped: &mut bool) -> u64 {
    let mut found = 0;
    for (place, byte) in part.iter().enumerate() {
        match byte {
            _ if *escaped => *escaped = false,
            b'\\' if *in_string => *escaped = true,
            b'"' => *in_string = !*in_string,
            b'{' | b'[' | b'}' | b']' if !*in_string => found |= 1 << place,
            _ => {}
        }
    }
    found
}
