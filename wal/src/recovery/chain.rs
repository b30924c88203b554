//! Which segments make up the log: names, headers, links.

use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{Disk, File, Lane, OpenOptions, PAGE, read_exact, sync_file};

use crate::header::SegmentHeader;
use crate::pump::segments::Segment;
use crate::{Lsn, Result, WalError, names};

/// Segments that one opening of the store wrote, oldest first, each beginning where the one before ends.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) salt: u64,
    /// Where this run continues the one before: log before it lies in earlier runs. Its first record is at its start.
    pub(crate) prev_number: u64,
    pub(crate) prev_end: Lsn,
    pub(crate) segments: Vec<Segment>,
    /// Largest promise in the headers: everything before was durable when some segment was made.
    pub(crate) promise: Lsn,
}

impl Run {
    pub(crate) fn start(&self) -> Lsn {
        self.segments.first().map_or(0, |s| s.start)
    }
}

/// All that was found in the directory.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The runs that hold what lies at or after the position asked for, oldest first.
    pub(crate) runs: Vec<Run>,
    /// Numbers of segment files that no run needs: before the position, or cut off by a later run.
    pub(crate) unneeded: Vec<u64>,
    /// Highest number in use.
    pub(crate) number_max: u64,
}

impl Chain {
    /// Finds the segments that hold the log from `from` on.
    ///
    /// Links are followed backwards from the highest number: each header names the segment before it and where that one's log
    /// ends. Whatever is not reached that way is not part of the log.
    pub(crate) fn find(
        disk: &Arc<dyn Disk>,
        lane: &mut dyn Lane,
        dir: &Path,
        store_id: u64,
        from: Lsn,
    ) -> Result<Self> {
        // Names are believed after a sync only: what a crash has not settled is settled now.
        disk.sync_dir(dir)?;
        let mut numbers: Vec<u64> =
            disk.list(dir)?.iter().filter_map(|name| names::segment_number(name)).collect();
        numbers.sort_unstable();
        let number_max = numbers.last().copied().unwrap_or(0);
        let mut chain = Self { runs: Vec::new(), unneeded: Vec::new(), number_max };
        let Some(&newest) = numbers.last() else {
            if from > 0 {
                let what = format!(
                    "there is no segment at all, but the store needs the log from position {from} on"
                );
                return Err(WalError::Missing { dir: dir.to_path_buf(), what });
            }
            return Ok(chain);
        };
        // Newest first while they are collected.
        let mut found: Vec<(SegmentHeader, Segment)> = Vec::new();
        let mut number = newest;
        loop {
            let (header, segment) = load(disk, lane, dir, number, store_id)?;
            if let Some((next, _)) = found.last() {
                check_link(&header, next, &segment.path)?;
            }
            let (prev_number, prev_end) = (header.prev_number, header.prev_end);
            found.push((header, segment));
            if prev_end <= from {
                break;
            }
            if !numbers.contains(&prev_number) {
                let path = names::segment(dir, prev_number);
                let what = format!(
                    "{} is missing; it holds the log up to position {prev_end}, and the store needs it from {from} on",
                    path.display()
                );
                return Err(WalError::Missing { dir: dir.to_path_buf(), what });
            }
            number = prev_number;
        }
        numbers.retain(|n| found.iter().all(|(h, _)| h.number != *n));
        chain.unneeded = numbers;
        for (header, segment) in found.into_iter().rev() {
            match chain.runs.last_mut().filter(|run| run.salt == header.salt) {
                Some(run) => {
                    run.promise = run.promise.max(header.durable);
                    run.segments.push(segment);
                }
                None => chain.runs.push(Run {
                    salt: header.salt,
                    prev_number: header.prev_number,
                    prev_end: header.prev_end,
                    segments: vec![segment],
                    promise: header.durable,
                }),
            }
        }
        Ok(chain)
    }
}

/// A file descriptor for each segment is held until it is released: a log is some dozens of files at most.
fn load(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    dir: &Path,
    number: u64,
    store_id: u64,
) -> Result<(SegmentHeader, Segment)> {
    let path = names::segment(dir, number);
    let file = disk.open(&path, OpenOptions::WRITE)?;
    settle(disk, &file)?;
    // Whatever the last process wrote is believed after a sync only.
    sync_file(lane, &file, false)?;
    let file_bytes = disk.len(&file)?;
    if file_bytes < PAGE as u64 {
        let what = format!("the file was cut: it is only {file_bytes} bytes long");
        return Err(WalError::corrupt(&path, file_bytes, what));
    }
    let buf = super::alloc(disk, PAGE)?;
    let buf = read_exact(lane, &file, 0, buf, PAGE)?;
    let header = SegmentHeader::decode(&buf.as_slice()[..PAGE], &path, number, store_id, file_bytes)?;
    let segment = Segment {
        number,
        start: header.start,
        capacity: header.capacity,
        data_end: header.start + header.capacity,
        is_written: false,
        path,
        file,
    };
    Ok((header, segment))
}

/// Waits for direct writes that a dead process left in flight to `file`: its ring's requests outlive it for the moments that
/// they take, and one that landed after we wrote the same pages would undo ours.
///
/// Allocating what is allocated changes nothing, and ext4 and XFS first wait for all direct I/O on the file. The header page will do: a file
/// with holes, of whatever length, must not be filled. A file system that cannot allocate has no such wait; there this does nothing.
pub(crate) fn settle(disk: &Arc<dyn Disk>, file: &File) -> Result<()> {
    let len = disk.len(file)?.min(PAGE as u64);
    if len > 0
        && let Err(error) = disk.allocate(file, len)
    {
        log::debug!("cannot wait for the writes of a dead process: {error}");
    }
    Ok(())
}

/// `next` names `header`'s segment as the one before it: do they fit?
fn check_link(header: &SegmentHeader, next: &SegmentHeader, path: &Path) -> Result<()> {
    let end = header.start + header.capacity;
    let fits = if next.salt == header.salt {
        next.start == end && next.prev_end == end && next.prev_number == header.number
    } else {
        header.start <= next.prev_end && next.prev_end <= end
    };
    if fits {
        return Ok(());
    }
    let what = format!(
        "its header (positions {} to {end}) does not fit that of segment {}, which continues it at {}",
        header.start, next.number, next.prev_end
    );
    Err(WalError::corrupt(path, 24, what))
}
