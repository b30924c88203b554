//! Limits of the process at their edges: for each value in a range, the store works, perhaps another way, or says what is wanting. It never
//! hangs or panics, and nothing is lost by it.

use std::path::Path;

use ringwood::{Durability, IoChoice, Options, Result};
use ringwood_tests::{child, confine, dirs, skip};

use crate::{assert_whole, contents, make_store, options};

/// Opens the store, writes so much that it flushes and compacts, reads everything, closes.
fn use_whole_store(options: &Options, path: &Path) -> Result<&'static str> {
    let db = options.clone().open(path)?;
    let backend = db.stats().caps.backend;
    for i in 0..600u32 {
        db.put_with(format!("new {i:04}"), [1; 400], Durability::Buffered)?;
    }
    db.put("synced", "v")?;
    db.compact()?;
    let all = contents(&db)?;
    db.close()?;
    assert!(all.len() > 600);
    Ok(backend)
}

/// For each limit: a copy of one store is used under it, then must be whole without it. Prints what came of each value.
fn at_each(
    test: &str,
    limits: &[u64],
    set: impl Fn(u64) -> std::io::Result<u64>,
    words: &[&str],
    io: &[IoChoice],
) {
    let dir = dirs::fresh();
    let (original, path) = (dir.path().join("original"), dir.path().join("db"));
    let all = make_store(&original);
    let (mut worked, mut failed) = (0, 0);
    for &limit in limits {
        for &io in io {
            let _ = std::fs::remove_dir_all(&path);
            dirs::copy(&original, &path);
            // Above the hard limit there is nothing to be set.
            let Ok(old) = set(limit) else { continue };
            let used = use_whole_store(&options().io(io), &path);
            set(old).unwrap();
            match used {
                Ok(backend) => {
                    println!("{test}: {limit}, {io}: works by {backend}");
                    worked += 1;
                }
                Err(error) => {
                    println!("{test}: {limit}, {io}: {error}");
                    let text = error.to_string();
                    assert!(words.iter().any(|w| text.contains(w)), "{limit}: what is to be done? {text}");
                    failed += 1;
                }
            }
            let db = crate::open(&path).unwrap_or_else(|e| panic!("after {limit}: {e}"));
            let found = contents(&db).unwrap();
            assert!(all.iter().all(|(k, v)| found.get(k) == Some(v)), "after {limit}: something is lost");
            db.close().unwrap();
        }
    }
    assert_whole(&original, &all);
    println!("{test}: worked {worked} times, gave an error {failed} times");
    assert!(worked > 0 && failed > 0, "{test}: the range is not around the edge");
}

#[test]
fn every_number_of_open_files() {
    const TEST: &str = "limits::every_number_of_open_files";
    child::run(TEST, || {
        let limits: Vec<u64> = (4..=48).collect();
        at_each(
            TEST,
            &limits,
            confine::limit_open_files,
            &["ulimit -n"],
            &[IoChoice::Auto, IoChoice::Syscalls],
        );
    });
}

#[test]
fn every_amount_of_locked_memory() {
    const TEST: &str = "limits::every_amount_of_locked_memory";
    child::run(TEST, || {
        // The privilege to pass over the limit goes; all else stays, so that the store's files need no other owner.
        if let Err(error) = confine::drop_ipc_lock() {
            return skip(TEST, error);
        }
        let pages =
            (0..16).map(|n| n * 4096).chain((4..=48).map(|n| n << 14)).chain((1..=8).map(|n| n << 20));
        let limits: Vec<u64> = pages.collect();
        let words = ["ulimit -l", "RLIMIT_MEMLOCK"];
        at_each(TEST, &limits, confine::soft_limit_locked_memory, &words, &[IoChoice::Uring]);
        // With the choice left open it always works.
        let dir = dirs::fresh();
        for limit in [0, 4096, 16 << 10, 64 << 10, 256 << 10, 1 << 20] {
            let old = confine::soft_limit_locked_memory(limit).unwrap();
            let used = use_whole_store(&options(), &dir.path().join(format!("db{limit}")));
            confine::soft_limit_locked_memory(old).unwrap();
            println!("{TEST}: {limit}, auto: works by {}", used.unwrap_or_else(|e| panic!("{limit}: {e}")));
        }
    });
}
