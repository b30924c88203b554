//! Where it is measured: a temporary directory, the disks, and the file that is read.
//!
//! All disks share one arena, so that a buffer serves every contender. The directory is removed when the place is dropped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use ringwood_benches::Random;
use ringwood_ring::{
    Arena, Buf, Class, Disk, File, Lane, LaneSpec, Op, OpenOptions, Owner, RegisteredBuffers, SyscallDisk,
    UringConfig, UringDisk,
};
use tempfile::TempDir;

use crate::Result;
use crate::halt::Halt;

/// I/O memory for all contenders: the largest is 256 reads of 64 KiB.
const ARENA_BYTES: usize = 128 << 20;
/// One transfer while files are prepared, and how many are in flight.
const PIECE: usize = 1 << 20;
const PIECES: usize = 8;
/// Left free on the file system, besides the file.
const SPARE_BYTES: u64 = 1 << 30;

/// See the module documentation. One thread asks questions; what it hands out may go to any.
pub(crate) struct Place {
    temp: TempDir,
    arena: Arc<Arena>,
    /// io_uring as the store uses it.
    pub(crate) uring: Arc<dyn Disk>,
    /// io_uring without registered buffers.
    pub(crate) plain: Arc<dyn Disk>,
    /// System calls.
    pub(crate) syscalls: Arc<dyn Disk>,
    pub(crate) halt: Halt,
    pub(crate) file_bytes: u64,
    data: OnceLock<File>,
    seed: AtomicU64,
}

impl Place {
    /// Makes the directory and opens the disks. The file comes when it is asked for.
    pub(crate) fn new(dir: &Path, file_bytes: u64, halt: Halt) -> Result<Self> {
        let arena = Arena::new(ARENA_BYTES)?;
        let plain = UringConfig { buffers: RegisteredBuffers::Off, ..UringConfig::default() };
        let uring: Arc<dyn Disk> = UringDisk::new(Arc::clone(&arena), UringConfig::default())?;
        let plain: Arc<dyn Disk> = UringDisk::new(Arc::clone(&arena), plain)?;
        let syscalls: Arc<dyn Disk> = SyscallDisk::new(Arc::clone(&arena), Vec::new());
        let space = uring.space(dir)?;
        if space.free < file_bytes + SPARE_BYTES {
            let (free, want) = (space.free >> 20, (file_bytes + SPARE_BYTES) >> 20);
            let dir = dir.display();
            return Err(format!(
                "{dir} has {free} MiB free and {want} are wanted; take a smaller --file-mib"
            )
            .into());
        }
        let temp = tempfile::Builder::new().prefix("ring-questions-").tempdir_in(dir);
        let temp = temp.map_err(|e| format!("cannot make a directory in {}: {e}", dir.display()))?;
        let seed = AtomicU64::new(uring.random());
        Ok(Self { temp, arena, uring, plain, syscalls, halt, file_bytes, data: OnceLock::new(), seed })
    }

    /// A disk of its own, so that its counters are its user's alone.
    pub(crate) fn uring_with(&self, config: UringConfig) -> Result<Arc<dyn Disk>> {
        Ok(UringDisk::new(Arc::clone(&self.arena), config)?)
    }

    /// System calls, with counters of their own.
    pub(crate) fn own_syscalls(&self) -> Arc<dyn Disk> {
        SyscallDisk::new(Arc::clone(&self.arena), Vec::new())
    }

    /// A path in the temporary directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    /// A buffer full of noise.
    pub(crate) fn buf(&self, bytes: usize) -> Result<Buf> {
        let mut buf = self.arena.alloc(bytes)?;
        self.random().fill(buf.as_mut_slice());
        Ok(buf)
    }

    /// Random numbers that nobody had before, so that no contender reads what another brought into the device's cache.
    pub(crate) fn random(&self) -> Random {
        Random::new(self.seed.fetch_add(0x1234_5678_9abc_def1, Relaxed))
    }

    /// The file that is read: written, synced and read through when it is first asked for.
    pub(crate) fn data(&self, progress: &dyn Fn(&str)) -> Result<&File> {
        if let Some(file) = self.data.get() {
            return Ok(file);
        }
        let file = self.written("data", self.file_bytes, progress)?;
        // The device below may be cached: whoever read a block first would pay for all.
        self.sweep(&file, self.file_bytes, false, &|done| {
            progress(&format!("reading the file: {done} MiB"));
        })?;
        Ok(self.data.get_or_init(|| file))
    }

    /// A new file of `bytes` bytes of noise, synced.
    pub(crate) fn written(&self, name: &str, bytes: u64, progress: &dyn Fn(&str)) -> Result<File> {
        let file = self.uring.open(&self.path(name), OpenOptions::CREATE)?;
        self.uring.allocate(&file, bytes)?;
        self.sweep(&file, bytes, true, &|done| progress(&format!("writing the file {name}: {done} MiB")))?;
        let mut lane = self.control()?;
        ringwood_ring::sync_file(&mut *lane, &file, false)?;
        Ok(file)
    }

    /// Writes or reads all of a file, some pieces at once.
    fn sweep(&self, file: &File, bytes: u64, write: bool, progress: &dyn Fn(u64)) -> Result<()> {
        let mut lane = self.control()?;
        let piece = PIECE.min(bytes as usize);
        let mut idle = (0..PIECES).map(|_| self.buf(piece)).collect::<Result<Vec<Buf>>>()?;
        let (mut offset, mut done) = (0, Vec::new());
        while offset < bytes || lane.in_flight() > 0 {
            while let Some(buf) = if offset < bytes { idle.pop() } else { None } {
                let (file, len) = (file.clone(), piece.min((bytes - offset) as usize));
                let op = match write {
                    true => Op::Write { file, offset, buf, len, dsync: false },
                    false => Op::Read { file, offset, buf, len },
                };
                lane.push(offset, op).map_err(|_| "the lane is full")?;
                offset += len as u64;
            }
            lane.reap(1, &mut done)?;
            for completion in done.drain(..) {
                completion.result?;
                idle.extend(completion.buf);
            }
            progress(offset >> 20);
            self.halt.check()?;
        }
        Ok(())
    }

    fn control(&self) -> Result<Box<dyn Lane>> {
        let spec = LaneSpec { class: Class::Control, depth: PIECES as u32, owner: Owner::Pool };
        Ok(self.uring.lane(spec)?)
    }
}
