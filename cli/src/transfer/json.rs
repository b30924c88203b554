//! JSON: an object a line, or one document that is an array of entries or an object of them.

use std::sync::OnceLock;

use serde::de::IgnoredAny;
use serde_json::Value;

use super::cut::{Elements, Mark};
use super::parsed::{Parsed, Stop};
use super::piece::{Piece, Place};
use super::text::lines;
use crate::escape::unescape;

/// Where a key or a value is in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Name(String),
    /// A JSON pointer: `/a/b`, or nothing for the whole.
    Pointer(String),
}

impl Field {
    pub(super) fn of(text: &str) -> Self {
        let is_pointer = text.is_empty() || text.starts_with('/');
        if is_pointer { Self::Pointer(text.into()) } else { Self::Name(text.into()) }
    }

    fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Name(name) => value.get(name),
            Self::Pointer(pointer) => value.pointer(pointer),
        }
    }

    fn name(&self) -> &str {
        let (Self::Name(text) | Self::Pointer(text)) = self;
        text
    }
}

/// Which fields make an entry. Without any it is what `dump` writes: `key` and `value` by the rule for bytes. With one, the key is that field,
/// and the value the field `value`, or all of the text: text as it is, all else as JSON.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) key: Option<Field>,
    pub(super) value: Option<Field>,
}

/// An object a line.
pub(super) fn jsonl(piece: &Piece, fields: &Fields, to: &mut Parsed) -> Result<(), Stop> {
    lines(piece, |line, text| {
        let start = Place { line, column: 1 };
        match fields.read(text, || text.to_vec()) {
            Ok((key, value)) => to.put(start, &key, &value),
            Err(wrong) => to.complain(wrong.place(start), wrong.what),
        }
    })
}

/// One document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) fields: Fields,
    /// Whether it is an object, whose members are the entries; known from the first piece on.
    is_object: OnceLock<bool>,
}

impl Document {
    pub(super) fn new(fields: Fields) -> Self {
        Self { fields, is_object: OnceLock::new() }
    }

    /// Learns from the first piece what it is.
    ///
    /// # Errors
    /// A sentence, if the fields that are asked for mean nothing there.
    pub(super) fn begin(&self, first: &[u8]) -> Result<(), String> {
        let is_object = first.trim_ascii_start().first() == Some(&b'{');
        if is_object && self.fields.key.is_some() {
            return Err("--key: the document is one object, and the names of its members are the keys".into());
        }
        let _ = self.is_object.set(is_object);
        Ok(())
    }

    /// Reads the elements or members of a piece.
    pub(super) fn read(&self, piece: &Piece, to: &mut Parsed) -> Result<(), Stop> {
        let is_object = self.is_object.get().copied().unwrap_or_default();
        let mut scan = if piece.is_first { Elements::default() } else { Elements::inside() };
        let (mut rest, mut place) = (&piece.bytes[..], piece.start);
        let mut is_alone = false;
        while let Some((len, mark)) = scan.next_mark(rest) {
            let (element, after) = rest.split_at(len);
            if mark == Mark::Open {
                is_alone = true;
            } else {
                let blank = element.len() - element.trim_ascii_start().len();
                let start = place.after(&element[..blank]);
                let element = element.trim_ascii();
                // An array may be empty, and an object too.
                if !(element.is_empty() && is_alone && mark == Mark::Close) {
                    self.entry(element, start, is_object, to)?;
                }
                is_alone = false;
            }
            place = place.after(&rest[..=len]);
            rest = &after[1..];
        }
        Ok(())
    }

    fn entry(&self, text: &[u8], start: Place, is_object: bool, to: &mut Parsed) -> Result<(), Stop> {
        let read = if text.is_empty() {
            Err(Wrong::new("there is nothing between two commas, or before the closing bracket"))
        } else if is_object {
            self.fields.member(text)
        } else {
            self.fields.read(text, || compact(text))
        };
        match read {
            Ok((key, value)) => to.put(start, &key, &value),
            Err(wrong) => to.complain(wrong.place(start), wrong.what),
        }
    }
}

/// JSON without blanks between its parts.
fn compact(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut in_string, mut is_escaped) = (false, false);
    for &byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            b' ' | b'\n' | b'\t' | b'\r' if !in_string => continue,
            _ => {}
        }
        bytes.push(byte);
    }
    bytes
}

type Entry = (Vec<u8>, Vec<u8>);

/// What is wrong with a text, and where in it: lines and columns from 1.
struct Wrong {
    line: u64,
    column: u64,
    what: String,
}

impl Wrong {
    fn new(what: impl Into<String>) -> Self {
        Self { line: 1, column: 1, what: what.into() }
    }

    /// The place, if the text begins at `start`.
    fn place(&self, start: Place) -> Place {
        let column = if self.line == 1 { start.column + self.column - 1 } else { self.column };
        Place { line: start.line + self.line - 1, column }
    }

    /// The same behind so many bytes of the first line.
    fn behind(mut self, bytes: usize) -> Self {
        if self.line == 1 {
            self.column += bytes as u64;
        }
        self
    }
}

impl From<serde_json::Error> for Wrong {
    fn from(e: serde_json::Error) -> Self {
        let text = e.to_string();
        // The place is told once.
        let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Self { line: e.line().max(1) as u64, column: e.column().max(1) as u64, what }
    }
}

