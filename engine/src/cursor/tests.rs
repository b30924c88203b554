//! Keys with very many versions in memory cost a cursor some steps and a search, not a step a version.

use crate::{Cursor, Db, Durability, Options};

const VERSIONS: u32 = 5000;

/// A store whose keys `a`, `b`, `c` have been written over and over, and a cursor over each third of it.
fn store() -> (tempfile::TempDir, Db, Vec<(u32, Cursor)>) {
    let dir = tempfile::tempdir().expect("a directory");
    let db = Options::new().durability(Durability::None).open(dir.path().join("db")).expect("a store");
    let mut cursors = Vec::new();
    for i in 1..=VERSIONS {
        for key in ["a", "b", "c"] {
            if i % 7 == 0 && key == "b" && i != VERSIONS {
                db.delete(key).expect("a delete");
            }
            db.put(key, i.to_be_bytes()).expect("a put");
        }
        if i % (VERSIONS / 4) == 0 {
            cursors.push((i, db.cursor().expect("a cursor")));
        }
    }
    (dir, db, cursors)
}

#[test]
fn both_ways_see_the_newest_of_their_moment_in_few_moves() {
    let (_dir, db, cursors) = store();
    for (seen, mut cursor) in cursors {
        let value = seen.to_be_bytes();
        let before = cursor.moves;
        let mut forward = Vec::new();
        let mut is_there = cursor.seek_to_first().expect("a move");
        while is_there {
            forward.push(cursor.key().to_vec());
            assert_eq!(cursor.value(), value);
            is_there = cursor.next().expect("a move");
        }
        let mut backward = Vec::new();
        is_there = cursor.seek_to_last().expect("a move");
        while is_there {
            backward.push(cursor.key().to_vec());
            assert_eq!(cursor.value(), value);
            is_there = cursor.prev().expect("a move");
        }
        backward.reverse();
        assert_eq!((&forward, &backward), (&vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()], &forward));
        let moves = cursor.moves - before;
        assert!(moves < 400, "{moves} moves for three keys both ways");
    }
    for key in ["a", "b", "c"] {
        db.delete(key).expect("a delete");
    }
    let mut cursor = db.cursor().expect("a cursor");
    assert!(!cursor.seek_to_first().expect("a move"));
    assert!(!cursor.seek_to_last().expect("a move"));
    assert!(cursor.moves < 400, "{} moves to find that all is gone", cursor.moves);
    db.close().expect("closing");
}

/// What a cursor leaves for the next one refers to no block: the cache could not give up the memory of one that is pinned.
#[test]
fn a_cursor_that_is_gone_holds_no_block() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = Options::new().durability(Durability::None).open(dir.path().join("db")).expect("a store");
    (0..5000u32).for_each(|i| db.put(i.to_be_bytes(), [7; 100]).expect("a put"));
    db.flush().expect("a flush");
    for is_forward in [true, false] {
        let mut cursor = db.cursor().expect("a cursor");
        let middle = 2500u32.to_be_bytes();
        assert!(
            if is_forward { cursor.seek(&middle) } else { cursor.seek_for_prev(&middle) }.expect("a move")
        );
        assert!(db.stats().cache.pinned > 0, "the block that it stands in");
        drop(cursor);
        assert_eq!(db.stats().cache.pinned, 0);
    }
    db.close().expect("closing");
}

/// A cursor over an empty memtable leaves that out; the one that takes over its parts does not, once something is in it.
#[test]
fn what_a_cursor_over_an_empty_memtable_left_sees_what_was_written_since() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = Options::new().durability(Durability::None).open(dir.path().join("db")).expect("a store");
    for round in 0..3u8 {
        let keys =
            || db.iter().expect("a scan").map(|entry| entry.expect("an entry").0[0]).collect::<Vec<_>>();
        let before: Vec<u8> = (0..round).collect();
        assert_eq!(keys(), before);
        db.put([round], "value").expect("a put");
        assert_eq!(keys(), [&before[..], &[round]].concat());
        db.flush().expect("a flush");
    }
    db.close().expect("closing");
}
