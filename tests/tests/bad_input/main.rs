//! Bad input of every kind: impossible arguments, foreign and damaged files, directories that cannot be used, machines that forbid things.
//!
//! Each must end in an error of the right kind whose sentence says what is wrong and what to do, and nothing may be lost by it: where
//! the cause is taken away, the store opens and holds everything.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]
#![allow(clippy::disallowed_methods, reason = "tests touch files past the store")]

mod calls;
mod directories;
mod files;
mod full;
mod hostile;
mod limits;
mod machine;

use std::collections::BTreeMap;
use std::path::Path;

use ringwood::{Db, Error, ErrorKind, Options};

type Entries = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// Small, so that a test makes many.
fn options() -> Options {
    Options::new().memory(8 << 20).write_buffer_bytes(64 << 10).table_bytes(64 << 10).compaction_threads(1)
}

fn open(path: &Path) -> ringwood::Result<Db> {
    options().open(path)
}

/// The error must be of `kind`, and name each of `words`.
#[track_caller]
fn expect<T>(result: ringwood::Result<T>, kind: ErrorKind, words: &[&str]) -> Error {
    let error = result.err().unwrap_or_else(|| panic!("it worked, and should be {kind:?} with {words:?}"));
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for word in words {
        assert!(text.contains(word), "the error does not say {word:?}: {text}");
    }
    error
}

/// Everything in a store.
fn contents(db: &Db) -> ringwood::Result<Entries> {
    let mut all = Entries::new();
    for name in db.keyspaces() {
        for entry in db.keyspace(&name)?.iter()? {
            let (key, value) = entry?;
            all.insert((name.clone(), key.to_vec()), value.to_vec());
        }
    }
    Ok(all)
}

/// A store with two keyspaces, tables in two levels and a log that is needed; closed. Returns what it holds.
fn make_store(path: &Path) -> Entries {
    let db = open(path).unwrap();
    let users = db.keyspace("users").unwrap();
    for round in 0..3u32 {
        for i in 0..400u32 {
            db.put(format!("{:05}", i * (round + 1)), vec![round as u8; 300]).unwrap();
            users.put(i.to_le_bytes(), format!("user {i} {round}")).unwrap();
        }
        db.flush().unwrap();
        if round == 1 {
            db.compact().unwrap();
        }
    }
    db.put("in the log", "only").unwrap();
    users.put("in the log", "too").unwrap();
    let all = contents(&db).unwrap();
    db.close().unwrap();
    all
}

/// The store opens and holds what it did.
#[track_caller]
fn assert_whole(path: &Path, expected: &Entries) {
    let db = open(path).unwrap_or_else(|e| panic!("it does not open any more: {e}"));
    assert!(contents(&db).unwrap() == *expected, "it holds something else");
    db.close().unwrap();
}
