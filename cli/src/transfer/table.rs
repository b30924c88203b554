//! CSV: which column is the key, and what becomes of the others.

use std::sync::OnceLock;

use csv::ByteRecord;
use serde_json::{Map, Value};

use super::parsed::{Parsed, Stop};
use super::piece::{Piece, Place};

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

/// One CSV file.
#[derive(Debug)]
pub(super) struct Table {
    shape: Shape,
    /// Known from the first piece on.
    columns: OnceLock<Columns>,
}

#[derive(Debug)]
struct Columns {
    names: ByteRecord,
    width: usize,
    key: usize,
    value: Whole,
}

/// Where the value is.
#[derive(Debug)]
enum Whole {
    Column(usize),
    Object,
}

impl Table {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, columns: OnceLock::new() }
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.shape.delimiter
    }

    /// Learns the columns from the first piece.
    ///
    /// # Errors
    /// A sentence, if those that are asked for are not there.
    pub(super) fn begin(&self, first: &[u8]) -> Result<(), String> {
        let mut row = ByteRecord::new();
        let mut reader = self.reader(first);
        if !reader.read_byte_record(&mut row).map_err(|e| format!("cannot read: {e}"))? {
            return Ok(());
        }
        let width = row.len();
        let names = if self.shape.header { row } else { ByteRecord::new() };
        let (key, value) = self.shape.choose(&names, width)?;
        let _ = self.columns.set(Columns { names, width, key, value });
        Ok(())
    }

    fn reader<'a>(&self, bytes: &'a [u8]) -> csv::Reader<&'a [u8]> {
        let mut builder = csv::ReaderBuilder::new();
        // Rows of another length are complained about here, with their line.
        builder.has_headers(false).delimiter(self.shape.delimiter).flexible(true).from_reader(bytes)
    }

    /// Reads the rows of a piece; fields are bytes as they are.
    pub(super) fn read(&self, piece: &Piece, to: &mut Parsed) -> Result<(), Stop> {
        // Without a row there are no columns.
        let Some(columns) = self.columns.get() else { return Ok(()) };
        let mut reader = self.reader(&piece.bytes);
        let mut row = ByteRecord::new();
        let mut is_header = piece.is_first && self.shape.header;
        loop {
            match reader.read_byte_record(&mut row) {
                Ok(true) if is_header => is_header = false,
                Ok(true) => columns.entry(&row, place(piece, &row), to)?,
                Ok(false) => return Ok(()),
                // Memory cannot fail to be read, and neither lengths nor encoding are looked at.
                Err(e) => return to.complain(piece.start, format!("cannot read: {e}")),
            }
        }
    }
}

/// Where a row begins: its reader counts from the end of the row before it.
fn place(piece: &Piece, row: &ByteRecord) -> Place {
    let position = row.position().map_or((0, 1), |p| (p.byte() as usize, p.line()));
    let ends = piece.bytes[position.0..].iter().take_while(|b| matches!(b, b'\n' | b'\r'));
    let skipped = ends.filter(|b| **b == b'\n').count() as u64;
    Place { line: piece.start.line + position.1 - 1 + skipped, column: 1 }
}

impl Columns {
    fn entry(&self, row: &ByteRecord, start: Place, to: &mut Parsed) -> Result<(), Stop> {
        // The column at which a field begins, if nothing in the row is quoted.
        let at = |field: usize| {
            let before = row.iter().take(field).map(|f| f.len() as u64 + 1).sum::<u64>();
            Place { column: 1 + before, ..start }
        };
        let Self { names, width, key, value } = self;
        if row.len() != *width {
            let what = format!("the row has {} fields, and the first one {width}", row.len());
            // At the end of a short row, at the first field too many of a long one.
            let mut place = at(row.len().min(*width));
            place.column -= u64::from(row.len() < *width);
            return to.complain(place, what);
        }
        match value {
            Whole::Column(value) => to.put(at(*key), &row[*key], &row[*value]),
            Whole::Object => match object(row, names) {
                Ok(text) => to.put(at(*key), &row[*key], text.as_bytes()),
                Err(field) => to.complain(at(field), "the field is no UTF-8; choose a --value".into()),
            },
        }
    }
}

impl Shape {
    fn choose(&self, names: &ByteRecord, width: usize) -> Result<(usize, Whole), String> {
        let find = |text: &str, option: &str| {
            let named = names.iter().position(|name| name == text.as_bytes());
            let numbered =
                || text.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < width);
            named.or_else(numbered).ok_or_else(|| {
                let known: Vec<_> = names.iter().map(String::from_utf8_lossy).collect();
                let known = if known.is_empty() { format!("1 to {width}") } else { known.join(", ") };
                format!("{option}: there is no column {text}; there are: {known}")
            })
        };
        let key = self.key.as_deref().map_or(Ok(0), |text| find(text, "--key"))?;
        let whole = match (&self.value, width) {
            (Some(text), _) => Whole::Column(find(text, "--value")?),
            (None, 1) => return Err("there is one column, and a key and a value are needed".into()),
            (None, 2) => Whole::Column(1 - key.min(1)),
            (None, _) => Whole::Object,
        };
        Ok((key, whole))
    }
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
