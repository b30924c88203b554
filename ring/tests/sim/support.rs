//! What the tests share.

use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{
    Arena, Buf, Class, Completion, Disk, File, IoError, Lane, LaneSpec, Op, OpenOptions, Owner, PAGE,
    SimConfig, SimDisk,
};

/// One arena for all tests of a thread: making one costs more than most tests.
pub(crate) fn arena() -> Arc<Arena> {
    thread_local!(static ARENA: Arc<Arena> = Arena::new(16 << 20).unwrap());
    ARENA.with(Arc::clone)
}

pub(crate) fn disk(seed: u64) -> Arc<SimDisk> {
    SimDisk::new(seed, SimConfig::default(), arena())
}

pub(crate) fn disk_with(seed: u64, config: SimConfig) -> Arc<SimDisk> {
    SimDisk::new(seed, config, arena())
}

pub(crate) fn lane(disk: &SimDisk) -> Box<dyn Lane> {
    lane_of(disk, 64)
}

pub(crate) fn lane_of(disk: &SimDisk, depth: u32) -> Box<dyn Lane> {
    let spec = LaneSpec { class: Class::Control, depth, owner: Owner::Pool };
    disk.lane(spec).unwrap()
}

pub(crate) fn create(disk: &SimDisk, path: &str) -> File {
    disk.open(Path::new(path), OpenOptions::CREATE).unwrap()
}

pub(crate) fn open(disk: &SimDisk, path: &str) -> File {
    disk.open(Path::new(path), OpenOptions::WRITE).unwrap()
}

/// A buffer of `pages` pages, each byte `tag`.
pub(crate) fn buf(pages: usize, tag: u8) -> Buf {
    let mut buf = arena().alloc(pages * PAGE).unwrap();
    buf.as_mut_slice().fill(tag);
    buf
}

pub(crate) fn write(file: &File, page: u64, pages: usize, tag: u8) -> Op {
    Op::Write {
        file: file.clone(),
        offset: page * PAGE as u64,
        buf: buf(pages, tag),
        len: pages * PAGE,
        dsync: false,
    }
}

pub(crate) fn write_dsync(file: &File, page: u64, pages: usize, tag: u8) -> Op {
    match write(file, page, pages, tag) {
        Op::Write { file, offset, buf, len, .. } => Op::Write { file, offset, buf, len, dsync: true },
        other => other,
    }
}

pub(crate) fn read(file: &File, page: u64, pages: usize) -> Op {
    Op::Read { file: file.clone(), offset: page * PAGE as u64, buf: buf(pages, 0xee), len: pages * PAGE }
}

pub(crate) fn sync(file: &File) -> Op {
    Op::Sync { file: file.clone(), data_only: true }
}

/// Runs one operation to its end.
pub(crate) fn run(lane: &mut dyn Lane, op: Op) -> Completion {
    lane.push(7, op).unwrap();
    let mut done = Vec::new();
    lane.reap(1, &mut done).unwrap();
    assert_eq!(done.len(), 1);
    assert_eq!(done[0].token, 7);
    done.remove(0)
}

pub(crate) fn ok(lane: &mut dyn Lane, op: Op) -> usize {
    run(lane, op).result.unwrap()
}

pub(crate) fn err(lane: &mut dyn Lane, op: Op) -> IoError {
    run(lane, op).result.unwrap_err()
}

/// Runs all operations to their end; completions in the order they came.
pub(crate) fn run_all(lane: &mut dyn Lane) -> Vec<Completion> {
    let mut done = Vec::new();
    while lane.in_flight() > 0 {
        lane.reap(lane.in_flight(), &mut done).unwrap();
    }
    done
}

pub(crate) fn chain(lane: &mut dyn Lane, ops: Vec<Op>) {
    let mut ops: Vec<(u64, Op)> = ops.into_iter().enumerate().map(|(i, op)| (i as u64, op)).collect();
    assert!(lane.push_chain(&mut ops));
    assert!(ops.is_empty());
}

/// A file of `pages` pages, each byte `tag`, durable with its name.
pub(crate) fn durable_file(disk: &SimDisk, path: &str, pages: usize, tag: u8) -> File {
    disk.write_raw(path, &vec![tag; pages * PAGE]).unwrap();
    open(disk, path)
}

pub(crate) fn bytes(disk: &SimDisk, path: &str) -> Vec<u8> {
    disk.read_raw(path).unwrap()
}

/// The tag of each 512-byte sector, which must be of one byte throughout.
pub(crate) fn sectors(bytes: &[u8]) -> Vec<u8> {
    let tag = |sector: &[u8]| {
        assert!(sector.iter().all(|b| *b == sector[0]), "a sector is torn inside");
        sector[0]
    };
    bytes.chunks(512).map(tag).collect()
}
