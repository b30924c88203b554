//! The staging file: one header page and the ring. Its size never changes; another size is another file, renamed over it.

use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{
    Create, Disk, File, IoErrorKind, Lane, OpenOptions, PAGE, SharedMap, read_exact, sync_file, write_exact,
};

use crate::recovery::{Source, alloc};
use crate::{Lsn, Result, WalError, header, names};

/// Buffered: a file that is mapped must not be read or written past the page cache.
const OPTIONS: OpenOptions = OpenOptions { write: true, direct: false, create: Create::Never };

/// An existing staging file and the size of its ring.
#[derive(Debug)]
pub(crate) struct StagingFile {
    file: File,
    ring_bytes: u64,
}

impl StagingFile {
    /// Opens the staging file, if there is one.
    pub(crate) fn find(
        disk: &Arc<dyn Disk>,
        lane: &mut dyn Lane,
        dir: &Path,
        store_id: u64,
    ) -> Result<Option<Self>> {
        match Self::open(disk, lane, &dir.join(names::STAGING), store_id) {
            Err(WalError::Io(error)) if error.kind() == IoErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }

    /// Opens the staging file at `path`.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        lane: &mut dyn Lane,
        path: &Path,
        store_id: u64,
    ) -> Result<Self> {
        let file = disk.open(path, OPTIONS)?;
        let file_bytes = disk.len(&file)?;
        if file_bytes < PAGE as u64 {
            let what = format!("the file was cut: it is only {file_bytes} bytes long");
            return Err(WalError::corrupt(path, file_bytes, what));
        }
        let page = read_exact(lane, &file, 0, alloc(disk, PAGE)?, PAGE)?;
        let ring_bytes = header::decode_staging(&page.as_slice()[..PAGE], path, store_id, file_bytes)?;
        Ok(Self { file, ring_bytes })
    }

    /// Bytes of its ring.
    pub(crate) fn ring_bytes(&self) -> u64 {
        self.ring_bytes
    }

    /// What the ring would hold of the stream from `base` to at most `end`, if it holds anything of it.
    pub(crate) fn read(
        &self,
        disk: &Arc<dyn Disk>,
        lane: &mut dyn Lane,
        base: Lsn,
        end: Lsn,
    ) -> Result<Staged> {
        let mut bytes = Vec::with_capacity(self.ring_bytes as usize);
        let mut buf = alloc(disk, crate::recovery::READ_BYTES.min(self.ring_bytes as usize))?;
        while (bytes.len() as u64) < self.ring_bytes {
            let len = buf.len().min(self.ring_bytes as usize - bytes.len());
            buf = read_exact(lane, &self.file, (PAGE + bytes.len()) as u64, buf, len)?;
            bytes.extend_from_slice(&buf.as_slice()[..len]);
        }
        bytes.rotate_left((base % self.ring_bytes) as usize);
        bytes.truncate(end.saturating_sub(base).min(self.ring_bytes) as usize);
        Ok(Staged { base, bytes })
    }
}

/// The bytes of a staging ring, from some log position on.
#[derive(Debug)]
pub(crate) struct Staged {
    base: Lsn,
    bytes: Vec<u8>,
}

impl Staged {
    /// The bytes of positions `from..to`.
    pub(crate) fn range(&self, from: Lsn, to: Lsn) -> &[u8] {
        &self.bytes[(from - self.base) as usize..(to - self.base) as usize]
    }
}

impl Source for Staged {
    fn bytes(&mut self, lsn: Lsn, _want: usize) -> Result<&[u8]> {
        let skip = lsn.saturating_sub(self.base) as usize;
        Ok(self.bytes.get(skip..).unwrap_or(&[]))
    }
    fn end(&self) -> Lsn {
        self.base + self.bytes.len() as u64
    }
}

/// Maps a staging file with a ring of `ring_bytes`: the existing one if its size is right, else a new one in its place. What the old one
/// held must not be needed any more.
///
/// The inner error is the reason why there is none: the file system cannot map, or has no room.
pub(crate) fn provide(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    dir: &Path,
    store_id: u64,
    ring_bytes: u64,
    existing: Option<StagingFile>,
) -> Result<std::result::Result<SharedMap, String>> {
    let file = match existing.filter(|e| e.ring_bytes == ring_bytes) {
        Some(existing) => existing.file,
        None => match create(disk, lane, dir, store_id, ring_bytes) {
            Ok(file) => file,
            Err(error) if error.may_pass() => return Ok(Err(error.to_string())),
            Err(error) => return Err(error),
        },
    };
    Ok(disk.map_shared(&file, PAGE + ring_bytes as usize).map_err(|error| error.to_string()))
}

/// Pre-written and synced in full, so that no store to the mapping can ever fail for want of space; then named.
fn create(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    dir: &Path,
    store_id: u64,
    ring_bytes: u64,
) -> Result<File> {
    let tmp = dir.join(names::STAGING_TMP);
    let made = fill(disk, lane, &tmp, store_id, ring_bytes);
    let file = match made {
        Ok(file) => file,
        Err(error) => {
            if let Err(left) = disk.remove(&tmp) {
                log::debug!("left behind for now: {left}");
            }
            return Err(error);
        }
    };
    disk.rename(&tmp, &dir.join(names::STAGING))?;
    Ok(file)
}

fn fill(
    disk: &Arc<dyn Disk>,
    lane: &mut dyn Lane,
    path: &Path,
    store_id: u64,
    ring_bytes: u64,
) -> Result<File> {
    let options = OpenOptions { create: Create::New, ..OPTIONS };
    let file = disk.open(path, options)?;
    let file_bytes = PAGE as u64 + ring_bytes;
    disk.allocate(&file, file_bytes)?;
    let mut buf = alloc(disk, crate::recovery::READ_BYTES)?;
    buf.as_mut_slice().fill(0);
    buf.as_mut_slice()[..PAGE].copy_from_slice(&header::encode_staging(store_id, ring_bytes));
    let mut offset = 0;
    while offset < file_bytes {
        let len = ((file_bytes - offset) as usize).min(buf.len());
        buf = write_exact(lane, &file, offset, buf, len)?;
        if offset == 0 {
            buf.as_mut_slice()[..PAGE].fill(0);
        }
        offset += len as u64;
    }
    sync_file(lane, &file, false)?;
    Ok(file)
}
