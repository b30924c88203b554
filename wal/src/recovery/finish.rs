//! Making what was recovered durable, in its place.

use std::sync::Arc;

use ringwood_ring::{Disk, Lane, PAGE, page_ceil, read_exact, sync_file, write_exact};

use crate::pump::segments::Segment;
use crate::staging::file::Staged;
use crate::{Lsn, Result};

/// Writes the stream from `from` to `end` to `segments` again and syncs them: up to `staged_from` with the bytes that they
/// hold, from there on with those of the staging ring. What follows `end` in its page becomes zeros.
///
/// Bytes that are rewritten are the same as before, sector by sector, so that a power cut in the middle does no harm.
/// Returns how many bytes were written.
pub(crate) fn rewrite(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    segments: &[Segment],
    from: Lsn,
    staged_from: Lsn,
    staged: Option<&Staged>,
    end: Lsn,
) -> Result<u64> {
    let mut written = 0;
    let mut buf = super::alloc(disk, super::READ_BYTES)?;
    for segment in segments {
        let (low, high) = (from.max(segment.start), end.min(segment.end()));
        if low >= high {
            continue;
        }
        let mut at = low - low % PAGE as u64;
        while at < high {
            let len = page_ceil((high - at) as usize).min(buf.len());
            let until = high.min(at + len as u64);
            buf = read_exact(lane, &segment.file, segment.offset(at), buf, len)?;
            let bytes = buf.as_mut_slice();
            if let Some(staged) = staged.filter(|_| staged_from < until) {
                let first = staged_from.max(at);
                let to = (first - at) as usize..(until - at) as usize;
                bytes[to].copy_from_slice(staged.range(first, until));
            }
            bytes[(until - at) as usize..len].fill(0);
            buf = write_exact(lane, &segment.file, segment.offset(at), buf, len)?;
            written += len as u64;
            at += len as u64;
        }
        sync_file(lane, &segment.file, true)?;
    }
    Ok(written)
}
