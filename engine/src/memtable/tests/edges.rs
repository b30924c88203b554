//! Keys, values and versions at the edges, through the public interface.

use std::sync::Arc;

use super::super::{Found, KeyHash, Kind, Memtable, MemtableCursor, MemtablePool, SEQ_MAX};

fn put(memtable: &Memtable, key: &[u8], seq: u64, value: &[u8]) {
    memtable.insert(key, seq, Kind::Put, value);
}

fn value<'a>(memtable: &'a Memtable, key: &[u8], seq: u64) -> Option<&'a [u8]> {
    memtable.get(key, seq).map(|found| found.value)
}

fn keys(memtable: &Arc<Memtable>) -> Vec<Vec<u8>> {
    let mut cursor = MemtableCursor::new(Arc::clone(memtable));
    cursor.seek_to_first();
    let mut keys = Vec::new();
    while cursor.valid() {
        keys.push(cursor.key().to_vec());
        cursor.next();
    }
    keys
}

#[test]
fn an_empty_memtable_has_nothing_anywhere() {
    let memtable = Memtable::new(0);
    assert!(memtable.is_empty());
    assert_eq!((memtable.len(), memtable.seq_range()), (0, (u64::MAX, 0)));
    assert_eq!(memtable.get(b"", SEQ_MAX), None);
    let mut cursor = MemtableCursor::new(Arc::clone(&memtable));
    let moves: [fn(&mut MemtableCursor); 6] = [
        |cursor| cursor.seek(b"", SEQ_MAX),
        |cursor| cursor.seek_for_prev(b"\xff", 0),
        MemtableCursor::seek_to_first,
        MemtableCursor::seek_to_last,
        MemtableCursor::next,
        MemtableCursor::prev,
    ];
    for go in moves {
        go(&mut cursor);
        assert!(!cursor.valid());
    }
}

#[test]
fn versions_are_seen_as_of_a_sequence_number() {
    let memtable = Memtable::new(0);
    put(&memtable, b"k", 10, b"ten");
    memtable.insert(b"k", 20, Kind::Delete, b"");
    put(&memtable, b"k", 30, b"thirty");
    put(&memtable, b"l", 5, b"");
    let seen = |seq| memtable.get(b"k", seq).map(|found| (found.seq, found.kind, found.value));
    assert_eq!(seen(9), None);
    assert_eq!(seen(10), Some((10, Kind::Put, b"ten".as_slice())));
    assert_eq!(seen(19), Some((10, Kind::Put, b"ten".as_slice())));
    assert_eq!(seen(20), Some((20, Kind::Delete, b"".as_slice())));
    assert_eq!(seen(SEQ_MAX), Some((30, Kind::Put, b"thirty".as_slice())));
    assert_eq!(memtable.get(b"l", 5), Some(Found { seq: 5, kind: Kind::Put, value: b"" }));
    assert_eq!((memtable.len(), memtable.seq_range()), (4, (5, 30)));
}

#[test]
fn the_same_version_twice_changes_nothing() {
    let memtable = Memtable::new(0);
    for round in 0..3_u8 {
        for n in 0..100_u8 {
            put(&memtable, &[n], 7, &[round]);
        }
    }
    assert_eq!(memtable.len(), 100);
    assert!((0..100_u8).all(|n| value(&memtable, &[n], 7) == Some(&[0])));
    assert_eq!(keys(&memtable).len(), 100);
}

/// Heads are padded with zeros, so that these keys all have the same.
#[test]
fn keys_that_differ_by_trailing_zeros_only() {
    let memtable = Memtable::new(0);
    let mut all: Vec<Vec<u8>> = Vec::new();
    for stem in [b"".as_slice(), b"a", b"abcd", b"abcdefgh", b"abcdefghijkl"] {
        all.extend((0..20).map(|zeros| [stem, &vec![0; zeros]].concat()));
    }
    for (seq, key) in all.iter().rev().enumerate() {
        put(&memtable, key, seq as u64, &(key.len() as u64).to_le_bytes());
    }
    assert!(all.iter().all(|key| value(&memtable, key, SEQ_MAX) == Some(&(key.len() as u64).to_le_bytes())));
    assert_eq!(value(&memtable, &[b"abcd".as_slice(), &[0; 20]].concat(), SEQ_MAX), None);
    all.sort();
    assert_eq!(keys(&memtable), all);
}

