//! The manifest: an append-only log of version edits, and `CURRENT`, which names it.
//!
//! # Crash argument
//!
//! 1. A record is appended only after everything it refers to (tables, their names in the directory) is durable.
//! 2. [`Manifest::append`] returns only after the record is written and synced; the next one is written only then. So a
//!    sound record proves that all before it were durable: a bad record before a sound one is damage and is reported, a
//!    bad record at the end is an append that nobody was told of, and is cut off.
//! 3. Records start on pages of their own, in a region written and synced when the file was made: an append changes neither
//!    the file's size nor a page that holds an earlier record.
//! 4. A full manifest is replaced: the new one is written, synced, its name synced, and only then `CURRENT` is replaced by
//!    write-new, sync, rename, sync directory. Either manifest gives the same state, so a crash anywhere between is
//!    harmless; what `CURRENT` does not name is removed at the next open.
//! 5. After a failed write or sync nothing more is appended ([`Manifest::append`] fails from then on): what the
//!    device holds is unknown until it is read again at the next open.

mod check;
mod edit;
mod look;
mod record;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{
    Disk, File, IoErrorKind, Lane, OpenOptions, PAGE, copy_in, page_ceil, read_file, sync_file, write_exact,
};

pub(crate) use check::SEQ_LIMIT;
pub(crate) use edit::{Edit, KeyspaceState, LEVELS, State, TableMeta};
pub(crate) use look::{Contents, look, named_by_current, parse_current};
use record::FileHeader;

use crate::files::{self, CURRENT, CURRENT_NEW};
use crate::{Error, ErrorKind, Result};

/// Room for records in a new manifest, at least; a snapshot gets four times its size.
const CAPACITY_MIN: usize = 64 * PAGE;
/// The errno of a path that leads to, or through, a file.
const ENOTDIR: i32 = 20;

/// The manifest in force. One caller at a time (the engine keeps it under a lock).
pub(crate) struct Manifest {
    disk: Arc<dyn Disk>,
    lane: Box<dyn Lane>,
    dir: PathBuf,
    file: File,
    header: FileHeader,
    state: State,
    /// Where the next record goes, and its index.
    end: usize,
    next_index: u64,
    capacity: usize,
    failed: Option<Error>,
}

impl Manifest {
    /// Makes the first manifest of a new store in `dir`, with the default keyspace.
    pub(crate) fn create(disk: Arc<dyn Disk>, lane: Box<dyn Lane>, dir: &Path) -> Result<Self> {
        let mut state = State { next_file: 2, ..State::default() };
        let add = Edit::KeyspaceAdd { keyspace: crate::batch::DEFAULT_KEYSPACE, name: "default".into() };
        state.apply(&add).map_err(Error::invalid)?;
        let header = FileHeader { store_id: disk.random(), number: 1 };
        Self::write_new(disk, lane, dir, header, state)
    }

    /// Opens the manifest that `CURRENT` names. When it returns, all names in `dir` that were there before are durable.
    pub(crate) fn open(disk: Arc<dyn Disk>, mut lane: Box<dyn Lane>, dir: &Path) -> Result<Self> {
        let path = read_current(&*disk, &mut *lane, dir)?;
        let file = disk.open(&path, OpenOptions::WRITE).map_err(|e| match e.kind() {
            IoErrorKind::NotFound => Error::corrupt(&path, None, "CURRENT names it and it does not exist"),
            _ => e.into(),
        })?;
        let bytes = look::read(&*disk, &mut *lane, &file)?;
        let contents = look::parse(&path, &bytes)?;
        if let Some(error) = contents.damage {
            return Err(error);
        }
        let (header, state) = (contents.header, contents.state);
        let scan = record::scan(header, &bytes);
        // What was read is made durable before anything is done that rests on it. The last record is written again, the same bytes, and synced:
        // after a failed sync it may be in the page cache alone, and clean there, so that no sync saves it. The records before it were
        // durable before it was written.
        write_pages(&*disk, &mut *lane, &file, scan.last, &bytes[scan.last..scan.end])?;
        sync_file(&mut *lane, &file, false)?;
        // So is CURRENT: if the sync of the directory failed after the rename, this process may see a name that no sync will save, and the
        // next power cut would bring back one whose manifest is gone. A full disk has room for no new file; then the old one, synced, has to do.
        match write_current(&*disk, &mut *lane, dir, header.number) {
            Err(e) if is_shortage(&e) => sync_current(&*disk, &mut *lane, dir)?,
            other => other?,
        }
        let (end, next_index) = (scan.end, scan.payloads.len() as u64);
        let capacity = bytes.len() / PAGE * PAGE;
        let dir = dir.to_path_buf();
        Ok(Self { disk, lane, dir, file, header, state, end, next_index, capacity, failed: None })
    }

