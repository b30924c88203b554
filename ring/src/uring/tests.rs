//! The lane's logic on a ring that misbehaves: everything that a real kernel does once in a blue moon.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::core::Core;
use super::fake::{Executed, FakeRing, Fault, Key, Turn};
use crate::file::Handle;
use crate::{Arena, Class, ClassCounts, Completion, Counters, File, Op, PAGE};

struct Bench {
    arena: Arc<Arena>,
    counters: Arc<Counters>,
    core: Core<FakeRing>,
}

#[allow(clippy::disallowed_methods, reason = "any open descriptor will do")]
fn file() -> File {
    let null = std::fs::File::open("/dev/null").unwrap();
    File::new(PathBuf::from("/data/file"), false, Handle::Os(null.into()))
}

fn raw(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(&crate::os::fd(file))
}

fn bench(depth: usize, seed: u64) -> Bench {
    let counters = Arc::<Counters>::default();
    let core = Core::new(FakeRing::new(depth, seed), Arc::clone(&counters), Class::Get, depth, 0);
    Bench { arena: Arena::new(8 << 20).unwrap(), counters, core }
}

impl Bench {
    fn write(&self, file: &File, page: u64, pages: usize, fill: u8) -> Op {
        let mut buf = self.arena.alloc(pages * PAGE).unwrap();
        buf.as_mut_slice().fill(fill);
        Op::Write { file: file.clone(), offset: page * PAGE as u64, len: buf.len(), buf, dsync: false }
    }

    fn read(&self, file: &File, page: u64, pages: usize) -> Op {
        let buf = self.arena.alloc(pages * PAGE).unwrap();
        Op::Read { file: file.clone(), offset: page * PAGE as u64, len: buf.len(), buf }
    }

    fn sync(file: &File) -> Op {
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

    fn counts(&self) -> ClassCounts {
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

/// Chains and lone operations under every fault at once, many seeds: each operation completes once; what succeeded did what it
/// says; within a chain nothing started before all before it had succeeded in full.
#[test]
fn chaos_breaks_no_promise() {
    for seed in 0..400 {
        chaos(seed, seed % 4 == 3);
    }
}

fn chaos(seed: u64, polled: bool) {
    let mut b = bench(16, seed);
    b.core.port.polled = polled;
    b.core.port.chaos = 12;
    let files: Vec<File> = (0..160).map(|_| file()).collect();
    // Per token: where it is, its pages, the token before it in its chain.
    let mut plans: Vec<(Key, u64, usize, Option<u64>)> = Vec::new();
    let mut results: HashMap<u64, Result<usize, i32>> = HashMap::new();
    let mut out = Vec::new();
    while plans.len() < 120 {
        let (kind, size) = (b.core.port.random() % 3, 1 + b.core.port.random() as usize % 5);
        let count = if kind == 0 { size } else { 1 };
        let mut ops = Vec::new();
        for i in 0..count {
            let token = plans.len() as u64;
            let (page, pages) = (token * 8, 1 + b.core.port.random() as usize % 6);
            let before = (i > 0).then(|| token - 1);
            let (key, op) = if kind == 0 && i + 1 == count && count > 1 {
                let f = &files[token as usize];
                (Key::Sync(raw(f)), Bench::sync(f))
            } else {
                let key = Key::At(page * PAGE as u64);
                (key, b.write(&files[0], page, pages, token as u8 + 1))
            };
            plans.push((key, page, pages, before));
            ops.push((token, op));
        }
        while b.core.room() < ops.len() {
            b.core.reap(1, &mut out).unwrap();
        }
        if kind == 0 {
            assert!(b.core.push_chain(&mut ops));
        } else {
            let (token, op) = ops.remove(0);
            b.core.push(token, op).unwrap();
        }
        match b.core.port.random() % 4 {
            0 => b.core.submit().unwrap(),
            1 => drop(b.core.reap(0, &mut out).unwrap()),
            2 => drop(b.core.reap(3, &mut out).unwrap()),
            _ => {}
        }
    }
    while b.core.in_flight() > 0 {
        b.core.reap(1, &mut out).unwrap();
    }
    for c in out {
        let token = c.token;
        let fresh = results.insert(token, c.result.map_err(|e| e.errno())).is_none();
        assert!(fresh, "seed {seed}: {token} completed twice");
    }
    assert_eq!(results.len(), plans.len(), "seed {seed}");
    let file = &b.core.port.file;
    for (token, &(key, page, pages, before)) in plans.iter().enumerate() {
        let token = token as u64;
        let start = page as usize * PAGE;
        match (results[&token], key) {
            (Ok(bytes), Key::At(_)) => {
                assert_eq!(bytes, pages * PAGE, "seed {seed}, {token}");
                assert!(
                    file[start..start + bytes].iter().all(|&x| x == token as u8 + 1),
                    "seed {seed}, {token}"
                );
            }
            (Err(libc::ECANCELED), Key::At(_))
                if before.is_some_and(|t| results[&t] == Err(libc::ECANCELED)) =>
            {
                let end = file.len().min(start + pages * PAGE);
                assert!(
                    start >= end || file[start..end].iter().all(|&x| x == 0),
                    "seed {seed}: {token} was written"
                );
            }
            _ => {}
        }
        let Some(before) = before else { continue };
        if results[&before].is_err() {
            assert_eq!(results[&token], Err(libc::ECANCELED), "seed {seed}, {token}");
        }
        // The last full success of the one before comes before the first start of this one.
        let Key::At(at) = plans[before as usize].0 else {
            continue;
        };
        let within = at..at + plans[before as usize].2 as u64 * PAGE as u64;
        let executed = &b.core.port.executed;
        let last = executed.iter().rposition(|e| matches!(e.key, Key::At(x) if within.contains(&x)));
        let own = page * PAGE as u64..(page as usize + pages) as u64 * PAGE as u64;
        let first = executed.iter().position(|e| match (key, e.key) {
            (Key::At(_), Key::At(x)) => own.contains(&x),
            (key, executed) => key == executed,
        });
        if let (Some(last), Some(first)) = (last, first) {
            assert!(executed[last].whole && last < first, "seed {seed}: {token} overtook {before}");
        }
    }
    let counts = b.counts();
    let failed = results.values().filter(|r| r.is_err()).count() as u64;
    assert_eq!(counts.failed, failed);
    assert_eq!(counts.writes + counts.syncs, plans.len() as u64 - failed);
    assert_eq!(counts.plain, counts.writes);
}
