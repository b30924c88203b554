//! Tab-separated lines and JSON lines.

use std::io::{BufRead, BufReader, Read};

use serde_json::Value;

use super::feed::{Complaint, Feed, Stop};
use crate::escape::unescape;

/// Longest line: a key and a value at their limits, every byte as `\xNN`.
const LINE_BYTES_MAX: u64 = 4 * ((64 << 20) + (64 << 10)) + 16;

/// Where a key or a value is in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Name(String),
    /// A JSON pointer, `/a/b`.
    Pointer(String),
}

impl Field {
    pub(super) fn of(text: &str) -> Self {
        if text.starts_with('/') { Self::Pointer(text.into()) } else { Self::Name(text.into()) }
    }

    fn get<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Name(name) => object.get(name),
            Self::Pointer(pointer) => object.pointer(pointer),
        }
    }

    fn name(&self) -> &str {
        let (Self::Name(text) | Self::Pointer(text)) = self;
        text
    }
}

/// Hands on each line without its end; an empty one is left out.
fn lines(input: impl Read, mut each: impl FnMut(u64, &[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut input = BufReader::with_capacity(256 << 10, input);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(|e| Stop::Failed(format!("line {number}: cannot read: {e}")))? == 0 {
            return Ok(());
        }
        if line.len() as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
            return Err(Stop::Failed(format!("line {number}: the line is longer than any entry can be")));
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if !line.is_empty() {
            each(number, &line)?;
        }
    }
    Ok(())
}

/// A key, a tab, a value; by the rule for bytes, or, if `raw`, as they are.
pub(super) fn tsv(input: impl Read, raw: bool, feed: &mut Feed) -> Result<(), Stop> {
    lines(input, |number, line| {
        let wrong = |column: usize, what: String| Complaint { line: number, column: column as u64, what };
        let Some(tab) = line.iter().position(|b| *b == b'\t') else {
            return feed.complain(wrong(1, "there is no tab between key and value".into()));
        };
        let (key, value) = (&line[..tab], &line[tab + 1..]);
        if raw {
            return feed.put(number, 1, key, value);
        }
        if let Some(second) = value.iter().position(|b| *b == b'\t') {
            let what = "there is a second tab; one within a value is \\t (or load with --raw)".into();
            return feed.complain(wrong(tab + second + 2, what));
        }
        match (unescape(key), unescape(value)) {
            (Ok(key), Ok(value)) => feed.put(number, 1, &key, &value),
            (Err(why), _) => feed.complain(wrong(1, format!("in the key, {why}"))),
            (_, Err(why)) => feed.complain(wrong(tab + 2, format!("in the value, {why}"))),
        }
    })
}

/// An object a line. Without `key` it is what `dump` writes: `key` and `value` by the rule for bytes. With it, the key is that field, and the
/// value the field `value`, or the whole line: text as it is, all else as JSON.
pub(super) fn jsonl(
    input: impl Read,
    key: Option<&Field>,
    value: Option<&Field>,
    feed: &mut Feed,
) -> Result<(), Stop> {
    lines(input, |number, line| match read_object(line, key, value) {
        Ok((key, value)) => feed.put(number, 1, &key, &value),
        Err((column, what)) => feed.complain(Complaint { line: number, column, what }),
    })
}

type Entry = (Vec<u8>, Vec<u8>);

fn read_object(line: &[u8], key: Option<&Field>, value: Option<&Field>) -> Result<Entry, (u64, String)> {
    let object: Value = serde_json::from_slice(line).map_err(|e| {
        let text = e.to_string();
        // The place is told once.
        let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
        (e.column().max(1) as u64, what)
    })?;
    let field = |field: &Field| {
        let missing = || (1, format!("the object has no {}", field.name()));
        field.get(&object).ok_or_else(missing)
    };
    if key.is_none() && value.is_none() {
        let own = |name: &str| match field(&Field::Name(name.into()))? {
            Value::String(text) => {
                unescape(text.as_bytes()).map_err(|why| (1, format!("in the {name}, {why}")))
            }
            _ => Err((1, format!("the {name} is no string (say with --key where the key is)"))),
        };
        return Ok((own("key")?, own("value")?));
    }
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone().into_bytes(),
        other => other.to_string().into_bytes(),
    };
    let found = field(key.unwrap_or(&Field::Name("key".into())))?;
    if found.is_null() || found.is_array() || found.is_object() {
        return Err((1, format!("the key {} is no text and no number", key.map_or("key", Field::name))));
    }
    let value = match value {
        Some(name) => plain(field(name)?),
        None => line.to_vec(),
    };
    Ok((plain(found), value))
}
