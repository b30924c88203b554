//! Bytes there and back.

use ringwood_ring::{Class, Op, PAGE, copy_in, read_exact, read_file, sync_file, write_exact};

use crate::harness::{Backend, assert_entries, one};

pub fn what_was_written_is_read_back(b: &Backend) {
    let file = b.create("f");
    let mut lane = b.pooled(4);
    let mut buf = b.buf(3, 0);
    for (i, byte) in buf.as_mut_slice().iter_mut().enumerate() {
        *byte = (i % 251) as u8;
    }
    let op = Op::Write { file: file.clone(), offset: 0, len: buf.len(), buf, dsync: false };
    let done = one(&mut *lane, op);
    assert_eq!(done.result.unwrap(), 3 * PAGE);
    let written = done.buf.expect("the buffer comes back");
    let read = one(&mut *lane, b.read(&file, 0, 3));
    assert_eq!(read.result.unwrap(), 3 * PAGE);
    assert!(read.buf.unwrap().as_slice() == written.as_slice());
}

pub fn a_read_across_the_end_is_short(b: &Backend) {
    let file = b.filled("f", 2, 1);
    let mut lane = b.pooled(4);
    let done = one(&mut *lane, b.read(&file, 1, 4));
    assert_eq!(done.result.unwrap(), PAGE);
    let buf = done.buf.unwrap();
    assert!(buf.as_slice()[..PAGE].iter().all(|&x| x == 2));
    // The end of a file need not be on a page.
    b.disk.truncate(&file, PAGE as u64 + 100).unwrap();
    let done = one(&mut *lane, b.read(&file, 0, 4));
    assert_eq!(done.result.unwrap(), PAGE + 100);
}

pub fn a_read_past_the_end_is_empty(b: &Backend) {
    let file = b.filled("f", 1, 1);
    let mut lane = b.pooled(4);
    assert_eq!(one(&mut *lane, b.read(&file, 1, 1)).result.unwrap(), 0);
    assert_eq!(one(&mut *lane, b.read(&file, 1000, 2)).result.unwrap(), 0);
}

pub fn a_write_past_the_end_leaves_zeros(b: &Backend) {
    let file = b.create("f");
    let mut lane = b.pooled(4);
    one(&mut *lane, b.write(&file, 3, 1, 9)).result.unwrap();
    assert_eq!(b.disk.len(&file).unwrap(), 4 * PAGE as u64);
    assert_eq!(b.fills(&file, 0, 4), [0, 0, 0, 9]);
}

pub fn overwriting_leaves_the_neighbours_alone(b: &Backend) {
    let file = b.filled("f", 4, 10);
    let mut lane = b.pooled(4);
    one(&mut *lane, b.write(&file, 1, 2, 99)).result.unwrap();
    assert_eq!(b.fills(&file, 0, 4), [10, 99, 99, 13]);
}

pub fn a_durable_write_is_a_write_and_a_sync(b: &Backend) {
    let file = b.filled("f", 2, 0);
    let mut lane = b.pooled(4);
    let before = b.disk.counters().snapshot();
    let op = Op::Write { file: file.clone(), offset: 0, buf: b.buf(1, 5), len: PAGE, dsync: true };
    assert_eq!(one(&mut *lane, op).result.unwrap(), PAGE);
    let counts = *b.disk.counters().snapshot().since(&before).class(Class::Get);
    assert_eq!((counts.writes, counts.syncs), (1, 1));
    assert_entries(&counts, 1);
    assert_eq!(b.fills(&file, 0, 2), [5, 1]);
}

pub fn large_transfers_arrive_whole(b: &Backend) {
    let file = b.create("f");
    let mut lane = b.pooled(4);
    let pages = (1 << 20) / PAGE;
    assert_eq!(one(&mut *lane, b.write(&file, 0, pages, 0x5A)).result.unwrap(), 1 << 20);
    let done = one(&mut *lane, b.read(&file, 0, pages));
    assert_eq!(done.result.unwrap(), 1 << 20);
    assert!(done.buf.unwrap().as_slice().iter().all(|&x| x == 0x5A));
}

pub fn helpers_read_and_write_files(b: &Backend) {
    let file = b.create("f");
    let mut lane = b.pooled(4);
    let buf = copy_in(b.disk.arena(), &file, b"hello").unwrap();
    let buf = write_exact(&mut *lane, &file, 0, buf, PAGE).unwrap();
    sync_file(&mut *lane, &file, false).unwrap();
    let buf = read_exact(&mut *lane, &file, 0, buf, PAGE).unwrap();
    assert!(buf.as_slice().starts_with(b"hello\0"));
    b.disk.truncate(&file, 5).unwrap();
    assert_eq!(read_file(&*b.disk, &mut *lane, &file, 1 << 20).unwrap(), b"hello");
    let error = read_exact(&mut *lane, &file, 0, buf, PAGE).unwrap_err();
    assert_eq!(error.kind(), ringwood_ring::IoErrorKind::UnexpectedEof);
}
