//! Opening: everything of a table but its blocks, into memory.

use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{Disk, File, Lane, Op, OpenOptions, PAGE};

use super::Table;
use crate::cache::{BlockCache, Residency};
use crate::column::{self, Movable};
use crate::cursor::ScanLength;
use crate::error::{Fault, Result, TableError};
use crate::filter::Filter;
use crate::footer::{FOOTER, Footer, Properties, SectionKind};
use crate::index::Index;

/// Bytes read first, at the end of the file: enough for all of a small table's index and filter.
const GUESS: u64 = 64 << 10;
/// Bytes of one read.
const PIECE: usize = 1 << 20;

pub(super) fn open(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    cache: &Arc<BlockCache>,
    path: &Path,
    id: u64,
    warmed: Option<Residency>,
) -> Result<Table> {
    let file = disk.open(path, OpenOptions::READ)?;
    let file_bytes = disk.len(&file)?;
    if file_bytes == 0 {
        return Err(TableError::corrupt(path, 0, "the file is empty; it was never written, or was cut"));
    }
    if file_bytes < FOOTER as u64 || !file_bytes.is_multiple_of(PAGE as u64) {
        let what = format!("the file has {file_bytes} bytes, no whole number of pages; it was cut");
        return Err(TableError::corrupt(path, file_bytes, what));
    }
    let start = file_bytes.saturating_sub(GUESS);
    let end = read(disk, lane, &file, start, (file_bytes - start) as usize)?;
    let footer = Footer::parse(&end[end.len() - FOOTER..], path, id, file_bytes)?;
    let tail = if footer.data_bytes < start {
        let mut tail = read(disk, lane, &file, footer.data_bytes, (start - footer.data_bytes) as usize)?;
        tail.extend_from_slice(&end);
        tail
    } else {
        end[(footer.data_bytes - start) as usize..].to_vec()
    };
    debug_assert_eq!(tail.len() as u64, footer.tail_bytes());

    let properties = section(&footer, &tail, path, SectionKind::Properties, Properties::parse)?;
    let index = section(&footer, &tail, path, SectionKind::Index, Index::parse)?;
    let (Some(properties), Some(index)) = (properties, index) else {
        let at = file_bytes - FOOTER as u64;
        return Err(TableError::corrupt(path, at, "the footer names no index or no properties"));
    };
    let filter = section(&footer, &tail, path, SectionKind::Filter, Filter::parse)?;
    let is_whole = u64::from(index.pages()) * PAGE as u64 == footer.data_bytes
        && u64::from(index.block_count()) == properties.blocks
        && index.block_count() > 0;
    if !is_whole {
        return Err(TableError::corrupt(path, footer.data_bytes, "the index does not match the data"));
    }
    if !properties.compression.is_available() {
        return Err(TableError::newer(path, "zstd, which this build was made without (feature `zstd`)"));
    }
    let (mut index, mut filter) = (index, filter);
    // A writer that wrote more blocks than it foresaw has warmed some for nothing.
    let mut residency = warmed
        .filter(|residency| residency.blocks() >= index.block_count())
        .unwrap_or_else(|| cache.residency(index.block_count()));
    let mut columns: Vec<&mut dyn Movable> = index.columns().into();
    columns.extend(filter.iter_mut().flat_map(Filter::columns));
    if let Some(buf) = residency.house(column::bytes_of(&columns)) {
        column::settle(&mut columns, buf);
    }
    Ok(Table {
        residency,
        index,
        filter,
        checksum: footer.checksum(),
        arena: Arc::clone(disk.arena()),
        file,
        id,
        file_bytes,
        data_bytes: footer.data_bytes,
        properties,
        assigned_seq: None,
        scan_length: ScanLength::default(),
    })
}

/// Checks and reads one section, if the table has it.
fn section<T>(
    footer: &Footer,
    tail: &[u8],
    path: &Path,
    kind: SectionKind,
    parse: fn(&[u8]) -> std::result::Result<T, Fault>,
) -> Result<Option<T>> {
    let Some(section) = footer.section(kind) else { return Ok(None) };
    // Inside the tail: the footer was checked.
    let from = (section.offset - footer.data_bytes) as usize;
    let bytes = &tail[from..from + section.len as usize];
    if footer.checksum().of(section.offset, bytes) != section.crc {
        let what = format!("the checksum of its {} does not match", format!("{kind:?}").to_lowercase());
        return Err(TableError::corrupt(path, section.offset, what));
    }
    parse(bytes).map(Some).map_err(|fault| fault.at(path, section.offset))
}

/// Reads `len` bytes at `offset`, whole pages, as many pieces at once as the lane and the arena have room for.
fn read(disk: &Arc<dyn Disk>, lane: &mut dyn Lane, file: &File, offset: u64, len: usize) -> Result<Vec<u8>> {
    if lane.in_flight() > 0 {
        return Err(TableError::invalid(file.path(), "opened on a lane that is in use"));
    }
    let mut bytes = vec![0; len];
    let mut done = Vec::new();
    let mut failed = None;
    let mut asked = 0;
    while (asked < len && failed.is_none()) || lane.in_flight() > 0 {
        while asked < len && failed.is_none() && lane.room() > 0 {
            let piece = PIECE.min(len - asked);
            let buf = match disk.arena().alloc(piece) {
                Ok(buf) => buf,
                // Those in flight give theirs back.
                Err(_) if lane.in_flight() > 0 => break,
                Err(_) => disk.arena().alloc_any(piece)?,
            };
            let op = Op::Read { file: file.clone(), offset: offset + asked as u64, buf, len: piece };
            if lane.push(asked as u64, op).is_err() {
                break;
            }
            asked += piece;
        }
        lane.reap(lane.in_flight(), &mut done)?;
        for completion in done.drain(..) {
            let at = completion.token as usize;
            let piece = PIECE.min(len - at);
            match (completion.result, completion.buf) {
                (Ok(n), Some(buf)) if n == piece => {
                    bytes[at..at + piece].copy_from_slice(&buf.as_slice()[..piece]);
                }
                (Ok(n), _) => {
                    let what = format!("the file ends {n} bytes behind this; it was cut while it was opened");
                    failed = Some(TableError::corrupt(file.path(), offset + at as u64, what));
                }
                (Err(error), _) => failed = Some(error.into()),
            }
        }
    }
    failed.map_or(Ok(bytes), Err)
}
