//! Machines that forbid io_uring, or give little locked memory or few file descriptors.

use std::path::Path;

use ringwood::{Db, ErrorKind, IoChoice};
use ringwood_tests::{child, confine, dirs, logs, skip};

use crate::{assert_whole, contents, expect, make_store, open, options};

/// Writes, flushes, compacts and reads.
fn use_store(path: &Path) -> Db {
    let db = open(path).unwrap();
    for i in 0..3000u32 {
        db.put_with(i.to_be_bytes(), [1; 100], ringwood::Durability::Buffered).unwrap();
    }
    db.put("synced", "v").unwrap();
    db.compact().unwrap();
    assert_eq!(db.iter().unwrap().count(), 3001);
    assert_eq!(db.multi_get(&["synced", "missing"]).unwrap()[0].as_deref(), Some(&b"v"[..]));
    db
}

#[test]
fn io_uring_forbidden_means_system_calls_and_one_warning() {
    for (test, errno) in [
        ("machine::io_uring_forbidden_by_eperm", libc::EPERM),
        ("machine::io_uring_forbidden_by_enosys", libc::ENOSYS),
    ] {
        let text = child::output(&mut child::command(test, &[]));
        assert!(text.contains("went through system calls"), "{errno}: {text}");
    }
}

fn forbidden(test: &str, errno: i32) {
    if !child::is_child(test) {
        return; // The test above runs it.
    }
    child::run(test, || {
        let dir = dirs::fresh();
        let path = dir.path().join("db");
        let all = make_store(&path);
        logs::collect();
        if let Err(error) = confine::forbid_io_uring(errno) {
            println!("went through system calls: not tried");
            return skip(test, format!("no seccomp: {error}"));
        }
        let words = ["io_uring_setup", "seccomp", "run"];
        expect(options().io(IoChoice::Uring).open(&path), ErrorKind::Unsupported, &words);
        assert_eq!(logs::warnings(), Vec::<String>::new(), "an error needs no warning");
        assert_whole(&path, &all);
        let warnings = logs::warnings();
        let about_rings = warnings.iter().filter(|w| w.contains("io_uring"));
        assert_eq!(about_rings.count(), 1, "{warnings:?}");
        assert!(words.iter().all(|word| warnings[0].contains(word)), "{warnings:?}");
        let db = use_store(&dir.path().join("new"));
        let caps = db.stats().caps;
        assert_eq!(caps.backend, "system calls");
        assert!(caps.degraded.iter().any(|why| why.contains("seccomp")), "{caps:?}");
        db.close().unwrap();
        println!("went through system calls");
    });
}

#[test]
fn io_uring_forbidden_by_eperm() {
    forbidden("machine::io_uring_forbidden_by_eperm", libc::EPERM);
}

#[test]
fn io_uring_forbidden_by_enosys() {
    forbidden("machine::io_uring_forbidden_by_enosys", libc::ENOSYS);
}

#[test]
fn little_locked_memory_means_unregistered_buffers() {
    const TEST: &str = "machine::little_locked_memory_means_unregistered_buffers";
    child::run(TEST, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        confine::limit_locked_memory(1 << 20).unwrap();
        let given = confine::give_to_nobody(dir.path()).and_then(|()| confine::become_nobody());
        if let Err(error) = given {
            return skip(TEST, error);
        }
        logs::collect();
        let db = match options().io(IoChoice::Uring).open(dir.path().join("probe")) {
            Ok(db) => {
                db.close().unwrap();
                use_store(&path)
            }
            Err(error) => return skip(TEST, error),
        };
        let stats = db.stats();
        assert_eq!(stats.caps.backend, "io_uring");
        println!("{:?}", stats.caps);
        assert!(stats.io.total().plain > 0 && stats.io.total().fixed == 0, "{stats}");
        let told =
            stats.caps.degraded.iter().any(|why| why.contains("RLIMIT_MEMLOCK") && why.contains("ulimit -l"));
        assert!(told, "{:?}", stats.caps.degraded);
        let all = contents(&db).unwrap();
        db.close().unwrap();
        assert_whole(&path, &all);
    });
}

#[test]
fn hardly_any_locked_memory_is_an_error_that_says_so() {
    const TEST: &str = "machine::hardly_any_locked_memory_is_an_error_that_says_so";
    child::run(TEST, || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let all = make_store(&path);
        for entry in dirs::files(dir.path()) {
            confine::give_to_nobody(&dir.path().join(entry)).unwrap();
        }
        for made in [dir.path().to_path_buf(), path.clone(), path.join("wal")] {
            confine::give_to_nobody(&made).unwrap();
        }
        confine::limit_locked_memory(16 << 10).unwrap();
        if let Err(error) = confine::become_nobody() {
            return skip(TEST, error);
        }
        // One ring of any size is too much: with the choice left open it is system calls, else an error.
        let words = ["RLIMIT_MEMLOCK", "ulimit -l"];
        let error = options().io(IoChoice::Uring).open(&path).expect_err("no ring fits");
        assert!(words.iter().all(|w| error.to_string().contains(w)), "{error}");
        assert_whole(&path, &all);
    });
}

#[test]
fn few_file_descriptors_are_an_error_that_says_so() {
    const TEST: &str = "machine::few_file_descriptors_are_an_error_that_says_so";
    child::run(TEST, || {
        let dir = dirs::fresh();
        let path = dir.path().join("db");
        let all = make_store(&path);
        for limit in [8, 10, 12, 16, 20] {
            let old = confine::limit_open_files(limit).unwrap();
            let opened = open(&path);
            confine::limit_open_files(old).unwrap();
            if let Err(error) = opened {
                println!("{limit}: {error}");
                assert!(error.to_string().contains("ulimit -n"), "what is to be done? {error}");
            }
            assert_whole(&path, &all);
        }
    });
}