#[test]
fn keys_that_share_long_prefixes() {
    const ALL: [usize; 11] = [8, 256, 7, 9, 63, 64, 200, 254, 255, 257, 3000];
    let (count, lengths): (u16, _) = if cfg!(miri) { (20, &ALL[..2]) } else { (500, &ALL[..]) };
    for &shared in lengths {
        let memtable = Memtable::new(0);
        let key = |n: u16| [vec![b'x'; shared], n.to_be_bytes().to_vec()].concat();
        for n in (0..count).step_by(2).chain((1..count).step_by(2).rev()) {
            put(&memtable, &key(n), 1 + u64::from(n), &n.to_le_bytes());
        }
        // And some that have less of it.
        put(&memtable, &vec![b'x'; shared], 1000, b"short");
        put(&memtable, b"w", 1001, b"before");
        put(&memtable, &[vec![b'x'; shared - 1], vec![b'y']].concat(), 1002, b"behind");
        assert!((0..count).all(|n| value(&memtable, &key(n), SEQ_MAX) == Some(&n.to_le_bytes())));
        let all = keys(&memtable);
        assert_eq!(all.len(), usize::from(count) + 3);
        assert!(all.is_sorted_by(|a, b| a < b));
        assert_eq!(value(&memtable, &key(count), SEQ_MAX), None);
    }
}

#[test]
fn the_longest_keys_and_large_values() {
    let memtable = Memtable::new(0);
    let long = |last: u8| [vec![9; 65_534], vec![last]].concat();
    // Around the length from which values are stored elsewhere, and far beyond.
    let lengths = [0, 1, (16 << 10) - 1, 16 << 10, (16 << 10) + 1, 65_535, 65_536, 3 << 20];
    let bytes = |n: usize| -> Vec<u8> { (0..n).map(|i| (i * 31 + n) as u8).collect() };
    for (i, len) in lengths.into_iter().enumerate() {
        put(&memtable, &long(i as u8), i as u64, &bytes(len));
        put(&memtable, &[i as u8], 100 + i as u64, &bytes(len));
    }
    for (i, len) in lengths.into_iter().enumerate() {
        assert_eq!(value(&memtable, &long(i as u8), SEQ_MAX), Some(bytes(len).as_slice()));
        assert_eq!(value(&memtable, &[i as u8], SEQ_MAX), Some(bytes(len).as_slice()));
    }
    let payload = 2 * lengths.iter().sum::<usize>() + lengths.len() * 65_536;
    assert!((payload..payload + payload / 4 + (4 << 20)).contains(&memtable.bytes()), "{}", memtable.bytes());
}

#[test]
#[should_panic(expected = "refuses keys")]
fn a_key_that_is_too_long_is_a_bug_of_the_caller() {
    put(&Memtable::new(0), &vec![0; 65_536], 1, b"");
}

#[test]
#[should_panic(expected = "56 bits")]
fn a_sequence_number_that_is_too_large_is_a_bug_of_the_caller() {
    put(&Memtable::new(0), b"k", SEQ_MAX + 1, b"");
}

/// The sequence leaves its place, comes back, and meets others' keys: the writer's short cut must notice.
#[test]
fn interleaved_sequences() {
    let memtable = Memtable::new(0);
    let mut seq = 0;
    let mut all = Vec::new();
    for round in 0_u32..if cfg!(miri) { 3 } else { 300 } {
        for lane in 0..5_u8 {
            for step in 0..=u32::from(lane) {
                let n = round * 8 + step;
                let n = if lane % 2 == 0 { n } else { u32::MAX - n };
                let key = [&[lane][..], &n.to_be_bytes()].concat();
                seq += 1;
                put(&memtable, &key, seq, &seq.to_le_bytes());
                all.push((key, seq));
            }
        }
    }
    assert!(all.iter().all(|(key, seq)| value(&memtable, key, SEQ_MAX) == Some(&seq.to_le_bytes())));
    let mut expected: Vec<_> = all.into_iter().map(|(key, _)| key).collect();
    expected.sort();
    assert_eq!(keys(&memtable), expected);
}