    /// All edits so far, added up.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Identity of the store, drawn when it was created.
    pub(crate) fn store_id(&self) -> u64 {
        self.header.store_id
    }

    /// Number of the manifest in force.
    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }

    /// Appends edits that take effect together; durable when it returns. Two or three I/Os.
    ///
    /// `next_file` is the first unused file number, for a new manifest when this one is full.
    pub(crate) fn append(&mut self, edits: &[Edit], next_file: impl FnOnce() -> u64) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut state = self.state.clone();
        let mut payload = Vec::new();
        for edit in edits {
            state.apply(edit).map_err(|e| Error::new(ErrorKind::Invalid, e))?;
            edit.encode(&mut payload);
        }
        let bytes = record::encode(self.header, self.next_index, &payload);
        let is_full = self.end + bytes.len() > self.capacity;
        let result =
            if is_full { self.replace(state.clone(), next_file()) } else { self.write_record(&bytes) };
        match result {
            Ok(()) => self.state = state,
            // Out of space or descriptors while making a replacement: the manifest in force is untouched.
            Err(e) if is_full && is_shortage(&e) => return Err(e),
            Err(e) => {
                // What a failed record left is not known: it must not pass for a full disk on which nothing has changed.
                let e = if is_shortage(&e) { Error::new(ErrorKind::Io, e.to_string()) } else { e };
                self.failed = Some(e.clone());
                return Err(e);
            }
        }
        Ok(())
    }

    /// Whether a failure has left open what is on the disk: nothing more is appended.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    fn write_record(&mut self, bytes: &[u8]) -> Result<()> {
        write_pages(&*self.disk, &mut *self.lane, &self.file, self.end, bytes)?;
        sync_file(&mut *self.lane, &self.file, true)?;
        self.end += bytes.len();
        self.next_index += 1;
        Ok(())
    }

    /// Writes `state` to a new manifest and puts it in force.
    fn replace(&mut self, state: State, number: u64) -> Result<()> {
        let lane = self.disk.lane(control_lane())?;
        let header = FileHeader { number, ..self.header };
        let old = files::manifest(&self.dir, self.header.number);
        let state = State { next_file: state.next_file.max(number + 1), ..state };
        let made = Self::write_new(Arc::clone(&self.disk), lane, &self.dir, header, state);
        *self = made.inspect_err(|error| {
            // On a full disk it may be tried many times. Any other failure leaves open which of the two is in force.
            if is_shortage(error) {
                let _ = self.disk.remove(&files::manifest(&self.dir, number));
            }
        })?;
        // Of no use from here on; if this fails, the next open removes it.
        let _ = self.disk.remove(&old);
        Ok(())
    }

    fn write_new(
        disk: Arc<dyn Disk>,
        mut lane: Box<dyn Lane>,
        dir: &Path,
        header: FileHeader,
        state: State,
    ) -> Result<Self> {
        let mut payload = Vec::new();
        state.to_edits().iter().for_each(|e| e.encode(&mut payload));
        let record = record::encode(header, 0, &payload);
        let path = files::manifest(dir, header.number);
        // A leftover of a creation that was cut short has this name; nothing refers to it.
        match disk.remove(&path) {
            Err(e) if e.kind() != IoErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
        let file = disk.open(&path, OpenOptions::CREATE)?;
        let capacity = capacity_for(record.len());
        disk.allocate(&file, capacity as u64)?;
        let mut bytes = header.encode().to_vec();
        bytes.extend(&record);
        let end = bytes.len();
        bytes.resize(capacity, 0);
        write_pages(&*disk, &mut *lane, &file, 0, &bytes)?;
        sync_file(&mut *lane, &file, false)?;
        disk.sync_dir(dir)?;
        write_current(&*disk, &mut *lane, dir, header.number)?;
        let dir = dir.to_path_buf();
        Ok(Self { disk, lane, dir, file, header, state, end, next_index: 1, capacity, failed: None })
    }
}

