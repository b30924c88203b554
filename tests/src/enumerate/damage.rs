//! A small store, closed in good order, and everything that can happen to one of its files: every bit flipped, every length, missing,
//! another one in its place.
//!
//! What must hold: opening it and reading all of it gives the truth, or an error of kind `Corrupt` or `Unsupported` that names a file of the
//! store. An older copy of the log's or the manifest's last file cannot be told from a crash at that time; then the store may be what it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood::{Db, Durability, ErrorKind, Options};
use ringwood_ring::{Arena, SimConfig, SimDisk};

use super::Tally;
use crate::model::contents;
use crate::reference::Entries;

const DIR: &str = "/data";
type All = BTreeMap<String, Entries>;

struct Patient {
    disk: Arc<SimDisk>,
    truth: All,
    /// States that the store had when it was closed earlier, with their files.
    earlier: Vec<(Arc<SimDisk>, All)>,
}

fn options() -> Options {
    let small = Options::new().memory(8 << 20).cache_bytes(128 << 10).write_buffer_bytes(16 << 10);
    small.table_bytes(64 << 10).compaction_threads(1).log_bytes(64 << 10, 128 << 10)
}

fn open(disk: &Arc<SimDisk>) -> ringwood::Result<Db> {
    options().open_on(Arc::<SimDisk>::clone(disk), DIR, true)
}

fn copy(disk: &Arc<SimDisk>) -> Arc<SimDisk> {
    let copy = disk.fork();
    copy.process_death();
    copy
}

impl Patient {
    fn new() -> Self {
        let arena = Arena::new(64 << 20).expect("address space");
        let disk = SimDisk::new(1, SimConfig::calm(), arena);
        let mut earlier = Vec::new();
        for round in 0..4u32 {
            let db = open(&disk).expect("a sound store");
            let users = db.keyspace("users").expect("a keyspace");
            for i in 0..60u32 {
                let durability = [Durability::Synced, Durability::Buffered][i as usize % 2];
                db.put_with(format!("{:04}", i * (round + 1)), vec![round as u8; 90], durability)
                    .expect("room");
                users.put_with(i.to_le_bytes(), format!("{i} {round}"), durability).expect("room");
            }
            db.delete(format!("{round:04}")).expect("room");
            match round {
                0 | 1 => db.flush().expect("room"),
                2 => db.compact().expect("room"),
                // The rest stays in the log.
                _ => {}
            }
            let truth = contents(&db).expect("a sound store");
            db.close().expect("a sound store");
            earlier.push((copy(&disk), truth));
        }
        let (disk, truth) = earlier.pop().expect("four rounds");
        Self { disk, truth, earlier }
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = self.disk.file_names();
        files.retain(|f| !f.ends_with("LOCK"));
        files
    }

    /// Opens a harmed copy and reads all of it.
    fn examine(&self, tally: &mut Tally, disk: &Arc<SimDisk>, file: &Path, what: &str) {
        tally.cases += 1;
        let found = open(disk).and_then(|db| contents(&db));
        let context = || format!("{} {what}", file.display());
        match found {
            Ok(found) if found == self.truth => tally.whole += 1,
            Ok(found) => {
                let may_be_earlier = what.starts_with("as it was");
                let is_earlier = self.earlier.iter().any(|(_, all)| *all == found);
                assert!(may_be_earlier && is_earlier, "{}: it opened and held something else", context());
                tally.whole += 1;
            }
            Err(error) => {
                let text = error.to_string();
                let is_right = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported);
                assert!(is_right, "{}: {:?}: {text}", context(), error.kind());
                assert!(text.contains(DIR), "{}: no file is named: {text}", context());
                tally.errors += 1;
                tally.with_offset += u64::from(text.contains("at offset") || text.contains("position"));
            }
        }
    }
}

/// One bit of every byte of every file is flipped: another one in each byte.
///
/// # Panics
/// If the store is wrong.
#[must_use]
pub fn flips(every: u64) -> Tally {
    let patient = Patient::new();
    let mut tally = Tally::default();
    for file in patient.files() {
        let len = patient.disk.read_raw(&file).expect("it was listed").len() as u64;
        for offset in (0..len).step_by(every as usize) {
            let disk = copy(&patient.disk);
            disk.flip_bit(&file, offset, (offset % 8) as u8).expect("inside the file");
            patient.examine(&mut tally, &disk, &file, &format!("with a bit of byte {offset} flipped"));
        }
    }
    tally
}

/// Every file is cut at every length.
///
/// # Panics
/// If the store is wrong.
#[must_use]
pub fn truncations(every: u64) -> Tally {
    let patient = Patient::new();
    let mut tally = Tally::default();
    for file in patient.files() {
        let bytes = patient.disk.read_raw(&file).expect("it was listed");
        for len in (0..bytes.len()).step_by(every as usize) {
            let disk = copy(&patient.disk);
            disk.write_raw(&file, &bytes[..len]).expect("it was listed");
            patient.examine(&mut tally, &disk, &file, &format!("cut to {len} bytes"));
        }
    }
    tally
}

/// Every file is missing, is replaced by every other one of the store, and by what it was earlier.
///
/// # Panics
/// If the store is wrong.
#[must_use]
pub fn exchanges() -> Tally {
    let patient = Patient::new();
    let mut tally = Tally::default();
    for file in patient.files() {
        let disk = copy(&patient.disk);
        ringwood_ring::Disk::remove(&*disk, &file).expect("it was listed");
        patient.examine(&mut tally, &disk, &file, "missing");
        for other in patient.files().iter().filter(|f| **f != file) {
            let disk = copy(&patient.disk);
            let bytes = disk.read_raw(other).expect("it was listed");
            disk.write_raw(&file, &bytes).expect("it was listed");
            patient.examine(&mut tally, &disk, &file, &format!("replaced by {}", other.display()));
        }
        for (i, (earlier, _)) in patient.earlier.iter().enumerate() {
            let Ok(bytes) = earlier.read_raw(&file) else { continue };
            let disk = copy(&patient.disk);
            disk.write_raw(&file, &bytes).expect("it was listed");
            patient.examine(&mut tally, &disk, &file, &format!("as it was after round {i}"));
        }
    }
    tally
}