#[test]
fn a_cursor_turns_around_anywhere() {
    let memtable = Memtable::new(0);
    for n in 0..200_u16 {
        put(&memtable, &[(n * 77 % 200) as u8], u64::from(n), &[]);
    }
    let mut cursor = MemtableCursor::new(Arc::clone(&memtable));
    for n in 1..200_u8 {
        cursor.seek(&[n], SEQ_MAX);
        cursor.prev();
        assert_eq!(cursor.key(), [n - 1]);
        cursor.next();
        assert_eq!(cursor.key(), [n]);
    }
    cursor.next();
    assert!(!cursor.valid());
    cursor.prev();
    assert!(!cursor.valid(), "a cursor that is nowhere stays there");
    let here = format!("{cursor:?}");
    cursor.seek_to_first();
    assert_ne!(here, format!("{cursor:?}"));
}

/// Versions of many keys, so many that they fill leaves: a look-up by any number is right on both sides of every boundary.
#[test]
fn many_versions_around_leaf_boundaries() {
    let memtable = Memtable::new(0);
    let mut writer = memtable.writer();
    let count: u64 = if cfg!(miri) { 40 } else { 3000 };
    for seq in 1..=count {
        let key = [b'k', (seq % 7) as u8];
        writer.insert(&key, seq, Kind::Put, &seq.to_le_bytes());
    }
    drop(writer);
    for seq in 0..=count + 1 {
        for lane in 0..7_u64 {
            let expected = (1..=seq.min(count)).rev().find(|version| version % 7 == lane);
            let found = memtable.get(&[b'k', lane as u8], seq).map(|found| found.seq);
            assert_eq!(found, expected, "lane {lane} at {seq}");
        }
    }
}

#[test]
fn values_and_cursors_keep_their_memtable() {
    let memtable = Memtable::new(0);
    let large = vec![3; 100_000];
    put(&memtable, b"a", 1, b"small");
    put(&memtable, b"b", 2, &large);
    let (seq, kind, small) = memtable.get_owned(KeyHash::of(b"a"), b"a", SEQ_MAX).unwrap();
    assert_eq!((seq, kind), (1, Kind::Put));
    let mut cursor = MemtableCursor::new(Arc::clone(&memtable));
    cursor.seek(b"b", SEQ_MAX);
    let kept = cursor.value_owned();
    drop(cursor);
    let weak = Arc::downgrade(&memtable);
    drop(memtable);
    let copy = kept.clone();
    std::thread::spawn(move || {
        assert_eq!(&*small, b"small");
        assert_eq!(kept.as_ref(), [3; 100_000]);
    })
    .join()
    .unwrap();
    assert!(weak.upgrade().is_some());
    assert_eq!(copy.len(), 100_000);
    drop(copy);
    assert!(weak.upgrade().is_none());
}

#[test]
fn what_is_shared_between_threads_may_be() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Memtable>();
    shared::<MemtableCursor>();
    shared::<super::super::MemValue>();
}

#[test]
fn memory_of_an_earlier_memtable_shows_nothing_of_it() {
    let pool = MemtablePool::new(8 << 20);
    for generation in 0..4_u32 {
        let memtable = pool.memtable();
        assert_eq!((keys(&memtable).len(), memtable.seq_range()), (0, (u64::MAX, 0)));
        // Of other sizes each time, so that nodes and records lie elsewhere.
        let value_bytes = 50 + 37 * generation as usize;
        let key = |i: u32| {
            [(i.wrapping_mul(0x9e37_79b1) ^ generation).to_be_bytes(), [generation as u8; 4]].concat()
        };
        for i in 0..80_000 {
            put(&memtable, &key(i), u64::from(i), &vec![generation as u8; value_bytes]);
        }
        assert!(memtable.bytes() > 4 << 20, "large enough for its chunks to be kept");
        for i in 0..80_000 {
            assert_eq!(value(&memtable, &key(i), SEQ_MAX), Some(&vec![generation as u8; value_bytes][..]));
        }
        let keys = keys(&memtable);
        assert_eq!(keys.len(), 80_000);
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|k| k[4..] == [generation as u8; 4]));
    }
}
