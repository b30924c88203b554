//! The one rule by which bytes are shown and typed, the same in every command.
//!
//! | bytes | text |
//! |---|---|
//! | backslash | `\\` |
//! | newline, tab, carriage return | `\n`, `\t`, `\r` |
//! | every other byte that is not part of a printable UTF-8 character | `\xNN`, two hex digits |
//! | all else | itself |
//!
//! What counts as printable is Rust's `char::escape_debug`: control characters, invisible and direction-changing ones,
//! unassigned ones and spaces other than U+0020 are not; combining marks are.
//!
//! Reading takes all of these, and `\0`, `\"` and `\'` besides; any other use of a backslash is an error that names its
//! place. So `unescape(escape(b)) == b` for all bytes, and text without a backslash means itself.

use std::fmt::Write;

/// The text for `bytes`.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    escape_to(bytes, &mut text);
    text
}

/// Appends the text for `bytes`.
pub(crate) fn escape_to(bytes: &[u8], text: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                ' '..='~' => text.push(c),
                _ if printable(c) => text.push(c),
                _ => hex(c.encode_utf8(&mut [0; 4]).as_bytes(), text),
            }
        }
        hex(chunk.invalid(), text);
    }
}

/// The bytes that `text` stands for. `text` need not be UTF-8: a command line is bytes.
///
/// # Errors
/// A sentence that names the place, for a backslash that starts no escape.
pub(crate) fn unescape(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if first != b'\\' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let at = text.len() - rest.len() + 1;
        let (byte, used) = match after {
            [b'\\', ..] => (b'\\', 1),
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'r', ..] => (b'\r', 1),
            [b'0', ..] => (0, 1),
            [quote @ (b'"' | b'\''), ..] => (*quote, 1),
            [b'x', high, low, ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => return Err(format!("\\x at character {at} needs two hex digits, as in \\x0a")),
            },
            [b'x', ..] => return Err(format!("\\x at character {at} needs two hex digits, as in \\x0a")),
            [] => {
                return Err(format!("a lone backslash ends the text at character {at}; write \\\\ for one"));
            }
            [other, ..] => {
                let other = escape(&[*other]);
                return Err(format!(
                    "\\{other} at character {at} is no escape; the escapes are \\\\ \\n \\t \\r \\0 \\xNN"
                ));
            }
        };
        bytes.push(byte);
        rest = &after[used..];
    }
    Ok(bytes)
}

/// Whether a terminal shows `c` as what it is. A letter before it lets combining marks count as printable, as they are in text.
fn printable(c: char) -> bool {
    let mut pair = String::with_capacity(5);
    pair.push('x');
    pair.push(c);
    pair.escape_debug().nth(1) == Some(c)
}

fn hex(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

fn digit(c: u8) -> Option<u8> {
    char::from(c).to_digit(16).map(|d| d as u8)
}

#[cfg(test)]
#[path = "escape_tests.rs"]
mod tests;