/// Bytes of a manifest whose first record, the snapshot, takes so many. It never grows: when it is full, a new one is made.
fn capacity_for(snapshot: usize) -> usize {
    page_ceil((4 * snapshot).max(CAPACITY_MIN))
}

/// The lane that opening and the manifest use.
pub(crate) fn control_lane() -> ringwood_ring::LaneSpec {
    ringwood_ring::LaneSpec {
        class: ringwood_ring::Class::Control,
        depth: 8,
        owner: ringwood_ring::Owner::Pool,
    }
}

/// Writes whole pages through the arena, in pieces that it can hold.
fn write_pages(disk: &dyn Disk, lane: &mut dyn Lane, file: &File, offset: usize, bytes: &[u8]) -> Result<()> {
    let piece = (256 << 10).min(disk.arena().chunk_bytes());
    for (i, chunk) in bytes.chunks(piece).enumerate() {
        let buf = copy_in(disk.arena(), file, chunk)?;
        write_exact(lane, file, (offset + i * piece) as u64, buf, page_ceil(chunk.len()))?;
    }
    Ok(())
}

/// Whether `dir` holds a store: `CURRENT` is the last file that creation makes.
pub(crate) fn exists(disk: &dyn Disk, dir: &Path) -> Result<bool> {
    match disk.list(dir) {
        Ok(names) => Ok(names.iter().any(|n| n.as_os_str() == CURRENT)),
        Err(e) if e.kind() == IoErrorKind::NotFound => Ok(false),
        Err(e) if e.errno() == ENOTDIR => {
            Err(Error::invalid(format!("{} is not a directory; give a new or an empty one", dir.display())))
        }
        Err(e) => Err(e.into()),
    }
}

fn current_text(number: u64) -> String {
    let name = format!("MANIFEST-{number:06}");
    format!("{name} {:08x}\n", crc32fast::hash(name.as_bytes()))
}

fn read_current(disk: &dyn Disk, lane: &mut dyn Lane, dir: &Path) -> Result<PathBuf> {
    let path = dir.join(CURRENT);
    let file = disk.open(&path, OpenOptions::WRITE)?;
    let bytes = read_file(disk, lane, &file, PAGE as u64)?;
    look::parse_current(&path, &bytes).map(|number| files::manifest(dir, number))
}

/// Syncs `CURRENT` and its directory as they are.
fn sync_current(disk: &dyn Disk, lane: &mut dyn Lane, dir: &Path) -> Result<()> {
    let file = disk.open(&dir.join(CURRENT), OpenOptions::WRITE)?;
    sync_file(lane, &file, false)?;
    Ok(disk.sync_dir(dir)?)
}

fn write_current(disk: &dyn Disk, lane: &mut dyn Lane, dir: &Path, number: u64) -> Result<()> {
    let new = dir.join(CURRENT_NEW);
    match disk.remove(&new) {
        Err(e) if e.kind() != IoErrorKind::NotFound => return Err(e.into()),
        _ => {}
    }
    let file = disk.open(&new, OpenOptions::CREATE)?;
    let text = current_text(number);
    let buf = copy_in(disk.arena(), &file, text.as_bytes())?;
    write_exact(lane, &file, 0, buf, PAGE)?;
    disk.truncate(&file, text.len() as u64)?;
    sync_file(lane, &file, false)?;
    disk.rename(&new, &dir.join(CURRENT))?;
    // The new manifest may be in force from here on.
    disk.sync_dir(dir).map_err(|e| Error::new(ErrorKind::Io, e.to_string()))
}

/// Whether an error says that something is wanting that may come back.
fn is_shortage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Full | ErrorKind::Exhausted)
}

/// Parses a manifest's header and records, and edits as a record with a right checksum would hold them; for fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn fuzz(data: &[u8]) {
    let header = FileHeader { store_id: 1, number: 2 };
    let _ = FileHeader::decode(data);
    let _ = record::scan(header, data);
    let mut file = header.encode().to_vec();
    file.extend(record::encode(header, 0, data));
    let scan = record::scan(header, &file);
    let mut state = State::default();
    for edit in edit::decode(scan.payloads[0]).into_iter().flatten() {
        let _ = state.apply(&edit);
    }
    let _ = state.to_edits();
}
