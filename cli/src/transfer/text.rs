//! Tab-separated lines.

use super::parsed::{Parsed, Stop};
use super::piece::{Piece, Place};
use crate::escape::unescape;

/// Hands on each line, with its number and without its end; an empty one is left out.
pub(super) fn lines(piece: &Piece, mut each: impl FnMut(u64, &[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
    for (number, line) in (piece.start.line..).zip(piece.bytes.split(|b| *b == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            each(number, line)?;
        }
    }
    Ok(())
}

/// A key, a tab, a value; by the rule for bytes, or, if `raw`, as they are.
pub(super) fn tsv(piece: &Piece, raw: bool, to: &mut Parsed) -> Result<(), Stop> {
    lines(piece, |line, text| {
        let at = |column: usize| Place { line, column: column as u64 };
        let Some(tab) = text.iter().position(|b| *b == b'\t') else {
            return to.complain(at(1), "there is no tab between key and value".into());
        };
        let (key, value) = (&text[..tab], &text[tab + 1..]);
        if raw {
            return to.put(at(1), key, value);
        }
        if let Some(second) = value.iter().position(|b| *b == b'\t') {
            let what = "there is a second tab; one within a value is \\t (or load with --raw)".into();
            return to.complain(at(tab + second + 2), what);
        }
        match (unescape(key), unescape(value)) {
            (Ok(key), Ok(value)) => to.put(at(1), &key, &value),
            (Err(why), _) => to.complain(at(1), format!("in the key, {why}")),
            (_, Err(why)) => to.complain(at(tab + 2), format!("in the value, {why}")),
        }
    })
}
