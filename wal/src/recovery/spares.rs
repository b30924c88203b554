//! What an earlier process left beside the segments: spares, and files it had not finished.
//!
//! Names tell less than they seem to. After a directory sync that failed, the changes before it may be visible to every later process
//! and yet be gone after a power cut. So a spare may come back under the name of the segment that it was, or a segment
//! under that of the spare. Two rules make that harmless: a new segment's number is above that in any header that can be seen, a
//! spare's too; and a spare with the header of a segment in use is that segment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{Disk, Lane, OpenOptions, PAGE, read_exact};

use super::alloc;
use super::chain::settle;
use crate::pump::prepare::Spare;
use crate::record::RECORD_BYTES_MAX;
use crate::{Result, header, names};

/// A spare, and the segment number in its header, if it has a sound one.
pub(crate) struct FoundSpare {
    spare: Spare,
    pub(crate) number: Option<u64>,
}

/// Looks at the spares and removes what was not finished.
pub(crate) fn find(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    dir: &Path,
    store_id: u64,
) -> Result<Vec<FoundSpare>> {
    let left = disk.list(dir)?;
    let is_left = |name: &&str| left.iter().any(|l| l == Path::new(name));
    let unfinished = [names::SPARE_TMP, names::STAGING_TMP];
    remove(disk, unfinished.iter().filter(|n| is_left(n)).map(|n| dir.join(n)));
    let mut spares = Vec::new();
    for name in names::SPARES.iter().filter(|n| is_left(n)) {
        let path = dir.join(name);
        let file = disk.open(&path, OpenOptions::WRITE)?;
        settle(disk, &file)?;
        let pages = disk.len(&file)? / PAGE as u64;
        let capacity = pages.saturating_sub(1) * PAGE as u64;
        if capacity < RECORD_BYTES_MAX as u64 {
            drop(file);
            remove(disk, std::iter::once(path));
            continue;
        }
        let page = read_exact(lane, &file, 0, alloc(disk, PAGE)?, PAGE)?;
        let number = header::segment_number_in(&page.as_slice()[..PAGE], &path, store_id);
        spares.push(FoundSpare { spare: Spare { path, file, capacity }, number });
    }
    Ok(spares)
}

/// The spares that may be used, while the segments `in_use` are. Of the others the name is removed.
pub(crate) fn adopt(disk: &Arc<dyn Disk>, found: Vec<FoundSpare>, in_use: &[u64]) -> Vec<Spare> {
    let (aliases, spares): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|f| f.number.is_some_and(|n| in_use.contains(&n)));
    remove(disk, aliases.into_iter().map(|f| f.spare.path));
    spares.into_iter().map(|f| f.spare).collect()
}

/// Removes files that nobody needs. One that stays is removed by the next opening.
pub(crate) fn remove(disk: &Arc<dyn Disk>, paths: impl Iterator<Item = PathBuf>) {
    for path in paths {
        if let Err(error) = disk.remove(&path) {
            log::warn!("left behind for now: {error}");
        }
    }
}
