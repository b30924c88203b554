//! What calls cost, counted, not timed: by the store's own counters, and by strace in children.
//!
//! `tests/count-syscalls.sh` prints the same figures, with the kernel's tracepoints where they can be had.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]
#![allow(clippy::disallowed_methods, reason = "tests look at files past the store")]

mod commits;
mod compactions;
mod opens;
mod reads;
mod system_calls;

use std::path::Path;

use ringwood::{Class, ClassCounts, CountsSnapshot, Db, IoChoice, Options};
use ringwood_tests::skip;

/// A store on a real ring, or `None`, said once, where there is none.
fn open(test: &str, path: &Path, options: Options) -> Option<Db> {
    match options.io(IoChoice::Uring).open(path) {
        Ok(db) => Some(db),
        Err(error) => {
            skip(test, error);
            None
        }
    }
}

/// What `work` cost in one class.
fn counted(db: &Db, class: Class, work: impl FnOnce()) -> ClassCounts {
    let before = db.stats().io;
    work();
    *db.stats().io.since(&before).class(class)
}

/// Waits until nothing goes to the disk any more.
fn settle(db: &Db) {
    let mut quiet = 0;
    let mut last = CountsSnapshot::default();
    while quiet < 5 {
        std::thread::sleep(std::time::Duration::from_millis(60));
        let now = db.stats().io;
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
}

/// Whether a process has a file open for direct I/O.
fn is_direct(path: &Path) -> Option<bool> {
    const O_DIRECT: i32 = 0o40_000;
    for entry in std::fs::read_dir("/proc/self/fd").ok()? {
        let fd = entry.ok()?.path();
        if std::fs::read_link(&fd).is_ok_and(|target| target == path) {
            let info = std::fs::read_to_string(Path::new("/proc/self/fdinfo").join(fd.file_name()?)).ok()?;
            let flags = info.lines().find_map(|l| l.strip_prefix("flags:"))?;
            return Some(i32::from_str_radix(flags.trim(), 8).ok()? & O_DIRECT != 0);
        }
    }
    None
}
