//! The writer as a state machine: order of operations, limits, failures.

use std::sync::Arc;

use ringwood_ring::{Arena, Class, Completion, Disk, IoError, Op, SyscallDisk};
use ringwood_sstable::{Entry, KEY_BYTES_MAX, Kind, SEQ_MAX, TableError, TableOptions, TableWriter};

use crate::support::{Bench, entry, uniform};

fn writer(bench: &Bench, expected_bytes: u64) -> TableWriter {
    let options = TableOptions { expected_bytes, ..TableOptions::default() };
    TableWriter::create(&bench.disk, &bench.path(1), 1, options, 2, 16 << 10).unwrap()
}

fn put(key: &[u8], seq: u64) -> Entry<'_> {
    Entry { key, seq, kind: Kind::Put, value: b"v" }
}

#[test]
fn bad_entries_are_refused_without_effect() {
    let bench = Bench::new();
    let mut w = writer(&bench, 0);
    let refused = |w: &mut TableWriter, e: Entry<'_>, words: &str| {
        let error = w.add(&e).unwrap_err();
        assert!(matches!(error, TableError::Invalid { .. }));
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(&mut w, put(b"", 1), "0 bytes");
    refused(&mut w, put(&vec![1; KEY_BYTES_MAX + 1], 1), "65536 bytes");
    refused(&mut w, put(b"k", SEQ_MAX), "sequence number");
    let long = vec![0; ringwood_sstable::VALUE_BYTES_MAX + 1];
    refused(&mut w, Entry { value: &long, ..put(b"k", 1) }, "at most 67108864");
    assert!(w.seal().unwrap_err().to_string().contains("without entries"));
    w.add(&put(b"k", 5)).unwrap();
    refused(&mut w, put(b"k", 5), "out of order");
    refused(&mut w, put(b"k", 6), "out of order");
    refused(&mut w, put(b"j", 1), "out of order");
    w.add(&put(b"k", 4)).unwrap();
    w.add(&put(b"l", 9)).unwrap();
    w.seal().unwrap();
    refused(&mut w, put(b"m", 1), "sealed");
    assert!(w.seal().is_err());
    w.drive(&mut *bench.lane(Class::Flush, 4)).unwrap();
    let p = w.finish().unwrap().properties;
    assert_eq!((p.entries, p.keys, p.seq_smallest, p.seq_largest), (3, 2, 4, 9));
    assert_eq!((&p.smallest_key[..], &p.largest_key[..]), (&b"k"[..], &b"l"[..]));
}

/// Writes reach the end, in whole pages, before the one sync; the sync comes after the last write is *completed*.
#[test]
fn the_sync_waits_for_every_write() {
    let bench = Bench::new();
    let mut w = writer(&bench, 1 << 20);
    let mut held: Vec<Op> = Vec::new();
    let mut writes = Vec::new();
    let mut take = |w: &mut TableWriter, held: &mut Vec<Op>| {
        while let Some(op) = w.next_op() {
            if let Op::Write { offset, len, .. } = &op {
                assert!(len.is_multiple_of(4096));
                writes.push((*offset, *len));
            }
            held.push(op);
        }
    };
    let mut lane = bench.lane(Class::Flush, 4);
    let mut finish_one = |w: &mut TableWriter, held: &mut Vec<Op>, newest: bool| {
        let op = if newest { held.pop() } else { (!held.is_empty()).then(|| held.remove(0)) };
        lane.push(0, op.unwrap()).unwrap();
        let mut done: Vec<Completion> = Vec::new();
        lane.reap(1, &mut done).unwrap();
        w.complete(done.pop().unwrap()).unwrap();
    };
    for (i, e) in uniform(2000, 100).iter().enumerate() {
        w.add(&entry(e)).unwrap();
        take(&mut w, &mut held);
        assert_eq!(w.in_flight(), held.len());
        while !w.has_room() {
            // Completions may come in any order.
            finish_one(&mut w, &mut held, i % 2 == 0);
        }
    }
    w.seal().unwrap();
    loop {
        take(&mut w, &mut held);
        if matches!(held.last(), Some(Op::Sync { .. })) {
            assert_eq!(held.len(), 1, "nothing is in flight beside the sync");
            break;
        }
        assert!(!w.is_done());
        finish_one(&mut w, &mut held, true);
    }
    assert!(!w.is_done() && w.next_op().is_none());
    finish_one(&mut w, &mut held, true);
    assert!(w.is_done() && w.next_op().is_none());
    let summary = w.finish().unwrap();
    writes.sort_unstable();
    let end = writes.iter().fold(0, |at, &(offset, len)| {
        assert_eq!(offset, at, "no gap, no overlap");
        at + len as u64
    });
    assert_eq!(end, summary.file_bytes);
    let len = std::fs::metadata(bench.path(1)).unwrap().len();
    assert_eq!(len, summary.file_bytes, "what was reserved too much is cut off");
}