impl Fields {
    /// An entry from its own text; `whole` is the value if no field is.
    fn read(&self, text: &[u8], whole: impl FnOnce() -> Vec<u8>) -> Result<Entry, Wrong> {
        let element: Value = serde_json::from_slice(text)?;
        if self.key.is_none() && self.value.is_none() {
            return Ok((own(&element, "key")?, own(&element, "value")?));
        }
        let key_field = Field::of("key");
        let key_field = self.key.as_ref().unwrap_or(&key_field);
        let key = find(&element, key_field)?;
        if key.is_null() || key.is_array() || key.is_object() {
            return Err(Wrong::new(format!("the key {} is no text and no number", key_field.name())));
        }
        let value = match &self.value {
            Some(field) => plain(find(&element, field)?),
            None => whole(),
        };
        Ok((plain(key), value))
    }

    /// An entry from a member of an object: its name, and what it holds.
    fn member(&self, text: &[u8]) -> Result<Entry, Wrong> {
        let mut names = serde_json::Deserializer::from_slice(text).into_iter::<String>();
        let name = names.next().unwrap_or_else(|| Ok(String::new()))?;
        let name_len = names.byte_offset();
        let behind = text[name_len..].trim_ascii_start();
        let Some(value) = behind.strip_prefix(b":") else {
            return Err(Wrong::new("there is no colon behind the name").behind(name_len));
        };
        let value = match &self.value {
            Some(field) => plain(find(&serde_json::from_slice(value)?, field)?),
            None => {
                let before = text.len() - value.len();
                serde_json::from_slice::<IgnoredAny>(value).map_err(|e| Wrong::from(e).behind(before))?;
                compact(value)
            }
        };
        Ok((name.into_bytes(), value))
    }
}

fn find<'a>(element: &'a Value, field: &Field) -> Result<&'a Value, Wrong> {
    field.get(element).ok_or_else(|| {
        let name = field.name();
        Wrong::new(match element {
            Value::Object(_) => format!("the object has no {name}"),
            _ => format!(
                "it is no object that could have a {name} (--key '' takes the whole of it as the key)"
            ),
        })
    })
}

/// A field as `dump` writes it.
fn own(element: &Value, name: &str) -> Result<Vec<u8>, Wrong> {
    match find(element, &Field::of(name))? {
        Value::String(text) => {
            unescape(text.as_bytes()).map_err(|why| Wrong::new(format!("in the {name}, {why}")))
        }
        _ => Err(Wrong::new(format!("the {name} is no string (say with --key where the key is)"))),
    }
}

fn plain(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, key: Option<&str>, value: Option<&str>) -> Result<Vec<(String, String)>, String> {
        let fields = Fields { key: key.map(Field::of), value: value.map(Field::of) };
        let document = Document::new(fields);
        document.begin(text.as_bytes())?;
        let piece = Piece { bytes: text.into(), start: Place::START, is_first: true };
        let mut parsed = Parsed::new(false);
        let read = document.read(&piece, &mut parsed);
        assert_eq!(read.is_err(), !parsed.complaints.is_empty());
        if let Some(complaint) = parsed.complaints.first() {
            return Err(complaint.to_string());
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok(parsed.entries().map(|(_, key, value)| (text(key), text(value))).collect())
    }

    #[track_caller]
    fn same(text: &str, fields: (Option<&str>, Option<&str>), expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(read(text, fields.0, fields.1), Ok(expected));
    }

    #[test]
    fn arrays_and_objects_hold_entries() {
        let dumped = r#" [{"key": "a\\x00", "value": "1"}, {"key":"b","value":""} ] "#;
        same(dumped, (None, None), &[("a\0", "1"), ("b", "")]);
        let rows = "[{\"id\": 7, \"at\": [1,  \"x  \\\" y\"]},\n{\"id\": \"8\", \"at\": null}]";
        same(
            rows,
            (Some("id"), None),
            &[("7", r#"{"id":7,"at":[1,"x  \" y"]}"#), ("8", r#"{"id":"8","at":null}"#)],
        );
        assert!(read(rows, Some("id"), Some("/at/0")).unwrap_err().ends_with("the object has no /at/0"));
        same(r#"["b", "a", 3]"#, (Some(""), Some("")), &[("b", "b"), ("a", "a"), ("3", "3")]);
        let object = r#"{"a": null, "b\n": "text", "c": {"x": [1, 2]}}"#;
        same(object, (None, None), &[("a", "null"), ("b\n", "\"text\""), ("c", r#"{"x":[1,2]}"#)]);
        same(object, (None, Some("")), &[("a", "null"), ("b\n", "text"), ("c", r#"{"x":[1,2]}"#)]);
        same("[ ]", (None, None), &[]);
        same("{\n}", (None, None), &[]);
    }

    #[test]
    fn complaints_name_the_place() {
        for (text, told) in [
            ("[{\"key\": \"a\", \"value\": \"1\"},\n  {\"key\": oops}]", "line 2, column 11: expected"),
            ("[{\"key\": \"a\",\n\"value\":: 2}]", "line 2, column 9: expected value"),
            ("[{\"key\": 1}]", "line 1, column 2: the key is no string"),
            ("{\"a\": 1, \"b\" 2}", "line 1, column 13: there is no colon"),
            ("{\"a\": tru}", "line 1, column 9: EOF while parsing"),
            ("{a: 1}", "line 1, column 2: "),
            ("{\"a\": 1,}", "line 1, column 9: there is nothing"),
            ("[,]", "line 1, column 2: there is nothing"),
        ] {
            let why = read(text, None, None).unwrap_err();
            assert!(why.starts_with(told), "{text}: {why}");
        }
        assert!(read("{\"a\": 1}", Some("id"), None).unwrap_err().contains("names of its members"));
    }
}
