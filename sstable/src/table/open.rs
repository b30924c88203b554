//! Opening: everything of a table but its blocks, into memory.
//!
//! A table's tail (index, filter, properties, footer) is one read, if its length is known: stores write it down. Else a guess is read, and
//! then, if that was too short, the whole. The tails of many tables are read together, and one is parsed while others are on their way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{Buf, Completion, Disk, File, Lane, Op, OpenOptions, PAGE};

use super::Table;
use crate::cache::{BlockCache, Residency};
use crate::column::{self, Movable};
use crate::cursor::ScanLength;
use crate::error::{Fault, Result, TableError};
use crate::filter::Filter;
use crate::footer::{FOOTER, Footer, Properties, SectionKind};
use crate::index::Index;

/// Bytes read of a tail of unknown length: enough for all of a small table's.
const GUESS: u64 = 64 << 10;
/// Bytes of tails that are read at once, at most, but for a single larger one.
const WINDOW: usize = 16 << 20;
/// … and this part of the arena.
const WINDOW_PART: usize = 4;

/// A table to be opened.
#[derive(Debug)]
pub struct TableSpec {
    /// Its file.
    pub path: PathBuf,
    /// Its id.
    pub id: u64,
    /// Length of its tail ([`TableSummary::tail_bytes`](crate::TableSummary::tail_bytes)); 0 if unknown.
    pub tail_bytes: u64,
    /// Its blocks that are in the cache already ([`TableWriter::warm`](crate::TableWriter::warm)).
    pub warmed: Option<Residency>,
}

/// A tail that is being read.
struct Reading {
    spec: TableSpec,
    file: File,
    file_bytes: u64,
    start: u64,
}

impl Reading {
    fn new(disk: &Arc<dyn Disk>, spec: TableSpec) -> Result<Self> {
        let path = &spec.path;
        let file = disk.open(path, OpenOptions::READ)?;
        let file_bytes = disk.len(&file)?;
        if file_bytes == 0 {
            return Err(TableError::corrupt(path, 0, "the file is empty; it was never written, or was cut"));
        }
        if file_bytes < FOOTER as u64 || !file_bytes.is_multiple_of(PAGE as u64) {
            let what = format!("the file has {file_bytes} bytes, no whole number of pages; it was cut");
            return Err(TableError::corrupt(path, file_bytes, what));
        }
        let guess = if spec.tail_bytes == 0 { GUESS } else { spec.tail_bytes.max(FOOTER as u64) };
        let start = file_bytes.saturating_sub(guess) / PAGE as u64 * PAGE as u64;
        Ok(Self { spec, file, file_bytes, start })
    }

    fn bytes(&self) -> usize {
        (self.file_bytes - self.start) as usize
    }
}

/// Opens tables, on an idle lane. What came of each is in the place of its specification.
pub(super) fn open_all(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    cache: &Arc<BlockCache>,
    specs: impl IntoIterator<Item = TableSpec>,
) -> Vec<Result<Table>> {
    let mut specs = specs.into_iter().peekable();
    let window = WINDOW.min(disk.arena().bytes_max() / WINDOW_PART);
    let mut results: Vec<Option<Result<Table>>> = Vec::new();
    let mut readings: Vec<Option<Reading>> = Vec::new();
    let (mut held, mut done) = (0, Vec::new());
    let in_use = || Err(TableError::invalid(Path::new("(tables)"), "opened on a lane that is in use"));
    if lane.in_flight() > 0 {
        return specs.map(|_| in_use()).collect();
    }
    loop {
        while specs.peek().is_some() && lane.room() > 0 && (held == 0 || held < window) {
            let Some(spec) = specs.next() else { break };
            let at = results.len();
            results.push(None);
            readings.push(None);
            let read = Reading::new(disk, spec).and_then(|reading| {
                push(disk, lane, at, &reading)?;
                Ok(reading)
            });
            match read {
                Ok(reading) => {
                    held += reading.bytes();
                    readings[at] = Some(reading);
                }
                Err(error) => results[at] = Some(Err(error)),
            }
        }
        if lane.in_flight() == 0 {
            break;
        }
        // The other half is on its way while this one is parsed.
        let half = lane.in_flight().div_ceil(2);
        if let Err(error) = lane.reap(half, &mut done) {
            results.iter_mut().filter(|r| r.is_none()).for_each(|r| *r = Some(Err(error.clone().into())));
            break;
        }
        for completion in done.drain(..) {
            let at = completion.token as usize;
            let Some(mut reading) = readings[at].take() else { continue };
            held -= reading.bytes();
            results[at] = match read_tail(disk, cache, &mut reading, completion) {
                Ok(Some(table)) => Some(Ok(table)),
                Err(error) => Some(Err(error)),
                Ok(None) => match push(disk, lane, at, &reading) {
                    Err(error) => Some(Err(error)),
                    Ok(()) => {
                        held += reading.bytes();
                        readings[at] = Some(reading);
                        None
                    }
                },
            };
        }
    }
    results.into_iter().map(|result| result.unwrap_or_else(in_use)).collect()
}

fn push(disk: &Arc<dyn Disk>, lane: &mut dyn Lane, at: usize, reading: &Reading) -> Result<()> {
    let len = reading.bytes();
    let buf = disk.arena().alloc_any(len)?;
    let op = Op::Read { file: reading.file.clone(), offset: reading.start, buf, len };
    lane.push(at as u64, op)
        .map_err(|_| TableError::invalid(&reading.spec.path, "a lane with room took no operation"))
}

/// Takes the end of a file that was read. `None`: it was not all of the tail, which is to be read now.
fn read_tail(
    disk: &Arc<dyn Disk>,
    cache: &Arc<BlockCache>,
    reading: &mut Reading,
    completion: Completion,
) -> Result<Option<Table>> {
    let Reading { spec, file, file_bytes, start } = reading;
    let (got, buf): (usize, Option<Buf>) = (completion.result?, completion.buf);
    let whole = buf.as_ref().and_then(|buf| buf.as_slice().get(..(*file_bytes - *start) as usize));
    let Some(end) = whole.filter(|end| end.len() == got) else {
        let what = format!("the file ends {got} bytes behind this; it was cut while it was opened");
        return Err(TableError::corrupt(&spec.path, *start, what));
    };
    let footer = Footer::parse(&end[end.len() - FOOTER..], &spec.path, spec.id, *file_bytes)?;
    if footer.data_bytes < *start {
        *start = footer.data_bytes;
        return Ok(None);
    }
    let tail = &end[(footer.data_bytes - *start) as usize..];
    debug_assert_eq!(tail.len() as u64, footer.tail_bytes());
    parse(disk, cache, spec, file.clone(), &footer, tail).map(Some)
}

/// Makes a table of its tail.
fn parse(
    disk: &Arc<dyn Disk>,
    cache: &Arc<BlockCache>,
    spec: &mut TableSpec,
    file: File,
    footer: &Footer,
    tail: &[u8],
) -> Result<Table> {
    let TableSpec { path, id, warmed, .. } = spec;
    let (path, file_bytes) = (&**path, footer.file_bytes);
    let properties = section(footer, tail, path, SectionKind::Properties, Properties::parse)?;
    let index = section(footer, tail, path, SectionKind::Index, Index::parse)?;
    let (Some(properties), Some(index)) = (properties, index) else {
        let at = file_bytes - FOOTER as u64;
        return Err(TableError::corrupt(path, at, "the footer names no index or no properties"));
    };
    let filter = section(footer, tail, path, SectionKind::Filter, Filter::parse)?;
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
        .take()
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
        id: *id,
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
