//! The lane's logic on a ring that misbehaves: everything that a real kernel does once in a blue moon.

use std::path::PathBuf;
use std::sync::Arc;

use super::core::Core;
use super::fake::{Executed, FakeRing, Fault, Key, Turn};
use crate::file::Handle;
use crate::{Arena, Class, ClassCounts, Completion, Counters, File, Op, PAGE};

/// A lane on a fake ring.
pub(super) struct Bench {
    arena: Arc<Arena>,
    counters: Arc<Counters>,
    pub(super) core: Core<FakeRing>,
}

#[allow(clippy::disallowed_methods, reason = "any open descriptor will do")]
pub(super) fn file() -> File {
    let null = std::fs::File::open("/dev/null").unwrap();
    File::new(PathBuf::from("/data/file"), false, Handle::Os(null.into()))
}

pub(super) fn raw(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(&crate::os::fd(file))
}

pub(super) fn bench(depth: usize, seed: u64) -> Bench {
    let counters = Arc::<Counters>::default();
    let core = Core::new(FakeRing::new(depth, seed), Arc::clone(&counters), Class::Get, depth, 0);
    Bench { arena: Arena::new(8 << 20).unwrap(), counters, core }
}

impl Bench {
    pub(super) fn write(&self, file: &File, page: u64, pages: usize, fill: u8) -> Op {
        let mut buf = self.arena.alloc(pages * PAGE).unwrap();
        buf.as_mut_slice().fill(fill);
        Op::Write { file: file.clone(), offset: page * PAGE as u64, len: buf.len(), buf, dsync: false }
    }

    fn read(&self, file: &File, page: u64, pages: usize) -> Op {
        let buf = self.arena.alloc(pages * PAGE).unwrap();
        Op::Read { file: file.clone(), offset: page * PAGE as u64, len: buf.len(), buf }
    }

    pub(super) fn sync(file: &File) -> Op {
        Op::Sync { file: file.clone(), data_only: true }
    }

    fn fault(&mut self, page: u64, faults: &[Fault]) {
        let key = Key::At(page * PAGE as u64);
        self.core.port.faults.insert(key, faults.iter().copied().collect());
    }

    fn chain(&mut self, ops: Vec<Op>) {
        let mut ops = ops.into_iter().enumerate().map(|(i, op)| (i as u64, op)).collect();
        assert!(self.core.push_chain(&mut ops));
    }

    fn reap_all(&mut self) -> Vec<Completion> {
        let mut out = Vec::new();
        let count = self.core.in_flight();
        assert_eq!(self.core.reap(count, &mut out).unwrap(), count);
        out
    }

    /// Everything, in order: bytes or errno.
    fn results(&mut self) -> Vec<Result<usize, i32>> {
        let done = self.reap_all();
        let tokens: Vec<u64> = done.iter().map(|c| c.token).collect();
        assert!(tokens.is_sorted(), "out of order: {tokens:?}");
        done.into_iter().map(|c| c.result.map_err(|e| e.errno())).collect()
    }

    pub(super) fn counts(&self) -> ClassCounts {
        *self.counters.snapshot().class(Class::Get)
    }

    fn executed(&self, page: u64) -> Vec<bool> {
        let key = Key::At(page * PAGE as u64);
        let all = self.core.port.executed.iter();
        all.filter(|e| e.key == key).map(|e| e.whole).collect()
    }
}

#[test]
fn a_short_read_goes_on_to_the_end_of_the_file() {
    let (mut b, f) = (bench(8, 1), file());
    b.core.port.file = vec![7; 3 * PAGE + 100];
    b.fault(0, &[Fault::Short(PAGE)]);
    b.core.push(1, b.read(&f, 0, 8)).unwrap();
    let done = b.reap_all();
    assert_eq!(*done[0].result.as_ref().unwrap(), 3 * PAGE + 100);
    let buf = done[0].buf.as_ref().unwrap();
    assert!(buf.as_slice()[..3 * PAGE + 100].iter().all(|&x| x == 7));
    // The second piece ended off a page: no third to learn that the file is over.
    let counts = b.counts();
    assert_eq!((counts.sqes, counts.short, counts.reads, counts.plain), (2, 1, 1, 1));
    assert_eq!(counts.read_bytes, 3 * PAGE as u64 + 100);
}

#[test]
fn a_read_that_ends_on_a_page_asks_once_more() {
    let (mut b, f) = (bench(8, 1), file());
    b.core.port.file = vec![7; PAGE];
    b.core.push(1, b.read(&f, 0, 2)).unwrap();
    assert_eq!(b.results(), [Ok(PAGE)]);
    assert_eq!(b.counts().sqes, 2);
}

