//! Cursors against a map, over keys that put every shortcut of a step to the test: long prefixes in common, versions of a key in one source and in
//! several, tombstones, entries that came later, turns at every place.

use std::collections::BTreeMap;

use crate::{Cursor, Db, Durability, Options};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A fixed sequence of numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Keys of all lengths whose first eight bytes decide, do not decide, or are not there.
fn key(n: u64) -> Vec<u8> {
    match n % 4 {
        0 => format!("a prefix that all of these have in common {n:05}").into_bytes(),
        1 => n.to_be_bytes()[6..].to_vec(),
        2 => [&[7u8; 8][..], &n.to_be_bytes()[4..], &vec![b'x'; (n % 60) as usize]].concat(),
        _ => vec![3; 1 + (n % 300) as usize],
    }
}

fn check(cursor: &Cursor, expected: Option<(&Vec<u8>, &Vec<u8>)>, is_there: bool) {
    assert_eq!((is_there, cursor.valid()), (expected.is_some(), expected.is_some()));
    let empty = Vec::new();
    let (key, value) = expected.unwrap_or((&empty, &empty));
    assert_eq!((cursor.key(), cursor.value()), (&key[..], &value[..]));
    assert_eq!(cursor.value_owned(), value[..]);
}

/// Walks and seeks about, mostly on in one direction.
fn walk(cursor: &mut Cursor, map: &Map, random: &mut Random, moves: usize) {
    let mut at: Option<Vec<u8>> = None;
    let mut is_forward = true;
    for _ in 0..moves {
        if random.below(9) == 0 {
            is_forward = !is_forward;
        }
        let (expected, is_there) = match (&at, random.below(25)) {
            (_, 0) => (map.iter().next(), cursor.seek_to_first().expect("a move")),
            (_, 1) => (map.iter().next_back(), cursor.seek_to_last().expect("a move")),
            (None, _) | (_, 2..4) => {
                let to = key(random.below(700));
                if random.below(2) == 0 {
                    (map.range(to.clone()..).next(), cursor.seek(&to).expect("a move"))
                } else {
                    (map.range(..=to.clone()).next_back(), cursor.seek_for_prev(&to).expect("a move"))
                }
            }
            (Some(at), _) if is_forward => {
                let behind = (std::ops::Bound::Excluded(at.clone()), std::ops::Bound::Unbounded);
                (map.range(behind).next(), cursor.next().expect("a move"))
            }
            (Some(at), _) => (map.range(..at.clone()).next_back(), cursor.prev().expect("a move")),
        };
        check(cursor, expected, is_there);
        at = expected.map(|(key, _)| key.clone());
    }
}

#[test]
fn a_walk_sees_what_a_map_has_whatever_the_sources_are() {
    for seed in 0..6 {
        let dir = tempfile::tempdir().expect("a directory");
        let options = Options::new().durability(Durability::None).write_buffer_bytes(8 << 20);
        let db = options.open(dir.path().join("db")).expect("a store");
        let mut random = Random(seed);
        let mut map = Map::new();
        let mut moments: Vec<(Cursor, Map)> = Vec::new();
        // With them tables keep several versions of a key.
        let mut snapshots = Vec::new();
        for round in 0..8 {
            for i in 0..400 {
                let key = key(random.below(600));
                if random.below(4) == 0 {
                    db.delete(&key).expect("a delete");
                    map.remove(&key);
                } else {
                    let value = vec![i as u8; random.below(200) as usize];
                    db.put(&key, &value).expect("a put");
                    map.insert(key, value);
                }
                if i % 40 == 0 {
                    snapshots.push(db.snapshot());
                }
                if i % 50 == 7 {
                    // Of what the one before it left, over a memtable that was empty then, perhaps.
                    walk(&mut db.cursor().expect("a cursor"), &map, &mut random, 20);
                }
                if i == 200 {
                    moments.push((db.cursor().expect("a cursor"), map.clone()));
                }
            }
            match (seed + round) % 4 {
                0 => db.compact().expect("a compaction"),
                1 | 2 => db.flush().expect("a flush"),
                _ => {}
            }
            moments.push((db.cursor().expect("a cursor"), map.clone()));
            for (cursor, map) in &mut moments {
                walk(cursor, map, &mut random, 120);
            }
        }
        drop((moments, snapshots));
        db.close().expect("closing");
    }
}