/// A file that outgrows its estimate is reserved further, and right-sized at the end.
#[test]
fn a_wrong_estimate_does_no_harm() {
    for expected in [0, 5000, 100 << 20] {
        let bench = Bench::new();
        let mut w = writer(&bench, expected);
        let mut lane = bench.lane(Class::Flush, 4);
        for e in &uniform(3000, 1000) {
            w.add(&entry(e)).unwrap();
            if !w.has_room() {
                w.drive(&mut *lane).unwrap();
            }
        }
        let estimate = w.estimated_bytes();
        w.seal().unwrap();
        w.drive(&mut *lane).unwrap();
        let bytes = w.finish().unwrap().file_bytes;
        assert!(estimate.abs_diff(bytes) < bytes / 50 + 8192, "{estimate} estimated, {bytes} written");
        assert_eq!(std::fs::metadata(bench.path(1)).unwrap().len(), bytes);
    }
}

#[test]
fn a_writer_that_is_dropped_leaves_no_file() {
    let bench = Bench::new();
    let mut w = writer(&bench, 0);
    w.add(&put(b"k", 1)).unwrap();
    assert!(bench.path(1).exists());
    drop(w);
    assert!(!bench.path(1).exists());
    let mut w = writer(&bench, 0);
    w.add(&put(b"k", 1)).unwrap();
    w.seal().unwrap();
    assert!(w.finish().unwrap_err().to_string().contains("before it was synced"));
    assert!(!bench.path(1).exists());
}

/// Fails operation number `n` (writes first, then the sync) and looks at what the writer makes of it.
#[test]
fn a_failed_operation_is_told_once_and_for_all() {
    let entries = uniform(500, 100);
    let ops = 6; // Two buffers of 16 KiB: five writes and a sync.
    for n in 0..ops {
        let bench = Bench::new();
        let mut w = writer(&bench, 0);
        let mut lane = bench.lane(Class::Flush, 4);
        let (mut count, mut seen) = (0, None);
        let mut step = |w: &mut TableWriter| {
            while let Some(op) = w.next_op() {
                let completion = if count == n {
                    let error = IoError::from_errno("write", op.file().path(), op.offset(), 5);
                    Completion { token: 0, result: Err(error), buf: op.into_buf() }
                } else {
                    lane.push(0, op).unwrap();
                    let mut done = Vec::new();
                    lane.reap(1, &mut done).unwrap();
                    done.pop().unwrap()
                };
                count += 1;
                if let Err(error) = w.complete(completion) {
                    seen = Some(error.to_string());
                }
            }
        };
        for e in &entries {
            if w.add(&entry(e)).is_err() {
                break;
            }
            step(&mut w);
        }
        let sealed = w.seal();
        step(&mut w);
        assert!(w.is_done(), "operation {n}: nothing is left to wait for");
        assert!(w.next_op().is_none());
        let error = w.finish().unwrap_err().to_string();
        assert_eq!(Some(&error), seen.as_ref());
        assert!(error.contains("000001.sst") && error.contains("Input/output error"), "{error}");
        assert!(sealed.is_ok() || n < ops - 1);
        assert!(!bench.path(1).exists());
    }
}

#[test]
fn creation_fails_clearly() {
    let bench = Bench::new();
    std::fs::File::create_new(bench.path(1)).unwrap();
    let create = |disk: &Arc<dyn Disk>, bytes| {
        TableWriter::create(disk, &bench.path(1), 1, TableOptions::default(), 2, bytes).unwrap_err()
    };
    assert!(create(&bench.disk, 4096).to_string().contains("File exists"));
    assert!(bench.path(1).exists(), "another's file stays");
    let small: Arc<dyn Disk> = SyscallDisk::new(Arena::new(64 << 10).unwrap(), Vec::new());
    assert!(create(&small, 1 << 20).to_string().contains("raise the memory budget"));
}
