//! A disk that watches the lanes of another: what background jobs have in flight, and panics on demand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use ringwood_ring::{
    Arena, Buf, Caps, Class, Completion, Counters, DirLock, Disk, File, Lane, LaneSpec, Op, OpenOptions,
    Result, SharedMap, Space,
};

/// What is seen and done on the lanes of flushes and compactions.
#[derive(Debug, Default)]
pub struct Watch {
    ops: AtomicUsize,
    bytes: AtomicUsize,
    ops_peak: AtomicUsize,
    bytes_peak: AtomicUsize,
    /// The next compaction that takes a read panics.
    pub panic_in_compaction: AtomicBool,
    /// The next flush that takes a write panics.
    pub panic_in_flush: AtomicBool,
}

impl Watch {
    /// Most operations, and most bytes, that were in flight at a time since this was last asked.
    pub fn take_peaks(&self) -> (usize, usize) {
        (
            self.ops_peak.swap(self.ops.load(SeqCst), SeqCst),
            self.bytes_peak.swap(self.bytes.load(SeqCst), SeqCst),
        )
    }

    fn push(&self, class: Class, op: &Op) {
        let (trap, bytes) = match op {
            Op::Read { len, .. } => (&self.panic_in_compaction, *len),
            Op::Write { len, .. } => (&self.panic_in_flush, *len),
            Op::Sync { .. } => return,
        };
        let is_trapped =
            matches!((class, op), (Class::Compaction, Op::Read { .. }) | (Class::Flush, Op::Write { .. }));
        assert!(!(is_trapped && trap.swap(false, SeqCst)), "a panic that the test asked for");
        self.ops_peak.fetch_max(self.ops.fetch_add(1, SeqCst) + 1, SeqCst);
        self.bytes_peak.fetch_max(self.bytes.fetch_add(bytes, SeqCst) + bytes, SeqCst);
    }

    fn complete(&self, completion: &Completion) {
        // A sync has no buffer.
        if completion.buf.is_some() {
            self.ops.fetch_sub(1, SeqCst);
            // Whole operations only are counted, which all are but the last read of a file.
            let bytes = completion
                .result
                .as_ref()
                .map_or_else(|_| completion.buf.as_ref().map_or(0, Buf::len), |n| *n);
            self.bytes.fetch_sub(bytes, SeqCst);
        }
    }
}

/// See the module documentation.
#[derive(Debug)]
pub struct WatchedDisk {
    disk: Arc<dyn Disk>,
    watch: Arc<Watch>,
}

impl WatchedDisk {
    /// Watches `disk`.
    pub fn new(disk: Arc<dyn Disk>) -> (Arc<Self>, Arc<Watch>) {
        let watch = Arc::new(Watch::default());
        (Arc::new(Self { disk, watch: Arc::clone(&watch) }), watch)
    }
}

#[derive(Debug)]
struct WatchedLane {
    lane: Box<dyn Lane>,
    class: Class,
    watch: Arc<Watch>,
}

impl Lane for WatchedLane {
    fn push(&mut self, token: u64, op: Op) -> std::result::Result<(), Op> {
        if self.lane.room() > 0 {
            self.watch.push(self.class, &op);
        }
        self.lane.push(token, op)
    }

    fn push_chain(&mut self, ops: &mut Vec<(u64, Op)>) -> bool {
        self.lane.push_chain(ops)
    }

    fn reap(&mut self, min: usize, out: &mut Vec<Completion>) -> Result<usize> {
        let before = out.len();
        let reaped = self.lane.reap(min, out);
        out[before..].iter().for_each(|c| self.watch.complete(c));
        reaped
    }

    fn submit(&mut self) -> Result<()> {
        self.lane.submit()
    }

    fn room(&self) -> usize {
        self.lane.room()
    }

    fn in_flight(&self) -> usize {
        self.lane.in_flight()
    }

    fn depth(&self) -> usize {
        self.lane.depth()
    }
}

impl Disk for WatchedDisk {
    fn caps(&self) -> Caps {
        self.disk.caps()
    }

    fn arena(&self) -> &Arc<Arena> {
        self.disk.arena()
    }

    fn counters(&self) -> &Counters {
        self.disk.counters()
    }

    fn now(&self) -> u64 {
        self.disk.now()
    }

    fn random(&self) -> u64 {
        self.disk.random()
    }

    fn lane(&self, spec: LaneSpec) -> Result<Box<dyn Lane>> {
        let lane = self.disk.lane(spec)?;
        if !matches!(spec.class, Class::Flush | Class::Compaction) {
            return Ok(lane);
        }
        Ok(Box::new(WatchedLane { lane, class: spec.class, watch: Arc::clone(&self.watch) }))
    }

    fn open(&self, path: &Path, options: OpenOptions) -> Result<File> {
        self.disk.open(path, options)
    }

    fn len(&self, file: &File) -> Result<u64> {
        self.disk.len(file)
    }

    fn allocate(&self, file: &File, len: u64) -> Result<bool> {
        self.disk.allocate(file, len)
    }

    fn truncate(&self, file: &File, len: u64) -> Result<()> {
        self.disk.truncate(file, len)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.disk.remove(path)
    }

    fn create_dir(&self, path: &Path) -> Result<()> {
        self.disk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        self.disk.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        self.disk.sync_dir(dir)
    }

    fn lock_dir(&self, dir: &Path) -> Result<Box<dyn DirLock>> {
        self.disk.lock_dir(dir)
    }

    fn map_shared(&self, file: &File, len: usize) -> Result<SharedMap> {
        self.disk.map_shared(file, len)
    }

    fn space(&self, path: &Path) -> Result<Space> {
        self.disk.space(path)
    }
}