#[test]
fn a_short_write_in_a_chain_is_finished_then_synced() {
    let (mut b, f) = (bench(8, 1), file());
    b.fault(2, &[Fault::Short(PAGE)]);
    b.chain(vec![b.write(&f, 0, 1, 1), b.write(&f, 2, 4, 2), Bench::sync(&f)]);
    assert_eq!(b.results(), [Ok(PAGE), Ok(4 * PAGE), Ok(0)]);
    assert!(b.core.port.file[2 * PAGE..6 * PAGE].iter().all(|&x| x == 2));
    assert_eq!(b.executed(3), [true], "the rest starts where the first piece ended");
    // Three entries, then the rest of the write and the sync again: two chains for the kernel, one for the caller.
    let counts = b.counts();
    assert_eq!((counts.sqes, counts.short, counts.chains, counts.enters), (5, 1, 1, 2));
    assert_eq!((counts.writes, counts.syncs, counts.failed), (2, 1, 0));
    let synced = b.core.port.executed.last().unwrap();
    assert_eq!(*synced, Executed { key: Key::Sync(raw(&f)), whole: true });
}

#[test]
fn a_full_device_ends_a_chain() {
    let (mut b, f) = (bench(8, 1), file());
    b.fault(0, &[Fault::Short(PAGE)]);
    b.fault(1, &[Fault::Errno(libc::ENOSPC)]);
    b.chain(vec![b.write(&f, 0, 2, 1), Bench::sync(&f)]);
    assert_eq!(b.results(), [Err(libc::ENOSPC), Err(libc::ECANCELED)]);
    assert_eq!(b.counts().failed, 2);
    // A write that moves nothing has no room either.
    b.fault(8, &[Fault::Short(0)]);
    b.core.push(0, b.write(&f, 8, 1, 1)).unwrap();
    assert_eq!(b.results(), [Err(libc::ENOSPC)]);
}

#[test]
fn a_write_that_ends_off_a_page_is_repeated_from_the_page() {
    let (mut b, f) = (bench(8, 1), file());
    b.fault(0, &[Fault::Short(PAGE + 512)]);
    b.core.push(0, b.write(&f, 0, 3, 9)).unwrap();
    assert_eq!(b.results(), [Ok(3 * PAGE)]);
    assert_eq!(b.executed(1), [true]);
}

#[test]
fn a_failure_cancels_the_rest_of_its_chain_only() {
    let (mut b, f) = (bench(8, 1), file());
    b.fault(1, &[Fault::Errno(libc::EIO)]);
    b.chain(vec![b.write(&f, 0, 1, 1), b.write(&f, 1, 1, 1), Bench::sync(&f)]);
    b.core.push(9, b.write(&f, 5, 1, 1)).unwrap();
    let mut results = b.reap_all();
    results.sort_by_key(|c| c.token);
    let results: Vec<_> = results.into_iter().map(|c| c.result.map_err(|e| e.errno())).collect();
    assert_eq!(results, [Ok(PAGE), Err(libc::EIO), Err(libc::ECANCELED), Ok(PAGE)]);
}

#[test]
fn passing_errors_of_operations_are_retried_and_counted() {
    let (mut b, f) = (bench(8, 1), file());
    b.fault(0, &[Fault::Errno(libc::EAGAIN), Fault::Errno(libc::EINTR)]);
    b.chain(vec![b.write(&f, 0, 1, 1), Bench::sync(&f)]);
    assert_eq!(b.results(), [Ok(PAGE), Ok(0)]);
    assert_eq!((b.counts().retries, b.counts().failed), (2, 0));
    // Not for ever: an EAGAIN that never ends is an error in the end.
    b.fault(1, &[Fault::Errno(libc::EAGAIN); 1001]);
    b.core.push(0, b.write(&f, 1, 1, 1)).unwrap();
    assert_eq!(b.results(), [Err(libc::EAGAIN)]);
}

#[test]
fn passing_errors_of_enter_are_retried_and_counted() {
    let (mut b, f) = (bench(8, 1), file());
    b.core.port.turns = [libc::EINTR, libc::EBUSY, libc::EAGAIN].map(Turn::Errno).into();
    b.core.push(0, b.write(&f, 0, 1, 1)).unwrap();
    assert_eq!(b.results(), [Ok(PAGE)]);
    assert_eq!((b.counts().retries, b.counts().enters), (3, 4));
}

