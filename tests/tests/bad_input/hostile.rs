//! A directory that somebody prepared to do harm: links that lead out of it, pipes, names and lengths that no store has.
//!
//! It must not make us write outside of it, wait for ever, or take memory or disk space beyond reason; with the right file put back, the store is whole.
//! (Manifests, log records and headers that are impossible and have right checksums are in the tests of their crates.)

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use ringwood::{Durability, ErrorKind, Result};
use ringwood_tests::{child, dirs};

use crate::{Entries, assert_whole, contents, expect, make_store, open};

/// No opening of these small stores takes this long, unless it waits for something that never comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the store and reads it, on a thread of its own: it must come to an end.
#[track_caller]
fn read_in_time(path: &Path) -> Result<Entries> {
    let (sender, receiver) = mpsc::channel();
    let target = path.to_path_buf();
    std::thread::spawn(move || {
        let read = open(&target).and_then(|db| {
            let all = contents(&db)?;
            db.close().map(|()| all)
        });
        let _ = sender.send(read);
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it hangs"))
}

/// A store, what it holds, and its files.
fn patient(dir: &Path) -> (PathBuf, Entries, Vec<PathBuf>) {
    let path = dir.join("db");
    let all = make_store(&path);
    let files = dirs::files(&path);
    for part in ["LOCK", "CURRENT", "MANIFEST-", ".sst", ".log", "staging.map"] {
        assert!(files.iter().any(|f| f.to_string_lossy().contains(part)), "no {part} in {files:?}");
    }
    (path, all, files)
}

/// What was the store's own is outside, with a link in its place: it is neither followed nor harmed.
#[test]
fn links_in_place_of_files_are_not_followed() {
    let dir = dirs::fresh();
    let (path, all, files) = patient(dir.path());
    let outside = dir.path().join("outside");
    for file in &files {
        let inside = path.join(file);
        fs::rename(&inside, &outside).unwrap();
        symlink(&outside, &inside).unwrap();
        let before = fs::read(&outside).unwrap();
        let error = read_in_time(&path).err().unwrap_or_else(|| panic!("{} was followed", file.display()));
        let text = error.to_string();
        assert!(text.contains(&*file.to_string_lossy()) && text.contains("symbolic link"), "{text}");
        assert!(fs::read(&outside).unwrap() == before, "{} was written to", file.display());
        fs::remove_file(&inside).unwrap();
        fs::rename(&outside, &inside).unwrap();
        assert_whole(&path, &all);
    }
    // The log's directory too; the store's own may be reached through a link.
    fs::rename(path.join("wal"), &outside).unwrap();
    symlink(&outside, path.join("wal")).unwrap();
    let before = dirs::files(&outside);
    expect(read_in_time(&path), ErrorKind::Io, &["wal", "symbolic link"]);
    assert_eq!(dirs::files(&outside), before);
    fs::remove_file(path.join("wal")).unwrap();
    fs::rename(&outside, path.join("wal")).unwrap();
    symlink(&path, &outside).unwrap();
    assert_whole(&outside, &all);
}

/// Links under names that the store is going to use: whatever it writes, it writes no file outside.
#[test]
fn links_in_wait_are_not_written_through() {
    let dir = dirs::fresh();
    let (path, all, _) = patient(dir.path());
    let precious = dir.path().join("precious");
    fs::write(&precious, "do not touch").unwrap();
    let mut traps: Vec<PathBuf> =
        ["CURRENT.new", "wal/spare.tmp", "wal/staging.tmp"].map(PathBuf::from).to_vec();
    traps.extend((1..60).map(|n| format!("{n:06}.sst").into()));
    traps.extend((1..60).map(|n| format!("MANIFEST-{n:06}").into()));
    traps.extend((1..20).map(|n| format!("wal/{n:010}.log").into()));
    // The log takes a segment of a later number for its own newest one; that is an error, and this is about the others.
    let logs = traps.iter().filter(|t| t.to_string_lossy().ends_with(".log")).cloned().collect::<Vec<_>>();
    traps.retain(|t| !logs.contains(t));
    for trap in &traps {
        // Fails where there is a file of the store.
        let _ = symlink(&precious, path.join(trap));
    }
    assert_whole(&path, &all);
    for trap in &traps {
        let _ = symlink(&precious, path.join(trap));
    }
    let mut expected = all;
    let db = open(&path).unwrap();
    for i in 0..2000u32 {
        db.put_with(i.to_be_bytes(), [7; 300], Durability::Buffered).unwrap();
        expected.insert(("default".into(), i.to_be_bytes().to_vec()), vec![7; 300]);
        if i % 500 == 0 {
            // Names in the store's way fail a flush or a compaction, which goes on under the next.
            let _ = db.flush();
        }
    }
    let _ = db.compact();
    let _ = db.close();
    assert_whole(&path, &expected);
    assert_eq!(fs::read(&precious).unwrap(), b"do not touch");
    for log in &logs {
        if symlink(&precious, path.join(log)).is_ok() {
            let _ = read_in_time(&path);
            let _ = fs::remove_file(path.join(log));
            assert_whole(&path, &expected);
        }
    }
    assert_eq!(fs::read(&precious).unwrap(), b"do not touch");
}

#[test]
fn pipes_in_place_of_files_are_not_waited_for() {
    let dir = dirs::fresh();
    let (path, all, mut files) = patient(dir.path());
    files.push("wal".into());
    let aside = dir.path().join("aside");
    for file in &files {
        let inside = path.join(file);
        fs::rename(&inside, &aside).unwrap();
        make_pipe(&inside);
        let error = read_in_time(&path).err().unwrap_or_else(|| panic!("{} is a pipe", file.display()));
        assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
        assert!(fs::symlink_metadata(&inside).unwrap().file_type().is_fifo(), "it was replaced");
        fs::remove_file(&inside).unwrap();
        fs::rename(&aside, &inside).unwrap();
        assert_whole(&path, &all);
    }
}

fn make_pipe(path: &Path) {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the string lives through the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
}

#[test]
fn current_names_a_manifest_of_this_directory_or_nothing() {
    let dir = dirs::fresh();
    let (path, all, _) = patient(dir.path());
    let other = dir.path().join("other");
    make_store(&other);
    let right = fs::read(path.join("CURRENT")).unwrap();
    let manifest = fs::read_dir(&other).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let manifest = manifest.into_iter().find(|name| name.starts_with("MANIFEST-")).unwrap();
    for name in [
        format!("../other/{manifest}"),
        format!("{}", other.join(&manifest).display()),
        format!("wal/../{manifest}"),
        "/dev/zero".into(),
        "LOCK".into(),
        "MANIFEST-18446744073709551615".into(),
        "MANIFEST-99999999999999999999999".into(),
    ] {
        let text = format!("{name} {:08x}\n", crc32fast::hash(name.as_bytes()));
        fs::write(path.join("CURRENT"), text).unwrap();
        expect(read_in_time(&path), ErrorKind::Corrupt, &["CURRENT"]);
    }
    fs::write(path.join("CURRENT"), right).unwrap();
    assert_whole(&path, &all);
}

/// The next number is one more than the largest that is seen: names at the end of all numbers are nobody's.
#[test]
fn names_at_the_end_of_all_numbers() {
    let dir = dirs::fresh();
    let (path, all, _) = patient(dir.path());
    let names = [u64::MAX, u64::MAX - 1, (1 << 56) + 1];
    // Larger than any that counts; a leftover all the same.
    fs::write(path.join(format!("{}.sst", 1u64 << 56)), "left over").unwrap();
    let strangers: Vec<PathBuf> = names
        .iter()
        .flat_map(|n| [format!("{n}.sst"), format!("MANIFEST-{n}"), format!("wal/{n}.log")])
        .map(|name| path.join(name))
        .collect();
    for stranger in &strangers {
        fs::write(stranger, "not ours").unwrap();
    }
    assert_whole(&path, &all);
    let db = open(&path).unwrap();
    db.put("one", "more").unwrap();
    db.compact().unwrap();
    db.close().unwrap();
    assert_eq!(open(&path).unwrap().get("one").unwrap().unwrap(), b"more");
    for stranger in &strangers {
        assert_eq!(fs::read(stranger).unwrap(), b"not ours");
    }
}

/// A terabyte of holes behind each file in turn: the truth or an error, soon, and neither memory nor disk space for it.
#[test]
fn lengths_beyond_reason_cost_nothing() {
    const TEST: &str = "hostile::lengths_beyond_reason_cost_nothing";
    child::run(TEST, || {
        let dir = dirs::fresh();
        let (path, all, files) = patient(dir.path());
        let before = peak_bytes();
        for file in &files {
            let target = path.join(file);
            let bytes = fs::read(&target).unwrap();
            let handle = fs::OpenOptions::new().write(true).open(&target).unwrap();
            handle.set_len(1 << 40).unwrap();
            match read_in_time(&path) {
                Ok(found) => assert!(found == all, "{}", file.display()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
            }
            if let Ok(meta) = fs::metadata(&target) {
                assert!(meta.blocks() * 512 < 16 << 20, "{}: {} blocks", file.display(), meta.blocks());
            }
            drop(handle);
            fs::write(&target, bytes).unwrap();
            assert_whole(&path, &all);
        }
        let grown = peak_bytes() - before;
        println!("the peak of memory grew by {grown} bytes");
        assert!(grown < 64 << 20, "{grown}");
    });
}

/// The most memory that this process has had resident.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
