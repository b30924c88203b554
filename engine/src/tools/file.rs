//! Decoding one file of a store, whatever it is.

use std::ops::ControlFlow;
use std::path::Path;

use ringwood_ring::{Create, File, IoChoice, OpenOptions, PAGE, read_exact, read_file};
use ringwood_sstable::{Kind, Step, TableWalk};
use ringwood_wal::{RecordView, inspect_segment, inspect_staging};

use super::{Reach, verify};
use crate::files::FileName;
use crate::manifest::{self, Edit};
use crate::{Error, Result, batch};

/// What a file is, by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// `CURRENT`
    Current,
    /// `MANIFEST-NNNNNN`
    Manifest,
    /// `NNNNNN.sst`
    Table,
    /// `wal/NNNNNNNNNN.log`
    Segment,
    /// `wal/staging.map`
    Staging,
}

/// A value of an item's field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field<'a> {
    /// A number.
    Number(u64),
    /// A random number, usually shown in hexadecimal.
    Id(u64),
    /// Text for people.
    Text(String),
    /// A key or a value.
    Bytes(&'a [u8]),
}

/// A part of a file: what it is, and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'a> {
    /// `table`, `block`, `entry`, `segment`, `record`, `operation`, `staging`, `manifest`, `current`, `damage`, `end`, or an edit of a
    /// manifest: `keyspace_add` and so on.
    pub what: &'static str,
    /// Names and values, in a fixed order.
    pub fields: Vec<(&'static str, Field<'a>)>,
}

