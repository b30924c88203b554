//! Looking into one file of the log, for tools. Nothing is changed and nothing is promised: whether a record is part of the log is for
//! [`look`](crate::look) to say, which sees all files.

use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{Create, Disk, File, Lane, OpenOptions, PAGE, read_exact};

use crate::header::{self, SegmentHeader};
use crate::names;
use crate::pump::segments::Segment;
use crate::record::{self, ALIGN, Kind, Parsed, RECORD_BYTES_MAX, Seed};
use crate::recovery::reader::RunReader;
use crate::recovery::{Source, alloc};
use crate::staging::file::StagingFile;
use crate::{Lsn, Result, WalError};

/// A record, as it lies in a file.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    /// Its position in the log.
    pub lsn: Lsn,
    /// Its offset in the file.
    pub offset: u64,
    /// `full`, `first`, `middle`, `last` or `close`.
    pub kind: &'static str,
    /// Whether the batch before it was given up.
    pub given_up: bool,
    /// Everything before this position was durable when it was appended.
    pub durable: Lsn,
    /// A batch, or a part of one.
    pub payload: &'a [u8],
}

/// A segment's header, and where its records end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SegmentView {
    /// The store's id.
    pub store_id: u64,
    /// Its number.
    pub number: u64,
    /// Random number of the run.
    pub salt: u64,
    /// Log position of the first payload byte.
    pub start: Lsn,
    /// Payload bytes.
    pub capacity: u64,
    /// The segment before it; 0 if there is none.
    pub prev_number: u64,
    /// Where the log before it ends.
    pub prev_end: Lsn,
    /// Everything before this position was durable when the header was written.
    pub durable: Lsn,
    /// Bytes at the start that belong to a record of the segment before.
    pub head_bytes: u64,
    /// Records.
    pub records: u64,
    /// The first position behind the last record.
    pub end: Lsn,
    /// What is there instead of a record, if the file goes on.
    pub end_reason: Option<&'static str>,
}

/// A staging file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StagingView {
    /// The store's id.
    pub store_id: u64,
    /// Bytes of the ring.
    pub ring_bytes: u64,
    /// The segment whose run the ring's records are looked for in, if there is one.
    pub segment: Option<u64>,
    /// Records found.
    pub records: u64,
}