#[test]
fn submitting_does_not_wait_for_memory() {
    let (mut b, f) = (bench(8, 1), file());
    b.core.port.turns = [libc::EAGAIN].map(Turn::Errno).into();
    b.core.push(0, b.write(&f, 0, 1, 1)).unwrap();
    b.core.submit().unwrap();
    assert_eq!(b.counts().sqes, 0, "still queued");
    assert_eq!(b.results(), [Ok(PAGE)]);
}

#[test]
fn a_fatal_enter_with_nothing_in_flight_is_an_error() {
    let (mut b, f) = (bench(8, 1), file());
    b.core.port.turns = [libc::EBADF].map(Turn::Errno).into();
    b.core.push(0, b.write(&f, 0, 1, 1)).unwrap();
    let error = b.core.reap(1, &mut Vec::new()).unwrap_err();
    assert_eq!((error.op(), error.errno()), ("enter", libc::EBADF));
}

#[test]
fn a_chain_that_the_kernel_takes_in_part_stays_a_chain() {
    for taken in 1..4 {
        for fail in [false, true] {
            let (mut b, f) = (bench(8, 3), file());
            b.core.port.turns = [Turn::Take(taken)].into();
            if fail {
                b.fault(0, &[Fault::Errno(libc::EIO)]);
            }
            b.chain(vec![b.write(&f, 0, 1, 1), b.write(&f, 1, 1, 2), b.write(&f, 2, 1, 3), Bench::sync(&f)]);
            let results = b.results();
            if fail {
                let canceled = Err(libc::ECANCELED);
                assert_eq!(results, [Err(libc::EIO), canceled, canceled, canceled]);
                assert_eq!(b.core.port.executed.len(), 1, "nothing behind a failed write is started");
            } else {
                assert_eq!(results, [Ok(PAGE), Ok(PAGE), Ok(PAGE), Ok(0)]);
                let whole = b.core.port.executed.iter().filter(|e| e.whole).count();
                assert_eq!(whole, 4, "each once");
                assert_eq!(b.counts().sqes, 4, "fillers are not operations");
            }
        }
    }
}

#[test]
fn a_polled_ring_gets_a_chain_step_by_step() {
    let (mut b, f) = (bench(8, 1), file());
    b.core.port.polled = true;
    b.fault(1, &[Fault::Errno(libc::EIO)]);
    b.chain(vec![b.write(&f, 0, 1, 1), b.write(&f, 1, 1, 2), Bench::sync(&f)]);
    assert_eq!(b.results(), [Ok(PAGE), Err(libc::EIO), Err(libc::ECANCELED)]);
    assert_eq!(b.counts().sqes, 2, "the sync never went out");
}

#[test]
fn the_end_of_a_file_breaks_a_chain_wherever_it_is_met() {
    for polled in [false, true] {
        let (mut b, f) = (bench(8, 1), file());
        b.core.port.polled = polled;
        b.core.port.file = vec![1; 2 * PAGE];
        // Met only by the second piece of the read, and by a chain of which only the head went out.
        b.fault(0, &[Fault::Short(PAGE)]);
        b.chain(vec![b.read(&f, 0, 4), b.write(&f, 0, 1, 9), Bench::sync(&f)]);
        let canceled = Err(libc::ECANCELED);
        assert_eq!(b.results(), [Ok(2 * PAGE), canceled, canceled]);
        assert_eq!(b.core.port.file[0], 1, "a cancelled write is not done");
    }
}

#[test]
fn one_enter_takes_everything_and_waits() {
    let (mut b, f) = (bench(256, 1), file());
    for page in 0..200 {
        b.core.push(page, b.write(&f, page, 1, 1)).unwrap();
    }
    b.reap_all();
    assert_eq!(b.core.port.taken, [200]);
    assert_eq!((b.counts().enters, b.counts().sqes), (1, 200));
}

#[test]
fn draining_waits_for_the_kernel_and_sends_nothing_new() {
    let (mut b, f) = (bench(8, 1), file());
    b.core.push(0, b.write(&f, 0, 1, 1)).unwrap();
    b.core.submit().unwrap();
    b.core.push(1, b.write(&f, 1, 1, 1)).unwrap();
    b.core.drain();
    assert_eq!(b.core.taken(), 0);
    assert!(b.executed(1).is_empty(), "an operation that was never submitted is not started by a drop");
    let arena = Arc::clone(&b.arena);
    drop(b);
    assert_eq!(arena.allocated(), 0);
}
