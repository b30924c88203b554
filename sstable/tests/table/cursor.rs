//! What a cursor does at the edges.

use std::sync::Arc;

use ringwood_sstable::{Aim, Compression, Kind, RawRun, SEQ_MAX, TableCursor, TableOptions};

use crate::support::{Bench, Owned, entry, uniform};

#[test]
fn the_ends_of_a_table() {
    let bench = Bench::new();
    let entries = uniform(500, 50);
    let mut cursor = TableCursor::new(bench.table(1, &entries, TableOptions::default()));
    assert!(!cursor.is_valid());
    cursor.next(&bench).unwrap();
    assert!(!cursor.is_valid(), "from nowhere to nowhere");
    cursor.go(Aim::Last, &bench).unwrap();
    assert_eq!(cursor.key(), entries[499].0);
    cursor.next(&bench).unwrap();
    assert!(!cursor.is_valid());
    cursor.prev(&bench).unwrap();
    assert!(!cursor.is_valid(), "past the end is no entry: seek again");
    cursor.go(Aim::First, &bench).unwrap();
    cursor.prev(&bench).unwrap();
    assert!(!cursor.is_valid());
    cursor.seek(&[0xff; 20], SEQ_MAX, &bench).unwrap();
    assert!(!cursor.is_valid());
    cursor.go(Aim::AtOrBefore(&[0], 0), &bench).unwrap();
    assert!(!cursor.is_valid());
}

/// A cursor that is kept for later is as a new one.
#[test]
fn a_cursor_at_rest_has_nothing_and_goes_on() {
    let bench = Bench::new();
    let entries = uniform(3000, 50);
    let mut cursor = TableCursor::new(bench.table(1, &entries, TableOptions::default()));
    for (at, entry) in entries.iter().enumerate().step_by(211) {
        cursor.rest();
        assert!(!cursor.is_valid() && cursor.key().is_empty() && cursor.value_ref().is_none());
        assert_eq!((cursor.next_key(), cursor.prev_key()), (None, None));
        cursor.next(&bench).unwrap();
        assert!(!cursor.is_valid());
        cursor.seek(&entry.0, SEQ_MAX, &bench).unwrap();
        for entry in entries.iter().skip(at).take(at % 400) {
            assert_eq!(cursor.key(), entry.0);
            cursor.next(&bench).unwrap();
        }
    }
}

/// Last version of a key, and last key below a bound: what reverse scans ask for.
#[test]
fn backward_seeks_among_versions() {
    let bench = Bench::new();
    let e = |key: &[u8], seq| (key.to_vec(), seq, Kind::Put, Vec::new());
    let entries = vec![e(b"a", 9), e(b"a", 3), e(b"b", 7), e(b"b", 0)];
    let mut cursor = TableCursor::new(bench.table(1, &entries, TableOptions::default()));
    let mut at = |key: &[u8], seq| {
        cursor.go(Aim::AtOrBefore(key, seq), &bench).unwrap();
        cursor.is_valid().then(|| (cursor.key().to_vec(), cursor.seq()))
    };
    assert_eq!(at(b"b", SEQ_MAX), Some((b"a".to_vec(), 3)), "the last entry below key b");
    assert_eq!(at(b"b", 0), Some((b"b".to_vec(), 0)), "the last entry of key b");
    assert_eq!(at(b"a", 8), Some((b"a".to_vec(), 9)));
    assert_eq!(at(b"a", SEQ_MAX), None);
}

/// A compaction's way: read in pieces, walk through each.
#[test]
fn raw_runs_give_every_entry() {
    let bench = Bench::new();
    for (id, compression) in [(1, Compression::None), (2, Compression::Lz4)] {
        let mut entries = uniform(3000, 100);
        entries[1234].3 = vec![3; 200_000];
        let options = TableOptions { compression, ..TableOptions::default() };
        let table = bench.table(id, &entries, options);
        let mut lane = bench.lane(ringwood_ring::Class::Compaction, 4);
        let mut run = RawRun::new(Arc::clone(&table));
        let mut got: Vec<Owned> = Vec::new();
        assert!(!run.advance().unwrap());
        let (mut reads, mut next) = (0, 0);
        for (blocks, extent) in table.reads(0..table.block_count(), 64 << 10) {
            assert!(extent.bytes <= 64 << 10 || blocks.len() == 1);
            assert_eq!(blocks.start, next);
            next = blocks.end;
            reads += 1;
            let buf = bench.disk.arena().alloc_any(extent.bytes).unwrap();
            let buf = ringwood_ring::read_exact(&mut *lane, table.file(), extent.offset, buf, extent.bytes);
            run.fill(blocks, buf.unwrap());
            while run.advance().unwrap() {
                let e = run.entry();
                got.push((e.key.to_vec(), e.seq, e.kind, e.value.to_vec()));
            }
            assert!(!run.advance().unwrap());
        }
        assert_eq!(next, table.block_count());
        assert!(reads < 12, "{reads} reads");
        assert!(got == entries);
        assert_eq!(entry(&got[0]).key, table.properties().smallest_key);
    }
}