/// Decodes a segment file, whatever its name, and hands its records to `sink`.
///
/// # Errors
/// If it is no segment, its header is damaged, or it cannot be read.
pub fn inspect_segment(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    path: &Path,
    sink: &mut dyn FnMut(&RecordView<'_>) -> bool,
) -> Result<SegmentView> {
    let (header, segment) = open_segment(disk, lane, path)?;
    let seed = Seed::new(header.store_id, header.salt);
    let segments = [segment];
    let mut reader = RunReader::new(disk, lane, &segments)?;
    let mut view = SegmentView {
        store_id: header.store_id,
        number: header.number,
        salt: header.salt,
        start: header.start,
        capacity: header.capacity,
        prev_number: header.prev_number,
        prev_end: header.prev_end,
        durable: header.durable,
        head_bytes: 0,
        records: 0,
        end: header.start,
        end_reason: None,
    };
    let first = first_record(&mut reader, seed, header.start)?;
    view.head_bytes = first.map_or(0, |lsn| lsn - header.start);
    view.end = first.unwrap_or(header.start);
    while view.end < reader.end() {
        let lsn = view.end;
        match record::parse(Source::bytes(&mut reader, lsn, RECORD_BYTES_MAX)?, lsn, seed) {
            Parsed::Valid(found) => {
                view.records += 1;
                view.end += found.framed();
                let offset = PAGE as u64 + (lsn - header.start);
                if !sink(&shown(&found, lsn, offset)) || found.header.kind == Kind::Close {
                    return Ok(view);
                }
            }
            Parsed::Invalid(why) => {
                let goes_on = why == record::CUT;
                view.end_reason =
                    Some(if goes_on { "the last record goes on in the next segment" } else { why });
                break;
            }
            Parsed::Newer { tag } => {
                let what = format!("the record at log position {lsn} has the unknown tag {tag:#04x}");
                return Err(WalError::Newer { path: path.to_path_buf(), what });
            }
        }
    }
    Ok(view)
}

/// Decodes a staging file: its header and the records in the ring that belong to the run of the newest segment beside it.
///
/// # Errors
/// As [`inspect_segment`].
pub fn inspect_staging(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    path: &Path,
    sink: &mut dyn FnMut(&RecordView<'_>) -> bool,
) -> Result<StagingView> {
    let (_, page) = first_page(disk, lane, path)?;
    let (_, store_id) = header::claimed(&page);
    let staging = StagingFile::open(disk, lane, path, store_id)?;
    let mut view = StagingView { store_id, ring_bytes: staging.ring_bytes(), segment: None, records: 0 };
    let dir = path.parent().unwrap_or(Path::new("."));
    let newest = disk.list(dir)?.iter().filter_map(|n| names::segment_number(n)).max();
    let Some(newest) = newest else { return Ok(view) };
    let segment = inspect_segment(disk, lane, &names::segment(dir, newest), &mut |_| true)?;
    view.segment = Some(newest);
    let seed = Seed::new(segment.store_id, segment.salt);
    // Bytes stay in the ring until they are overwritten a round later; those that the segments lack are behind their end.
    let begin = segment.end.saturating_sub(view.ring_bytes);
    let mut shown_to = begin;
    for (from, to) in [(begin, segment.end), (segment.end, segment.end + view.ring_bytes)] {
        let mut ring = staging.read(disk, lane, from, to)?;
        let mut lsn = from.max(shown_to).next_multiple_of(ALIGN as u64);
        while lsn < ring.end() {
            match record::parse(Source::bytes(&mut ring, lsn, RECORD_BYTES_MAX)?, lsn, seed) {
                Parsed::Valid(found) => {
                    view.records += 1;
                    let offset = PAGE as u64 + lsn % view.ring_bytes;
                    if !sink(&shown(&found, lsn, offset)) {
                        return Ok(view);
                    }
                    lsn += found.framed();
                    shown_to = lsn;
                }
                _ => lsn += ALIGN as u64,
            }
        }
    }
    Ok(view)
}

fn shown<'a>(record: &record::Record<'a>, lsn: Lsn, offset: u64) -> RecordView<'a> {
    let kind = match record.header.kind {
        Kind::Full => "full",
        Kind::First => "first",
        Kind::Middle => "middle",
        Kind::Last => "last",
        Kind::Close => "close",
    };
    let header = &record.header;
    RecordView {
        lsn,
        offset,
        kind,
        given_up: header.given_up,
        durable: header.durable,
        payload: record.payload,
    }
}

/// The first position that holds a record: the start, or behind the end of a record that began in the segment before.
fn first_record(reader: &mut RunReader<'_>, seed: Seed, start: Lsn) -> Result<Option<Lsn>> {
    let end = reader.end().min(start + RECORD_BYTES_MAX as u64);
    let mut lsn = start;
    while lsn < end {
        if let Parsed::Valid(_) = record::parse(Source::bytes(reader, lsn, RECORD_BYTES_MAX)?, lsn, seed) {
            return Ok(Some(lsn));
        }
        lsn += ALIGN as u64;
    }
    Ok(None)
}

fn first_page(disk: &Arc<dyn Disk>, lane: &mut dyn Lane, path: &Path) -> Result<(File, Vec<u8>)> {
    let file = disk.open(path, OpenOptions { write: false, direct: false, create: Create::Never })?;
    let bytes = disk.len(&file)?;
    if bytes < PAGE as u64 {
        return Err(WalError::corrupt(path, bytes, format!("it has {bytes} bytes and no header page")));
    }
    let page = read_exact(lane, &file, 0, alloc(disk, PAGE)?, PAGE)?.as_slice()[..PAGE].to_vec();
    Ok((file, page))
}

fn open_segment(disk: &Arc<dyn Disk>, lane: &mut dyn Lane, path: &Path) -> Result<(SegmentHeader, Segment)> {
    let (file, page) = first_page(disk, lane, path)?;
    let (number, store_id) = header::claimed(&page);
    let header = SegmentHeader::decode(&page, path, number, store_id, disk.len(&file)?)?;
    let segment = Segment {
        number,
        start: header.start,
        capacity: header.capacity,
        data_end: header.start + header.capacity,
        is_written: false,
        path: path.to_path_buf(),
        file,
    };
    Ok((header, segment))
}
