//! The parsers of `ringwood load`, from the command's own sources: a command has no library.

#![allow(dead_code, reason = "the command uses more of them")]

#[path = "../../../cli/src/transfer/binary.rs"]
mod binary;
#[path = "../../../cli/src/transfer/cut.rs"]
mod cut;
#[path = "../../../cli/src/transfer/json.rs"]
mod json;
#[path = "../../../cli/src/transfer/parsed.rs"]
mod parsed;
#[path = "../../../cli/src/transfer/piece.rs"]
mod piece;
#[path = "../../../cli/src/transfer/table.rs"]
mod table;
#[path = "../../../cli/src/transfer/text.rs"]
mod text;

/// What the others need of it; the rest is about the store.
mod resume {
    pub(super) struct Mark {
        pub(super) bytes: u64,
        pub(super) crc: u32,
    }
}

use cut::{Cutter, Elements, Rows};
use json::{Document, Field, Fields};
use parsed::Parsed;
use piece::{Piece, Place};
use table::{Shape, Table};

/// A format and its options, by one byte.
enum Form {
    Tsv { raw: bool },
    Jsonl(Fields),
    Json(Document),
    Csv(Table),
}

impl Form {
    fn of(choice: u8) -> Self {
        let bit = |n: u8| choice >> n & 1 == 1;
        let fields = || Fields {
            key: bit(2).then(|| Field::of(if bit(3) { "/0" } else { "key" })),
            value: bit(4).then(|| Field::of(if bit(5) { "" } else { "value" })),
        };
        match choice & 3 {
            0 => Self::Tsv { raw: bit(2) },
            1 => Self::Jsonl(fields()),
            2 => Self::Json(Document::new(fields())),
            _ => Self::Csv(Table::new(Shape {
                header: bit(2),
                key: bit(3).then(|| "2".into()),
                value: bit(4).then(|| "1".into()),
                delimiter: if bit(5) { b'\t' } else { b',' },
            })),
        }
    }

    fn cutter(&self) -> Cutter {
        match self {
            Self::Tsv { .. } | Self::Jsonl(_) => Cutter::Lines,
            Self::Json(_) => Cutter::Json(Elements::default()),
            Self::Csv(table) => Cutter::Rows(Rows::new(table.delimiter())),
        }
    }

    fn begin(&self, first: &[u8]) -> Result<(), String> {
        match self {
            Self::Csv(table) => table.begin(first),
            Self::Json(document) => document.begin(first),
            _ => Ok(()),
        }
    }

    fn parse(&self, piece: &Piece, to: &mut Parsed) {
        // What is complained about is left out, so nothing stops it.
        let parsed = match self {
            Self::Tsv { raw } => text::tsv(piece, *raw, to),
            Self::Jsonl(fields) => json::jsonl(piece, fields, to),
            Self::Json(document) => document.read(piece, to),
            Self::Csv(table) => table.read(piece, to),
        };
        assert!(parsed.is_ok());
    }
}

/// Entries with their places, and complaints; none if the text cannot be the format.
type Outcome = Option<(Vec<(Option<Place>, Vec<u8>, Vec<u8>)>, Vec<String>)>;

/// What a text comes to if it is looked at in blocks of so many bytes, and cut where a record ends.
fn outcome(choice: u8, text: &[u8], block: usize) -> Outcome {
    let (form, mut at, mut is_first) = (Form::of(choice), Place::START, true);
    let (mut cutter, mut rest) = (form.cutter(), Vec::new());
    let (mut entries, mut complaints) = (Vec::new(), Vec::new());
    let mut parse = |bytes: Vec<u8>| {
        if bytes.is_empty() {
            return Some(());
        }
        let piece = Piece { start: at, is_first, bytes };
        at = at.after(&piece.bytes);
        if std::mem::replace(&mut is_first, false) {
            form.begin(&piece.bytes).ok()?;
        }
        let mut parsed = Parsed::new(true);
        form.parse(&piece, &mut parsed);
        assert_eq!(parsed.len(), parsed.entries().count() as u64);
        let keys: Vec<&[u8]> = parsed.entries().map(|(_, key, _)| key).collect();
        assert_eq!(parsed.is_ascending(), keys.is_sorted_by(|a, b| a < b));
        assert_eq!(parsed.last_key(), keys.last().copied().unwrap_or_default());
        entries.extend(parsed.entries().map(|(place, key, value)| (place, key.to_vec(), value.to_vec())));
        complaints.extend(parsed.complaints.iter().map(ToString::to_string));
        Some(())
    };
    for block in text.chunks(block) {
        let end = cutter.last_end(block).ok()?;
        let (of_record, of_next) = block.split_at(end.unwrap_or_default());
        if end.is_some() {
            rest.extend_from_slice(of_record);
            parse(std::mem::take(&mut rest))?;
        }
        rest.extend_from_slice(of_next);
    }
    cutter.end().ok()?;
    parse(rest)?;
    Some((entries, complaints))
}

/// A text in any format: no panic, and the same whether it is parsed whole or in pieces, as `load` does.
pub(crate) fn load(data: &[u8]) {
    let [choice, block, text @ ..] = data else { return };
    // `load` leaves a byte order mark out before it cuts, and the parser of CSV one more.
    let mut text = text;
    while let Some(rest) = text.strip_prefix(b"\xef\xbb\xbf") {
        text = rest;
    }
    let whole = outcome(*choice, text, text.len().max(1));
    let pieces = outcome(*choice, text, usize::from(*block) % 64 + 1);
    assert_eq!(whole, pieces, "whole and in pieces");
}

/// A dump as it is; and its frames with checksums made right.
pub(crate) fn dump(data: &[u8]) {
    read(data);
    let mut writer = binary::Writer::new(Vec::new()).expect("memory takes all");
    writer.keyspace("k").expect("memory takes all");
    let mut dump = writer.end().expect("memory takes all");
    dump.truncate(16);
    let (mut crc, mut rest) = (crc32fast::hash(&dump), data);
    while let Some((head, after)) = rest.split_at_checked(5) {
        let len = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some((payload, after)) = after.split_at_checked(len) else { break };
        let mut hasher = crc32fast::Hasher::new_with_initial(crc);
        hasher.update(head);
        hasher.update(payload);
        crc = hasher.finalize();
        [head, payload, &crc.to_le_bytes()].iter().for_each(|part| dump.extend_from_slice(part));
        rest = after;
    }
    dump.extend_from_slice(rest);
    read(&dump);
}

fn read(data: &[u8]) {
    let Ok(mut reader) = binary::Reader::new(data) else { return };
    while let Ok(part) = reader.next() {
        match part {
            binary::Part::End => return,
            binary::Part::Keyspace(_) => {}
            binary::Part::Entries(payload) => {
                let keys: Vec<Vec<u8>> = binary::entries(&payload).map(|(key, _)| key.to_vec()).collect();
                let parsed = Parsed::of_dump(payload);
                assert_eq!((parsed.len(), parsed.entries().count()), (keys.len() as u64, keys.len()));
                assert_eq!(parsed.last_key(), keys.last().map_or(&[][..], |key| key));
            }
        }
    }
}
