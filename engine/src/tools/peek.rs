//! A glance at a store that may be open elsewhere: what its manifest says at this moment, and what its files take.

use std::path::Path;

use ringwood_ring::{Create, IoChoice, IoErrorKind, OpenOptions};

use super::{Reach, StoreTree};
use crate::files;
use crate::manifest;
use crate::{Error, ErrorKind, Result};

/// A running store may replace its manifest between two reads: so often it is tried again.
const TRIES: u32 = 5;

/// What can be seen of a store without opening it. What the process that has it open holds in memory cannot.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Peek {
    /// The tables.
    pub tree: StoreTree,
    /// Files of the log: segments, spares, the staging ring.
    pub log_files: u64,
    /// Their bytes.
    pub log_bytes: u64,
}

/// Takes a glance at the store in `dir`, without a lock.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) if there is no store; [`Corrupt`](ErrorKind::Corrupt) if its manifest is damaged.
pub fn peek(dir: &Path, io: IoChoice) -> Result<Peek> {
    let mut reach = Reach::new(io)?;
    if !manifest::exists(&*reach.disk, dir)? {
        return Err(Error::new(ErrorKind::NotFound, format!("{} holds no store", dir.display())));
    }
    let mut tries = 1;
    let tree = loop {
        match tree(&mut reach, dir) {
            Err(_) if tries < TRIES => tries += 1,
            done => break done?,
        }
    };
    let (mut log_files, mut log_bytes) = (0, 0);
    let wal = dir.join(files::WAL);
    let names = match reach.disk.list(&wal) {
        // The creation of the store was cut short, or is under way.
        Err(error) if error.kind() == IoErrorKind::NotFound => Vec::new(),
        listed => listed?,
    };
    for name in names {
        let options = OpenOptions { write: false, direct: false, create: Create::Never };
        match reach.disk.open(&wal.join(name), options) {
            Ok(file) => {
                log_files += 1;
                log_bytes += reach.disk.len(&file)?;
            }
            // Removed meanwhile.
            Err(error) if error.kind() == IoErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Peek { tree, log_files, log_bytes })
}

fn tree(reach: &mut Reach, dir: &Path) -> Result<StoreTree> {
    let number = manifest::named_by_current(&*reach.disk, &mut *reach.lane, dir)?;
    let contents = manifest::look(&*reach.disk, &mut *reach.lane, &files::manifest(dir, number))?;
    match contents.damage {
        Some(error) => Err(error),
        None => Ok(StoreTree::of(dir, &contents)),
    }
}
