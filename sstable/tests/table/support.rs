//! A disk in a temporary directory, and tables made of sorted lists.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{Arena, Class, ClassCounts, Disk, Lane, LaneSpec, Owner, SyscallDisk};
use ringwood_sstable::{
    BlockCache, BlockFetch, Entry, FetchLane, Kind, Result, Table, TableOptions, TableSummary, TableWriter,
    entry_cmp,
};
use tempfile::TempDir;

pub(crate) type Owned = (Vec<u8>, u64, Kind, Vec<u8>);

pub(crate) struct Bench {
    pub(crate) dir: PathBuf,
    _temp: Option<TempDir>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) cache: Arc<BlockCache>,
    lane: RefCell<Box<dyn Lane>>,
}

pub(crate) const DEPTH: u32 = 64;

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(32 << 20, 4 << 20)
    }

    pub(crate) fn with(arena_bytes: usize, cache_bytes: usize) -> Self {
        // Tests that write a file thousands of times need no device under it.
        let memory = Path::new("/dev/shm");
        let temp = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
        let disk = SyscallDisk::new(Arena::new(arena_bytes).unwrap(), Vec::new());
        Self::on(disk, temp.path().to_path_buf(), Some(temp), cache_bytes)
    }

    pub(crate) fn on(disk: Arc<dyn Disk>, dir: PathBuf, temp: Option<TempDir>, cache_bytes: usize) -> Self {
        let cache = BlockCache::new(disk.arena(), cache_bytes, None);
        let lane = RefCell::new(lane(&disk, Class::Get, DEPTH));
        Self { dir, _temp: temp, disk, cache, lane }
    }

    pub(crate) fn path(&self, id: u64) -> PathBuf {
        self.dir.join(format!("{id:06}.sst"))
    }

    pub(crate) fn write(&self, id: u64, entries: &[Owned], options: TableOptions) -> TableSummary {
        self.try_write(id, entries, options).unwrap()
    }

    pub(crate) fn try_write(
        &self,
        id: u64,
        entries: &[Owned],
        options: TableOptions,
    ) -> Result<TableSummary> {
        let mut writer = TableWriter::create(&self.disk, &self.path(id), id, options, 2, 64 << 10)?;
        let mut lane = self.disk.lane(LaneSpec { class: Class::Flush, depth: 8, owner: Owner::Pool })?;
        for e in entries {
            writer.add(&entry(e))?;
            if !writer.has_room() {
                writer.drive(&mut *lane)?;
            }
        }
        writer.seal()?;
        writer.drive(&mut *lane)?;
        writer.finish()
    }

    pub(crate) fn open(&self, id: u64) -> Result<Arc<Table>> {
        let mut lane = lane(&self.disk, Class::Control, 16);
        Table::open(&self.disk, &mut *lane, &self.cache, &self.path(id), id)
    }

    pub(crate) fn table(&self, id: u64, entries: &[Owned], options: TableOptions) -> Arc<Table> {
        self.write(id, entries, options);
        self.open(id).unwrap()
    }

    /// What `work` does to the disk.
    pub(crate) fn counting<T>(&self, work: impl FnOnce() -> T) -> (T, ClassCounts) {
        let before = self.disk.counters().snapshot().total();
        let result = work();
        (result, self.disk.counters().snapshot().total().since(&before))
    }

    pub(crate) fn lane(&self, class: Class, depth: u32) -> Box<dyn Lane> {
        lane(&self.disk, class, depth)
    }
}

pub(crate) fn lane(disk: &Arc<dyn Disk>, class: Class, depth: u32) -> Box<dyn Lane> {
    disk.lane(LaneSpec { class, depth, owner: Owner::Pool }).unwrap()
}

impl FetchLane for Bench {
    fn fetch(&self, fetch: &mut BlockFetch) -> Result<()> {
        let mut lane = self.lane.borrow_mut();
        fetch.run(&mut **lane);
        assert_eq!(lane.in_flight(), 0, "rule R0");
        Ok(())
    }
}

pub(crate) fn entry(e: &Owned) -> Entry<'_> {
    Entry { key: &e.0, seq: e.1, kind: e.2, value: &e.3 }
}

pub(crate) fn sort(entries: &mut Vec<Owned>) {
    entries.sort_by(|a, b| entry_cmp(&a.0, a.1, &b.0, b.1));
    entries.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
}

/// `n` entries of 16-byte keys and `value` bytes, keys evenly spread, sequence numbers scattered.
pub(crate) fn uniform(n: u64, value: usize) -> Vec<Owned> {
    let entry = |i: u64| {
        let key = format!("{:016x}", i << 32).into_bytes();
        let fill = (0..value).map(|j| (i as usize * 31 + j * 7) as u8).collect();
        (key, i.wrapping_mul(7919) % 1_000_000, Kind::Put, fill)
    };
    (0..n).map(entry).collect()
}

/// Everything of a table, by a cursor.
pub(crate) fn scan(table: &Arc<Table>, lanes: &dyn FetchLane) -> Result<Vec<Owned>> {
    let mut cursor = ringwood_sstable::TableCursor::new(Arc::clone(table));
    let mut all = Vec::new();
    cursor.go(ringwood_sstable::Aim::First, lanes)?;
    while cursor.is_valid() {
        all.push((cursor.key().to_vec(), cursor.seq(), cursor.kind(), cursor.value().to_vec()));
        cursor.next(lanes)?;
    }
    Ok(all)
}

/// A point read as an engine does it: filter, index, cache, one fetch.
pub(crate) fn get(
    table: &Arc<Table>,
    key: &[u8],
    seq: u64,
    lanes: &dyn FetchLane,
) -> Result<Option<(u64, Kind, Vec<u8>)>> {
    use ringwood_sstable::{BlockView, Hint, KeyHash};
    if !table.may_contain(KeyHash::of(key)) {
        return Ok(None);
    }
    let block = table.block_for(key, seq);
    let bytes = match table.cached(block, Hint::Point) {
        Some(bytes) => bytes,
        None => {
            let mut fetch = BlockFetch::new();
            let want = fetch.want(table, block, Hint::Point);
            lanes.fetch(&mut fetch)?;
            fetch.take(want)?
        }
    };
    let found = BlockView::of(&bytes).find(key, seq);
    Ok(found.map(|f| (f.seq, f.kind, bytes[f.value].to_vec())))
}
