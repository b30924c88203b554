//! Where records end, found by one look at each byte: so that a file can be cut into pieces that are parsed side by side.
//!
//! A cutter follows a format as far as it takes to tell what is between records from what is within one, and no further: what a record
//! holds is the parser's business. It keeps its state between blocks of the input.

/// Finds ends of records in one format.
#[derive(Debug)]
pub(super) enum Cutter {
    /// Behind each line.
    Lines,
    /// Behind rows of CSV, whose quoted fields may hold line ends.
    Rows(Rows),
    /// Behind the elements of one JSON array, or the members of one JSON object.
    Json(Elements),
}

impl Cutter {
    /// Looks at further bytes. Returns how many of them lie before the end of the last record that ends in them, if one does.
    ///
    /// # Errors
    /// A sentence, and the number of bytes before the place, if it cannot be the format.
    pub(super) fn last_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, (usize, String)> {
        match self {
            Self::Lines => Ok(bytes.iter().rposition(|b| *b == b'\n').map(|at| at + 1)),
            Self::Rows(rows) => Ok(rows.last_end(bytes)),
            Self::Json(elements) => elements.last_end(bytes),
        }
    }

    /// Whether the input may end here.
    ///
    /// # Errors
    /// A sentence, if it may not.
    pub(super) fn end(&self) -> Result<(), String> {
        match self {
            Self::Json(elements) => elements.end(),
            // The last line or row needs no line end; an open quote is what the parser of CSV takes it for.
            Self::Lines | Self::Rows(_) => Ok(()),
        }
    }
}

/// Rows of CSV, as the `csv` crate reads them: a quote opens a quoted field at its start alone, and two are one within it.
#[derive(Debug)]
pub(super) struct Rows {
    delimiter: u8,
    state: Row,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// Before a row; empty lines are no rows.
    Between,
    /// Before a field.
    Field,
    /// In a field without quotes, or behind its closing quote.
    Plain,
    Quoted,
    /// Behind a quote in a quoted field.
    Quote,
}

impl Rows {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter, state: Row::Between }
    }

    /// A row ends before its line end, with which the next piece begins: a piece never begins with what could be taken for a byte order mark.
    fn last_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut end = None;
        for (at, &byte) in bytes.iter().enumerate() {
            self.state = match (self.state, byte) {
                (Row::Quoted, b'"') => Row::Quote,
                (Row::Quoted, _) | (Row::Quote, b'"') => Row::Quoted,
                (Row::Between, b'\n' | b'\r') => Row::Between,
                (_, b'\n' | b'\r') => {
                    end = Some(at);
                    Row::Between
                }
                (_, byte) if byte == self.delimiter => Row::Field,
                (Row::Between | Row::Field, b'"') => Row::Quoted,
                _ => Row::Plain,
            };
        }
        end
    }
}

/// The outermost commas of a JSON document.
#[derive(Debug, Clone, Default)]
pub(super) struct Elements {
    /// Brackets and braces that are open.
    depth: u32,
    in_string: bool,
    /// Behind a backslash in a string.
    is_escaped: bool,
    /// The outermost bracket was closed.
    is_over: bool,
}

/// What lies between elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Open,
    Comma,
    Close,
    /// Something before the outermost bracket, or behind it.
    Stray,
}

impl Elements {
    /// Behind the outermost opening bracket.
    pub(super) fn inside() -> Self {
        Self { depth: 1, ..Self::default() }
    }

    /// The first mark in further bytes, and where it is. They were looked at up to there, the mark included.
    pub(super) fn next_mark(&mut self, bytes: &[u8]) -> Option<(usize, Mark)> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b' ' | b'\n' | b'\t' | b'\r' => {}
                b'[' | b'{' if self.depth == 0 && !self.is_over => {
                    self.depth = 1;
                    return Some((at, Mark::Open));
                }
                _ if self.depth == 0 => return Some((at, Mark::Stray)),
                b'"' => self.in_string = true,
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.is_over = true;
                        return Some((at, Mark::Close));
                    }
                }
                b',' if self.depth == 1 => return Some((at, Mark::Comma)),
                _ => {}
            }
        }
        None
    }

    fn last_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, (usize, String)> {
        let (mut end, mut seen) = (None, 0);
        while let Some((at, mark)) = self.next_mark(&bytes[seen..]) {
            seen += at + 1;
            match mark {
                Mark::Stray if self.is_over => {
                    let what = "something follows the end of the JSON document (if each line is one, say --format jsonl)";
                    return Err((seen - 1, what.into()));
                }
                Mark::Stray => {
                    return Err((seen - 1, "a JSON document that holds entries begins with [ or {".into()));
                }
                Mark::Comma | Mark::Close => end = Some(seen),
                Mark::Open => {}
            }
        }
        Ok(end)
    }

    fn end(&self) -> Result<(), String> {
        match (self.is_over, self.depth) {
            (true, _) => Ok(()),
            (false, 0) => Err("there is no JSON document".into()),
            (false, _) => {
                Err("the JSON document ends too early: it was cut, or brackets or quotes are missing".into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends of records, found however the text is cut into blocks.
    #[track_caller]
    fn ends(new: impl Fn() -> Cutter, text: &str) -> Vec<usize> {
        let mut found = Vec::new();
        let mut cutter = new();
        for at in 0..text.len() {
            let end = cutter.last_end(&text.as_bytes()[at..=at]).unwrap();
            found.extend(end.map(|end| at + end));
        }
        cutter.end().unwrap();
        assert_eq!(new().last_end(text.as_bytes()).unwrap(), found.last().copied(), "all at once");
        found
    }

    #[test]
    fn rows_end_outside_of_quotes() {
        let rows = |text| ends(|| Cutter::Rows(Rows::new(b',')), text);
        assert_eq!(rows("a,b\nc,d\n"), [3, 7]);
        assert_eq!(rows("\n\na\r\n\r\nb\n"), [3, 8], "empty lines are no rows");
        assert_eq!(rows("\"a\nb\",c\nd\n"), [7, 9]);
        assert_eq!(rows("\"a\"\"\n\",c\nd"), [8]);
        assert_eq!(rows("a\"b\nc\n"), [3, 5], "a quote within a field is a byte like others");
        assert_eq!(rows("\"a\"b\"\nc\n"), [5, 7]);
        assert_eq!(rows("a,\"\n\"\nb\n"), [5, 7]);
    }

    #[test]
    fn elements_end_at_outermost_commas() {
        let json = |text| ends(|| Cutter::Json(Elements::default()), text);
        assert_eq!(json(" [1, [2, 3], {\"a\": 4, \"b\": []}]\n "), [4, 12, 31]);
        assert_eq!(json("{\"a,\\\"]\": \"\\\\\", \"b\": null}"), [15, 26]);
        assert_eq!(json("[]"), [2]);
    }

    #[test]
    fn what_is_no_document_is_told() {
        let fails = |text: &str| {
            let mut cutter = Cutter::Json(Elements::default());
            let looked = cutter.last_end(text.as_bytes());
            looked.map_err(|(at, what)| format!("{at}: {what}")).and_then(|_| cutter.end()).unwrap_err()
        };
        assert!(fails("{\"a\": 1}\n{\"a\": 2}").starts_with("9: something follows"));
        assert!(fails("hello").starts_with("0: a JSON document that"));
        assert!(fails("[1, 2").contains("ends too early"));
        assert!(fails("[\"]").contains("ends too early"));
        assert!(fails(" \n").contains("no JSON document"));
    }
}
