//! Single operations that are waited for: opening, recovery, the manifest. Not for hot paths.

use std::sync::Arc;

use crate::{Arena, Buf, Completion, Disk, File, IoError, IoErrorKind, Lane, Op, Result, page_ceil};

/// Reads exactly `len` bytes at `offset` into `buf`.
///
/// # Errors
/// [`UnexpectedEof`](IoErrorKind::UnexpectedEof) if the file is shorter; else as the kernel says.
pub fn read_exact(lane: &mut dyn Lane, file: &File, offset: u64, buf: Buf, len: usize) -> Result<Buf> {
    let (got, buf) = run(lane, Op::Read { file: file.clone(), offset, buf, len })?;
    if got != len {
        let hint = format!(
            "the file ends after {} bytes; it was cut or is not what it should be",
            offset + got as u64
        );
        return Err(IoError::new("read", file.path(), IoErrorKind::UnexpectedEof, hint).at(offset));
    }
    buf.ok_or_else(|| IoError::new("read", file.path(), IoErrorKind::Failed, "the buffer did not come back"))
}

/// Writes the first `len` bytes of `buf` at `offset`. Not durable before a sync.
///
/// # Errors
/// As the kernel says.
pub fn write_exact(lane: &mut dyn Lane, file: &File, offset: u64, buf: Buf, len: usize) -> Result<Buf> {
    let (_, buf) = run(lane, Op::Write { file: file.clone(), offset, buf, len, dsync: false })?;
    buf.ok_or_else(|| IoError::new("write", file.path(), IoErrorKind::Failed, "the buffer did not come back"))
}

/// Makes the file durable: its bytes, and with `data_only: false` all its metadata.
///
/// # Errors
/// As the kernel says. A failed sync must not be retried: the kernel may have dropped the pages.
pub fn sync_file(lane: &mut dyn Lane, file: &File, data_only: bool) -> Result<()> {
    run(lane, Op::Sync { file: file.clone(), data_only }).map(drop)
}

/// Reads the first `bytes_max` bytes of a file, or all of it if it is shorter, in one piece.
///
/// # Errors
/// As the kernel says; [`Memory`](IoErrorKind::Memory) if the arena has no room.
pub fn read_file(disk: &dyn Disk, lane: &mut dyn Lane, file: &File, bytes_max: u64) -> Result<Vec<u8>> {
    let len = disk.len(file)?.min(bytes_max) as usize;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let offset = bytes.len() as u64;
        let want = page_ceil(len - bytes.len()).min(1 << 20).min(disk.arena().chunk_bytes());
        let buf = alloc(disk.arena(), file, want)?;
        let (got, buf) = run(lane, Op::Read { file: file.clone(), offset, buf, len: want })?;
        let got = got.min(len - bytes.len());
        if let Some(buf) = buf.filter(|_| got > 0) {
            bytes.extend_from_slice(&buf.as_slice()[..got]);
        } else {
            break; // The file was cut while we read: what is there is the answer.
        }
    }
    Ok(bytes)
}

/// A buffer that starts with `bytes` and is zero from there to its end.
///
/// # Errors
/// [`Memory`](IoErrorKind::Memory) if the arena has no room.
pub fn copy_in(arena: &Arc<Arena>, file: &File, bytes: &[u8]) -> Result<Buf> {
    let mut buf = alloc(arena, file, bytes.len())?;
    let (head, tail) = buf.as_mut_slice().split_at_mut(bytes.len());
    head.copy_from_slice(bytes);
    tail.fill(0);
    Ok(buf)
}

fn alloc(arena: &Arc<Arena>, file: &File, bytes: usize) -> Result<Buf> {
    arena
        .alloc(bytes)
        .map_err(|full| IoError::new("buffer", file.path(), IoErrorKind::Memory, full.to_string()))
}

/// Runs one operation on an idle lane.
fn run(lane: &mut dyn Lane, op: Op) -> Result<(usize, Option<Buf>)> {
    let (verb, path) = (op.verb(), op.file().path().to_path_buf());
    let broken = |why: &'static str| IoError::new(verb, &path, IoErrorKind::Failed, why);
    if lane.in_flight() > 0 {
        return Err(broken("the lane is in use"));
    }
    lane.push(0, op).map_err(|_| broken("an idle lane has no room"))?;
    let mut done: Vec<Completion> = Vec::with_capacity(1);
    lane.reap(1, &mut done)?;
    let completion = done.pop().ok_or_else(|| broken("the lane gave no completion"))?;
    completion.result.map(|n| (n, completion.buf))
}