/// Takes an item; the decoding ends when it breaks.
pub type ItemSink<'a> = &'a mut dyn FnMut(&Item<'_>) -> ControlFlow<()>;

/// Decodes the file at `path` and hands its parts to `sink`, with `records` down to each entry, record and operation. No lock is
/// taken: what a running store is writing may look cut.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for a file that is none of Ringwood's; [`Corrupt`](crate::ErrorKind::Corrupt) if so much of it is
/// damaged that it cannot be decoded.
pub fn inspect_file(path: &Path, io: IoChoice, records: bool, sink: ItemSink<'_>) -> Result<FileKind> {
    let mut reach = Reach::new(io)?;
    let (kind, file) = kind_of(&mut reach, path)?;
    match kind {
        FileKind::Current => {
            let bytes = read_file(&*reach.disk, &mut *reach.lane, &file, PAGE as u64)?;
            let number = manifest::parse_current(path, &bytes)?;
            let _ = sink(&Item { what: "current", fields: vec![("manifest", Field::Number(number))] });
        }
        FileKind::Manifest => manifest_items(&mut reach, path, sink)?,
        FileKind::Table => table_items(&mut reach, path, &file, records, sink)?,
        FileKind::Segment => segment_items(&mut reach, path, records, sink)?,
        FileKind::Staging => staging_items(&mut reach, path, records, sink)?,
    }
    Ok(kind)
}

/// By name or by magic number.
fn kind_of(reach: &mut Reach, path: &Path) -> Result<(FileKind, File)> {
    let options = OpenOptions { write: false, direct: false, create: Create::Never };
    let file = reach.disk.open(path, options)?;
    let bytes = reach.disk.len(&file)?;
    let name = Path::new(path.file_name().unwrap_or_default());
    if matches!(FileName::parse(name), Some(FileName::Current | FileName::CurrentNew)) {
        return Ok((FileKind::Current, file));
    }
    let head = read_file(&*reach.disk, &mut *reach.lane, &file, PAGE as u64)?;
    let kind = match head.get(..8) {
        Some(b"RWMANIFE") => FileKind::Manifest,
        Some(b"RWOODLOG") => FileKind::Segment,
        Some(b"RWOODSTG") => FileKind::Staging,
        _ => match FileName::parse(name) {
            Some(FileName::Manifest(_)) => FileKind::Manifest,
            Some(FileName::Table(_)) => FileKind::Table,
            _ if name.extension().is_some_and(|e| e == "log") => FileKind::Segment,
            _ if bytes >= PAGE as u64 && last_page(reach, &file)?.starts_with(b"RINGWSST") => FileKind::Table,
            _ => {
                let known = "a table, a log segment, a staging file, a manifest or CURRENT";
                return Err(Error::invalid(format!("{} is no file of Ringwood's: {known}", path.display())));
            }
        },
    };
    Ok((kind, file))
}

fn last_page(reach: &mut Reach, file: &File) -> Result<Vec<u8>> {
    let bytes = reach.disk.len(file)?;
    let Some(at) = (bytes / PAGE as u64).checked_sub(1).map(|page| page * PAGE as u64) else {
        return Ok(Vec::new());
    };
    let buf = reach.disk.arena().alloc_any(PAGE)?;
    Ok(read_exact(&mut *reach.lane, file, at, buf, PAGE)?.as_slice()[..PAGE].to_vec())
}

fn manifest_items(reach: &mut Reach, path: &Path, sink: ItemSink<'_>) -> Result<()> {
    let contents = manifest::look(&*reach.disk, &mut *reach.lane, path)?;
    let fields = vec![
        ("store_id", Field::Id(contents.header.store_id)),
        ("number", Field::Number(contents.header.number)),
        ("records", Field::Number(contents.records.len() as u64)),
    ];
    let mut flow = sink(&Item { what: "manifest", fields });
    for (i, (offset, edits)) in contents.records.iter().enumerate() {
        for edit in edits {
            if flow.is_break() {
                return Ok(());
            }
            let mut item = edit_item(edit);
            item.fields
                .splice(0..0, [("record", Field::Number(i as u64)), ("offset", Field::Number(*offset))]);
            flow = sink(&item);
        }
    }
    match contents.damage {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn edit_item(edit: &Edit) -> Item<'_> {
    let keyspace = |id: u32| ("keyspace", Field::Number(id.into()));
    let number = |name: &'static str, n: u64| (name, Field::Number(n));
    let (what, fields) = match edit {
        Edit::KeyspaceAdd { keyspace: id, name } => {
            ("keyspace_add", vec![keyspace(*id), ("name", Field::Bytes(name.as_bytes()))])
        }
        Edit::KeyspaceDrop { keyspace: id } => ("keyspace_drop", vec![keyspace(*id)]),
        Edit::TableAdd { keyspace: id, level, meta } => (
            "table_add",
            vec![
                keyspace(*id),
                number("level", u64::from(*level)),
                number("table", meta.id),
                number("bytes", meta.bytes),
                number("entries", meta.entries),
                number("tombstones", meta.tombstones),
                number("seq_min", meta.seq_min),
                number("seq_max", meta.seq_max),
                ("smallest", Field::Bytes(&meta.smallest)),
                ("largest", Field::Bytes(&meta.largest)),
            ],
        ),
        Edit::TableRemove { keyspace: id, level, id: table } => {
            ("table_remove", vec![keyspace(*id), number("level", u64::from(*level)), number("table", *table)])
        }
        Edit::Flushed { keyspace: id, seq } => ("flushed", vec![keyspace(*id), number("seq", *seq)]),
        Edit::LogFloor { lsn } => ("log_floor", vec![number("lsn", *lsn)]),
        Edit::NextFile { number: n } => ("next_file", vec![number("number", *n)]),
        Edit::LastSeq { seq } => ("last_seq", vec![number("seq", *seq)]),
    };
    Item { what, fields }
}

fn table_items(reach: &mut Reach, path: &Path, file: &File, records: bool, sink: ItemSink<'_>) -> Result<()> {
    // The number that the table was written under; a damaged footer is told by the opening.
    let id =
        last_page(reach, file)?.get(16..24).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
    let table = reach.table(path, id, None)?;
    let p = table.properties();
    let fields = vec![
        ("table", Field::Number(id)),
        ("bytes", Field::Number(table.file_bytes())),
        ("data_bytes", Field::Number(table.data_bytes())),
        ("blocks", Field::Number(p.blocks)),
        ("entries", Field::Number(p.entries)),
        ("tombstones", Field::Number(p.deletes)),
        ("keys", Field::Number(p.keys)),
        ("seq_min", Field::Number(p.seq_smallest)),
        ("seq_max", Field::Number(p.seq_largest)),
        ("key_bytes", Field::Number(p.key_bytes)),
        ("value_bytes", Field::Number(p.value_bytes)),
        ("compression", Field::Text(format!("{:?}", p.compression).to_lowercase())),
        ("filter", Field::Text(if table.has_filter() { "yes" } else { "no" }.into())),
        ("creator", Field::Text(p.creator.clone())),
        ("smallest", Field::Bytes(&p.smallest_key)),
        ("largest", Field::Bytes(&p.largest_key)),
    ];
    let mut flow = sink(&Item { what: "table", fields });
    let mut walk = TableWalk::new(&reach.disk, &table, 256 << 10, 16);
    let mut block = None;
    while flow.is_continue() {
        match walk.advance(&mut *reach.lane)? {
            Step::End => break,
            Step::Damage(damage) => flow = sink(&damage_item(&verify::blocks_lost(&table, damage, ""))),
            Step::Entry => {
                let entry = walk.entry();
                if block != Some(walk.block()) {
                    block = Some(walk.block());
                    let extent = table.extent(walk.block());
                    let fields = vec![
                        ("block", Field::Number(walk.block().into())),
                        ("offset", Field::Number(extent.offset)),
                        ("bytes", Field::Number(extent.bytes as u64)),
                        ("first", Field::Bytes(entry.key)),
                    ];
                    flow = sink(&Item { what: "block", fields });
                }
                if records && flow.is_continue() {
                    let fields = operation(entry.kind, entry.seq, entry.key, entry.value);
                    flow = sink(&Item { what: "entry", fields });
                }
            }
        }
    }
    Ok(())
}

fn damage_item(problem: &verify::Problem) -> Item<'_> {
    let mut fields = vec![("what", Field::Text(problem.what.clone()))];
    if let Some((from, to)) = &problem.keys {
        fields.extend([("from", Field::Bytes(from)), ("to", Field::Bytes(to))]);
    }
    Item { what: "damage", fields }
}

/// The fields of a put or a delete.
fn operation<'a>(kind: Kind, seq: u64, key: &'a [u8], value: &'a [u8]) -> Vec<(&'static str, Field<'a>)> {
    let name = if kind == Kind::Delete { "delete" } else { "put" };
    let mut fields =
        vec![("seq", Field::Number(seq)), ("kind", Field::Text(name.into())), ("key", Field::Bytes(key))];
    if kind != Kind::Delete {
        fields.push(("value", Field::Bytes(value)));
    }
    fields
}

