//! CSV: which column is the key, and what becomes of the others.

use std::io::Read;

use csv::ByteRecord;
use serde_json::{Map, Value};

use super::feed::{Complaint, Feed, Stop};

/// How a CSV file is read.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Whether the first row holds names.
    pub(super) header: bool,
    /// Name of a column, or its number from 1; the first if there is none.
    pub(super) key: Option<String>,
    /// Likewise. Without one: of two columns the other, of more an object with all columns.
    pub(super) value: Option<String>,
    pub(super) delimiter: u8,
}

/// Where the value is.
enum Whole {
    Column(usize),
    Object,
}

/// Reads rows; fields are bytes as they are.
pub(super) fn csv(input: impl Read, shape: &Shape, feed: &mut Feed) -> Result<(), Stop> {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(shape.header).delimiter(shape.delimiter).buffer_capacity(256 << 10);
    // Rows of another length are complained about here, with their line.
    let mut reader = builder.flexible(true).from_reader(input);
    let failed = |e: csv::Error| Stop::Failed(format!("cannot read: {e}"));
    let names = if shape.header { reader.byte_headers().map_err(failed)?.clone() } else { ByteRecord::new() };
    let mut width = if shape.header { Some(names.len()) } else { None };
    let mut columns: Option<(usize, Whole)> = None;
    let mut row = ByteRecord::new();
    while reader.read_byte_record(&mut row).map_err(failed)? {
        let line = row.position().map_or(0, csv::Position::line);
        let wide = *width.get_or_insert(row.len());
        let wrong = |field: usize, what: String| Complaint { line, column: column(&row, field), what };
        let (key, whole) = match &columns {
            Some((key, whole)) => (*key, whole),
            None => {
                let (key, whole) = choose(shape, &names, wide).map_err(Stop::Failed)?;
                let chosen = columns.insert((key, whole));
                (chosen.0, &chosen.1)
            }
        };
        if row.len() != wide {
            let what = format!("the row has {} fields, and the first one {wide}", row.len());
            // At the end of a short row, at the first field too many of a long one.
            let place = column(&row, row.len().min(wide)) - u64::from(row.len() < wide);
            feed.complain(Complaint { line, column: place, what })?;
            continue;
        }
        let at = column(&row, key);
        match whole {
            Whole::Column(value) => feed.put(line, at, &row[key], &row[*value])?,
            Whole::Object => match object(&row, &names) {
                Ok(text) => feed.put(line, at, &row[key], text.as_bytes())?,
                Err(field) => {
                    feed.complain(wrong(field, "the field is no UTF-8; choose a --value".into()))?;
                }
            },
        }
    }
    Ok(())
}

/// The column in the line at which a field begins, if nothing in the row is quoted.
fn column(row: &ByteRecord, field: usize) -> u64 {
    1 + row.iter().take(field).map(|f| f.len() as u64 + 1).sum::<u64>()
}

fn choose(shape: &Shape, names: &ByteRecord, width: usize) -> Result<(usize, Whole), String> {
    let find = |text: &str, option: &str| {
        let named = names.iter().position(|name| name == text.as_bytes());
        let numbered = || text.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < width);
        named.or_else(numbered).ok_or_else(|| {
            let known: Vec<_> = names.iter().map(String::from_utf8_lossy).collect();
            let known = if known.is_empty() { format!("1 to {width}") } else { known.join(", ") };
            format!("{option}: there is no column {text}; there are: {known}")
        })
    };
    let key = shape.key.as_deref().map_or(Ok(0), |text| find(text, "--key"))?;
    let whole = match (&shape.value, width) {
        (Some(text), _) => Whole::Column(find(text, "--value")?),
        (None, 1) => return Err("there is one column, and a key and a value are needed".into()),
        (None, 2) => Whole::Column(1 - key.min(1)),
        (None, _) => Whole::Object,
    };
    Ok((key, whole))
}

/// A row as an object, by the names of its columns or their numbers; the field that is no text if there is one.
fn object(row: &ByteRecord, names: &ByteRecord) -> Result<String, usize> {
    let mut object = Map::new();
    for (i, field) in row.iter().enumerate() {
        let text = std::str::from_utf8(field).map_err(|_| i)?;
        let name =
            names.get(i).map_or_else(|| (i + 1).to_string(), |n| String::from_utf8_lossy(n).into_owned());
        object.insert(name, text.into());
    }
    Ok(Value::Object(object).to_string())
}
