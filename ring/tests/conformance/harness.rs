//! The backends under test, and short words for what the cases do.

use std::path::PathBuf;
use std::sync::Arc;

use ringwood_ring::{
    Arena, Buf, Class, ClassCounts, Completion, Disk, File, IoChoice, Lane, LaneSpec, Op, OpenOptions, Owner,
    PAGE, SimConfig, SimDisk, UringConfig, open_disk,
};

/// Enough for every case, and small enough to be registered under a small locked-memory limit.
const ARENA_BYTES: usize = 4 << 20;

pub struct Backend {
    pub name: &'static str,
    pub disk: Arc<dyn Disk>,
    /// An empty directory of the disk.
    pub root: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

fn kernel(name: &'static str, choice: IoChoice) -> Option<Backend> {
    match open_disk(choice, ARENA_BYTES, UringConfig::default()) {
        Ok(disk) => Some(Backend::of(name, disk)),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

pub fn uring() -> Option<Backend> {
    kernel("uring", IoChoice::Uring)
}

pub fn syscalls() -> Option<Backend> {
    kernel("syscalls", IoChoice::Syscalls)
}

/// Some seeds: each orders completions, cuts transfers short and interrupts in its own way.
pub fn sim() -> Vec<Backend> {
    let open = |seed| {
        let disk = SimDisk::new(seed, SimConfig::default(), arena(ARENA_BYTES));
        let root = PathBuf::from("/root");
        disk.create_dir(&root).unwrap();
        Backend { name: "sim", disk, root, _dir: None }
    };
    (1..=8).map(open).collect()
}

impl Backend {
    /// A backend of the kernel, in a fresh directory.
    pub fn of(name: &'static str, disk: Arc<dyn Disk>) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { name, disk, root: dir.path().to_path_buf(), _dir: Some(dir) }
    }

    /// Whether this is the io_uring backend, for promises about enters and entries.
    pub fn is_uring(&self) -> bool {
        self.name == "uring"
    }

    pub fn lane(&self, class: Class, depth: u32, owner: Owner) -> Box<dyn Lane> {
        self.disk.lane(LaneSpec { class, depth, owner }).unwrap()
    }

    /// A lane for whoever comes.
    pub fn pooled(&self, depth: u32) -> Box<dyn Lane> {
        self.lane(Class::Get, depth, Owner::Pool)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn create(&self, name: &str) -> File {
        self.disk.open(&self.path(name), OpenOptions::CREATE).unwrap()
    }

    /// A file of `pages` pages, page `i` full of `fill + i`.
    pub fn filled(&self, name: &str, pages: usize, fill: u8) -> File {
        let file = self.create(name);
        let mut lane = self.pooled(1);
        for i in 0..pages {
            let buf = self.buf(1, fill.wrapping_add(i as u8));
            ringwood_ring::write_exact(&mut *lane, &file, (i * PAGE) as u64, buf, PAGE).unwrap();
        }
        file
    }

    pub fn buf(&self, pages: usize, fill: u8) -> Buf {
        let mut buf = self.disk.arena().alloc(pages * PAGE).unwrap();
        buf.as_mut_slice().fill(fill);
        buf
    }

    pub fn read(&self, file: &File, page: usize, pages: usize) -> Op {
        Op::Read {
            file: file.clone(),
            offset: (page * PAGE) as u64,
            buf: self.buf(pages, 0xEE),
            len: pages * PAGE,
        }
    }

    pub fn write(&self, file: &File, page: usize, pages: usize, fill: u8) -> Op {
        Op::Write {
            file: file.clone(),
            offset: (page * PAGE) as u64,
            buf: self.buf(pages, fill),
            len: pages * PAGE,
            dsync: false,
        }
    }

    /// Pages of a file as a reader gets them: the fill of each, which must be one byte throughout.
    pub fn fills(&self, file: &File, page: usize, pages: usize) -> Vec<u8> {
        let mut lane = self.pooled(1);
        let done = one(&mut *lane, self.read(file, page, pages));
        let bytes = done.result.unwrap();
        let buf = done.buf.unwrap();
        let whole = buf.as_slice()[..bytes].chunks(PAGE);
        whole
            .map(|p| {
                assert!(p.iter().all(|b| *b == p[0]), "a page of mixed bytes");
                p[0]
            })
            .collect()
    }
}

pub fn sync(file: &File) -> Op {
    Op::Sync { file: file.clone(), data_only: true }
}

/// Runs one operation on an idle lane.
pub fn one(lane: &mut dyn Lane, op: Op) -> Completion {
    lane.push(77, op).unwrap();
    let mut out = Vec::new();
    assert_eq!(lane.reap(1, &mut out).unwrap(), 1);
    let done = out.pop().unwrap();
    assert_eq!(done.token, 77);
    done
}

/// Runs operations as a chain on an idle lane: bytes or errno of each, in order of completion; their order must be that of the chain.
pub fn chain(lane: &mut dyn Lane, ops: Vec<Op>) -> Vec<Result<usize, i32>> {
    let count = ops.len();
    let mut ops: Vec<(u64, Op)> = ops.into_iter().enumerate().map(|(i, op)| (i as u64, op)).collect();
    assert!(lane.push_chain(&mut ops));
    assert!(ops.is_empty(), "a chain that was taken is taken whole");
    let done = all(lane);
    let tokens: Vec<u64> = done.iter().map(|c| c.token).collect();
    assert_eq!(tokens, (0..count as u64).collect::<Vec<_>>());
    done.into_iter().map(|c| c.result.map_err(|e| e.errno())).collect()
}

/// Everything that is in flight.
pub fn all(lane: &mut dyn Lane) -> Vec<Completion> {
    let mut out = Vec::new();
    let count = lane.in_flight();
    assert_eq!(lane.reap(count, &mut out).unwrap(), count);
    assert_eq!((lane.in_flight(), lane.room()), (0, lane.depth()));
    out
}

pub fn arena(bytes: usize) -> Arc<Arena> {
    Arena::new(bytes).unwrap()
}

/// Entries are as many as operations, unless some had to be submitted again.
#[track_caller]
pub fn assert_entries(counts: &ClassCounts, operations: u64) {
    let again = counts.short + counts.retries;
    assert!(counts.sqes == operations || again > 0 && counts.sqes > operations, "{operations}: {counts:?}");
}