/// A record of the log and, if it is a whole batch, its operations. False ends it.
fn record_items(record: &RecordView<'_>, sink: ItemSink<'_>) -> bool {
    let fields = vec![
        ("lsn", Field::Number(record.lsn)),
        ("offset", Field::Number(record.offset)),
        ("kind", Field::Text(record.kind.into())),
        ("bytes", Field::Number(record.payload.len() as u64)),
        ("durable", Field::Number(record.durable)),
    ];
    if sink(&Item { what: "record", fields }).is_break() {
        return false;
    }
    if record.kind != "full" {
        return true;
    }
    let wrong = |what: &str, sink: ItemSink<'_>| {
        let fields = vec![("what", Field::Text(format!("at log position {}: {what}", record.lsn)))];
        sink(&Item { what: "damage", fields }).is_continue()
    };
    let (first, _, ops) = match batch::decode(record.payload) {
        Ok(decoded) => decoded,
        Err(what) => return wrong(what, sink),
    };
    for (op, seq) in ops.zip(first..) {
        let op = match op {
            Ok(op) => op,
            Err(what) => return wrong(what, sink),
        };
        let mut fields = operation(op.kind, seq, op.key, op.value);
        fields.insert(1, ("keyspace", Field::Number(op.keyspace.into())));
        if sink(&Item { what: "operation", fields }).is_break() {
            return false;
        }
    }
    true
}

fn segment_items(reach: &mut Reach, path: &Path, records: bool, sink: ItemSink<'_>) -> Result<()> {
    // The summary comes first, and is complete only behind the last record: so the file is read twice.
    let view = inspect_segment(&reach.disk, &mut *reach.lane, path, &mut |_| true)?;
    let mut fields = vec![
        ("segment", Field::Number(view.number)),
        ("store_id", Field::Id(view.store_id)),
        ("salt", Field::Id(view.salt)),
        ("start", Field::Number(view.start)),
        ("capacity", Field::Number(view.capacity)),
        ("previous", Field::Number(view.prev_number)),
        ("previous_end", Field::Number(view.prev_end)),
        ("durable", Field::Number(view.durable)),
        ("head_bytes", Field::Number(view.head_bytes)),
        ("records", Field::Number(view.records)),
        ("end", Field::Number(view.end)),
    ];
    fields.extend(view.end_reason.map(|why| ("end_reason", Field::Text(why.into()))));
    if sink(&Item { what: "segment", fields }).is_continue() && records {
        inspect_segment(&reach.disk, &mut *reach.lane, path, &mut |record| record_items(record, sink))?;
    }
    Ok(())
}

fn staging_items(reach: &mut Reach, path: &Path, records: bool, sink: ItemSink<'_>) -> Result<()> {
    let view = inspect_staging(&reach.disk, &mut *reach.lane, path, &mut |_| true)?;
    let mut fields =
        vec![("store_id", Field::Id(view.store_id)), ("ring_bytes", Field::Number(view.ring_bytes))];
    fields.extend(view.segment.map(|number| ("segment", Field::Number(number))));
    fields.push(("records", Field::Number(view.records)));
    if sink(&Item { what: "staging", fields }).is_continue() && records {
        inspect_staging(&reach.disk, &mut *reach.lane, path, &mut |record| record_items(record, sink))?;
    }
    Ok(())
}
