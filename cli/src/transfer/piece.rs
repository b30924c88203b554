//! The input in pieces of whole records, each with its place: so that several threads can parse, and complaints are still right.

use std::io::{self, Read};

use super::cut::Cutter;

/// A piece is about so large, unless a single record is larger. That many bytes are parsed for each hand-over between threads.
pub(super) const PIECE_BYTES: usize = 1 << 20;
/// Longest record: a key and a value at their limits, every byte as `\\xNN` in a string of JSON.
const RECORD_BYTES_MAX: usize = 5 * ((64 << 20) + (64 << 10)) + 64;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A place in a text: line and column in bytes, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The place behind these bytes.
    pub(super) fn after(self, bytes: &[u8]) -> Self {
        let lines = bytes.iter().filter(|b| **b == b'\n').count() as u64;
        let last = bytes.iter().rposition(|b| *b == b'\n');
        let column = last.map_or(self.column + bytes.len() as u64, |at| (bytes.len() - at) as u64);
        Self { line: self.line + lines, column }
    }
}

/// Whole records.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Where it begins.
    pub(super) start: Place,
    pub(super) is_first: bool,
}

/// Cuts an input.
pub(super) struct Pieces<R> {
    from: R,
    cutter: Cutter,
    /// What was read and belongs to the next piece. The cutter has seen it.
    rest: Vec<u8>,
    start: Place,
    is_first: bool,
    is_over: bool,
}

impl<R: Read> Pieces<R> {
    /// # Errors
    /// A sentence, if the input cannot be read.
    pub(super) fn new(mut from: R, cutter: Cutter, has_mark: bool) -> Result<Self, String> {
        let mut rest = Vec::new();
        if has_mark {
            fill(&mut from, &mut rest, BYTE_ORDER_MARK.len()).map_err(|e| format!("cannot read: {e}"))?;
            if rest == BYTE_ORDER_MARK {
                rest.clear();
            }
        }
        let mut pieces =
            Self { from, cutter, rest: Vec::new(), start: Place::START, is_first: true, is_over: false };
        pieces.look(&rest)?;
        pieces.rest = rest;
        Ok(pieces)
    }

    /// The next piece; `None` behind the last.
    ///
    /// # Errors
    /// A sentence with the place, if the input cannot be read on or cannot be the format.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, String> {
        let mut bytes = std::mem::take(&mut self.rest);
        let mut end = 0;
        while !self.is_over && end == 0 {
            let seen = bytes.len();
            if seen > RECORD_BYTES_MAX {
                let Place { line, .. } = self.start;
                return Err(format!(
                    "line {line}: what begins here is longer than any entry can be (is a quote not closed?)"
                ));
            }
            let got = fill(&mut self.from, &mut bytes, PIECE_BYTES);
            let got = got.map_err(|e| format!("line {}: cannot read: {e}", self.start.after(&bytes).line))?;
            let looked = self.cutter.last_end(&bytes[seen..]);
            let last = looked.map_err(|(at, what)| self.wrong(&bytes[..seen + at], &what))?;
            end = last.map_or(0, |last| seen + last);
            self.is_over = got < PIECE_BYTES;
        }
        if self.is_over {
            self.cutter.end().map_err(|what| self.wrong(&bytes, &what))?;
        } else {
            self.rest.extend_from_slice(&bytes[end..]);
            bytes.truncate(end);
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let start = self.start;
        self.start = start.after(&bytes);
        let is_first = std::mem::replace(&mut self.is_first, false);
        Ok(Some(Piece { bytes, start, is_first }))
    }

    /// Shows the cutter what was read before the first piece.
    fn look(&mut self, bytes: &[u8]) -> Result<(), String> {
        let looked = self.cutter.last_end(bytes);
        looked.map(drop).map_err(|(at, what)| self.wrong(&bytes[..at], &what))
    }

    fn wrong(&self, before: &[u8], what: &str) -> String {
        let Place { line, column } = self.start.after(before);
        format!("line {line}, column {column}: {what}")
    }
}

/// Appends so many bytes, fewer at the end alone. Returns how many.
fn fill(from: &mut impl Read, bytes: &mut Vec<u8>, count: usize) -> io::Result<usize> {
    from.take(count as u64).read_to_end(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::cut::{Elements, Rows};

    fn pieces(text: &[u8], cutter: Cutter) -> Result<Vec<Piece>, String> {
        let mut pieces = Pieces::new(text, cutter, true)?;
        std::iter::from_fn(|| pieces.next().transpose()).collect()
    }

    #[test]
    fn pieces_are_the_input_and_know_their_places() {
        let mut text = String::from("\u{feff}");
        for i in 0..300_000 {
            text.push_str(&format!("{i}\t\"{}\"\n", "v".repeat(i % 7)));
        }
        for cutter in [Cutter::Lines, Cutter::Rows(Rows::new(b'\t'))] {
            let found = pieces(text.as_bytes(), cutter).unwrap();
            assert!(found.len() > 2, "{}", found.len());
            let mut at = Place::START;
            for (i, piece) in found.iter().enumerate() {
                assert_eq!((piece.start, piece.is_first), (at, i == 0));
                at = at.after(&piece.bytes);
            }
            assert_eq!(at, Place { line: 300_001, column: 1 });
            let all: Vec<u8> = found.iter().flat_map(|p| p.bytes.clone()).collect();
            assert!(all == text.as_bytes()[3..], "the mark is left out");
        }
    }

    #[test]
    fn a_large_record_is_one_piece() {
        let text = format!("[\"{}\", 1]", "x,]\\\"".repeat(700_000));
        let found = pieces(text.as_bytes(), Cutter::Json(Elements::default())).unwrap();
        assert_eq!(found.iter().map(|p| p.bytes.len()).sum::<usize>(), text.len());
        assert!(pieces(b"", Cutter::Lines).unwrap().is_empty());
        assert!(pieces(b"[1]", Cutter::Lines).unwrap()[0].bytes == b"[1]", "shorter than a mark");
        let why = pieces(b"[1,\n 2] x", Cutter::Json(Elements::default())).unwrap_err();
        assert!(why.starts_with("line 2, column 5: something follows"), "{why}");
    }
}