#[test]
fn entries_that_come_while_a_cursor_stands_are_not_seen() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = Options::new().durability(Durability::None).open(dir.path().join("db")).expect("a store");
    let mut map = Map::new();
    for i in (0..2000u32).step_by(2) {
        db.put(i.to_be_bytes(), b"old").expect("a put");
        map.insert(i.to_be_bytes().to_vec(), b"old".to_vec());
    }
    let mut cursor = db.cursor().expect("a cursor");
    let mut random = Random(1);
    for i in 0..4000u32 {
        // Around where it stands as much as elsewhere: newer versions, tombstones, new neighbours.
        let near = cursor.key().first_chunk::<4>().map_or(0, |key| u32::from_be_bytes(*key));
        let key =
            if i % 2 == 0 { near.wrapping_add(random.below(5) as u32).wrapping_sub(2) } else { i % 2000 };
        if i % 3 == 0 { db.delete(key.to_be_bytes()) } else { db.put(key.to_be_bytes(), b"new") }
            .expect("a write");
        let (expected, is_there) = if !cursor.valid() {
            (map.iter().next(), cursor.seek_to_first().expect("a move"))
        } else {
            let at = cursor.key().to_vec();
            if random.below(3) == 0 {
                (map.range(..at).next_back(), cursor.prev().expect("a move"))
            } else {
                let behind = (std::ops::Bound::Excluded(at), std::ops::Bound::Unbounded);
                (map.range(behind).next(), cursor.next().expect("a move"))
            }
        };
        check(&cursor, expected, is_there);
    }
    db.close().expect("closing");
}

/// A store far larger than its cache, of two levels.
fn large_store(dir: &std::path::Path, entries: u32) -> Db {
    let options = || Options::new().durability(Durability::None).memory(24 << 20).cache_bytes(2 << 20);
    let db = options().open(dir.join("db")).expect("a store");
    for part in 0..2 {
        for i in (part..entries).step_by(2) {
            db.put(i.to_be_bytes(), [i as u8; 400]).expect("a put");
        }
        db.flush().expect("a flush");
        if part == 0 {
            db.compact().expect("a compaction");
        }
    }
    db.close().expect("closing");
    options().open(dir.join("db")).expect("a store")
}

#[test]
fn long_scans_side_by_side_see_all_while_they_are_read_ahead() {
    const ENTRIES: u32 = 60_000;
    let dir = tempfile::tempdir().expect("a directory");
    let db = large_store(dir.path(), ENTRIES);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let db = db.clone();
            scope.spawn(move || {
                let mut cursor = db.cursor().expect("a cursor");
                for round in 0..3 {
                    // The whole; a part, after which it goes elsewhere; and one that is dropped on the way.
                    let (from, count) =
                        if round == 0 { (0, ENTRIES) } else { (thread * 999, ENTRIES / (thread + 2)) };
                    let mut is_there = cursor.seek(&from.to_be_bytes()).expect("a move");
                    for i in from..(from + count).min(ENTRIES) {
                        assert!(is_there);
                        assert_eq!(
                            (cursor.key(), cursor.value()),
                            (&i.to_be_bytes()[..], &[i as u8; 400][..])
                        );
                        is_there = cursor.next().expect("a move");
                    }
                }
            });
        }
    });
    db.close().expect("closing");
}

#[test]
fn a_scan_that_outlives_the_store_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = large_store(dir.path(), 60_000);
    let mut cursor = db.cursor().expect("a cursor");
    assert!(cursor.seek_to_first().expect("a move"));
    for _ in 0..20_000 {
        assert!(cursor.next().expect("a move"));
    }
    db.close().expect("closing");
    for i in 20_001..60_000u32 {
        assert!(cursor.next().expect("a move"));
        assert_eq!(cursor.key(), i.to_be_bytes());
    }
    assert!(!cursor.next().expect("a move"));
}

#[test]
fn what_cursors_leave_serves_the_next_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = large_store(dir.path(), 20_000);
    for round in 0..40u32 {
        // More at a time than are kept.
        let mut cursors: Vec<Cursor> = (0..1 + round % 20).map(|_| db.cursor().expect("a cursor")).collect();
        for (i, cursor) in (0u32..).zip(&mut cursors) {
            assert!(!cursor.valid());
            assert!(!cursor.next().expect("a move") && !cursor.prev().expect("a move"));
            let at = round * 400 + i;
            assert!(cursor.seek(&at.to_be_bytes()).expect("a move") && cursor.next().expect("a move"));
            assert_eq!(
                (cursor.key(), cursor.value()),
                (&(at + 1).to_be_bytes()[..], &[(at + 1) as u8; 400][..])
            );
            if i % 3 == 0 {
                // Left going backward.
                assert!(cursor.prev().expect("a move"));
            }
        }
    }
    db.close().expect("closing");
}
