//! What an earlier process left beside the segments: spares, and files it had not finished.
//!
//! Nothing of it is used again. After a directory sync that failed, names may be visible to every later process and yet be gone after
//! a power cut: what is a spare now is then back under the name of the segment that it was, and writing to it would have spoilt
//! that, or made a second file with the header of a segment in use. For the same reason a new segment's number is above that in any
//! header that can be seen, a spare's too: a segment that comes back must not look like the newest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{Disk, Lane, OpenOptions, PAGE, read_exact};

use super::alloc;
use crate::{Result, header, names};

/// The spares that were left.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// To be removed once the new run is durable, by its pump, or earlier if it needs their room.
    pub(crate) paths: Vec<PathBuf>,
    /// Highest segment number in their headers.
    pub(crate) number_max: u64,
}

impl Leftovers {
    /// Looks what is there, and removes what was not finished.
    pub(crate) fn find(disk: &Arc<dyn Disk>, lane: &mut dyn Lane, dir: &Path, store_id: u64) -> Result<Self> {
        let names = disk.list(dir)?;
        let is_left = |name: &&str| names.iter().any(|n| n == Path::new(name));
        let unfinished = [names::SPARE_TMP, names::STAGING_TMP];
        remove(disk, unfinished.iter().filter(|n| is_left(n)).map(|n| dir.join(n)));
        let mut left = Self::default();
        for name in names::SPARES.iter().filter(|n| is_left(n)) {
            let path = dir.join(name);
            let file = disk.open(&path, OpenOptions::READ)?;
            if disk.len(&file)? >= PAGE as u64 {
                let page = read_exact(lane, &file, 0, alloc(disk, PAGE)?, PAGE)?;
                let number = header::segment_number_in(&page.as_slice()[..PAGE], &path, store_id);
                left.number_max = left.number_max.max(number.unwrap_or(0));
            }
            left.paths.push(path);
        }
        Ok(left)
    }
}

/// Removes files that nobody needs. One that stays is removed by the next opening.
pub(crate) fn remove(disk: &Arc<dyn Disk>, paths: impl Iterator<Item = PathBuf>) {
    for path in paths {
        if let Err(error) = disk.remove(&path) {
            log::warn!("left behind for now: {error}");
        }
    }
}
