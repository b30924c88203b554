//! Directories that are not a store, not ours, or not to be written.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use ringwood::ErrorKind;
use ringwood_tests::{child, confine, dirs, skip};

use crate::{assert_whole, contents, expect, make_store, open, options};

#[test]
fn a_store_is_opened_once_in_a_process() {
    let dir = dirs::fresh();
    let path = dir.path().join("db");
    let db = open(&path).unwrap();
    expect(open(&path), ErrorKind::Busy, &["this process has it open", "close it first"]);
    // Another way to the same directory is the same directory.
    let alias = dir.path().join("alias");
    symlink(&path, &alias).unwrap();
    expect(open(&alias), ErrorKind::Busy, &["this process has it open"]);
    db.put("k", "v").unwrap();
    db.close().unwrap();
    let db = open(&alias).unwrap();
    assert_eq!(db.get("k").unwrap().unwrap(), b"v");
    drop(db);
    open(&path).unwrap().close().unwrap();
}

#[test]
fn a_store_that_another_process_has_open_names_it() {
    const TEST: &str = "directories::a_store_that_another_process_has_open_names_it";
    if child::is_child(TEST) {
        let db = open(std::env::var("HELD").unwrap().as_ref()).unwrap();
        db.put("from the child", "v").unwrap();
        println!("\nready");
        std::io::stdin().lines().next();
        std::process::abort();
    }
    let dir = dirs::fresh();
    let path = dir.path().join("db");
    let mut command = child::command(TEST, &[]);
    let mut holder = command
        .env("HELD", &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "ready"), "the child did not open the store");
    expect(open(&path), ErrorKind::Busy, &[&format!("process {}", holder.id()), "close it"]);
    // Dead without closing: its lock goes with it, and what it was told is there.
    writeln!(holder.stdin.take().unwrap()).unwrap();
    holder.wait().unwrap();
    assert_eq!(open(&path).unwrap().get("from the child").unwrap().unwrap(), b"v");
}

#[test]
fn a_directory_with_something_else_is_left_alone() {
    let dir = dirs::fresh();
    let path = dir.path().join("photos");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("holiday.jpg"), "pixels").unwrap();
    expect(open(&path), ErrorKind::Invalid, &["photos", "holiday.jpg", "an empty one"]);
    assert_eq!(
        dirs::files(&path),
        [std::path::Path::new("holiday.jpg")],
        "a refused opening left something behind"
    );
    assert_eq!(fs::read(path.join("holiday.jpg")).unwrap(), b"pixels");
    // An empty directory is fine, and so is one where a creation was cut short.
    fs::remove_file(path.join("holiday.jpg")).unwrap();
    for leftover in ["LOCK", "CURRENT.new", "MANIFEST-000001"] {
        fs::write(path.join(leftover), "half").unwrap();
    }
    let db = open(&path).unwrap();
    db.put("k", "v").unwrap();
    db.close().unwrap();
    assert_eq!(open(&path).unwrap().get("k").unwrap().unwrap(), b"v");
}

#[test]
fn a_store_among_other_files_keeps_them() {
    let dir = dirs::fresh();
    let path = dir.path().join("db");
    let all = make_store(&path);
    fs::write(path.join("README"), "do not touch").unwrap();
    fs::create_dir(path.join("backup")).unwrap();
    assert_whole(&path, &all);
    assert_eq!(fs::read(path.join("README")).unwrap(), b"do not touch");
    assert!(path.join("backup").is_dir());
}

#[test]
fn a_file_is_no_directory() {
    let dir = dirs::fresh();
    let path = dir.path().join("file");
    fs::write(&path, "text").unwrap();
    expect(open(&path), ErrorKind::Invalid, &["file is not a directory"]);
    assert_eq!(fs::read(&path).unwrap(), b"text");
}

#[test]
fn a_missing_parent_is_named() {
    let dir = dirs::fresh();
    let path = dir.path().join("missing/db");
    expect(open(&path), ErrorKind::NotFound, &["missing/db", "No such file or directory"]);
    assert!(dirs::files(dir.path()).is_empty());
}

#[test]
fn a_store_that_must_or_must_not_exist() {
    let dir = dirs::fresh();
    let path = dir.path().join("db");
    let missing = options().create_if_missing(false).open(&path);
    expect(missing, ErrorKind::NotFound, &["holds no store", "none was to be created"]);
    assert!(!path.exists());
    let db = options().error_if_exists(true).open(&path).unwrap();
    db.put("k", "v").unwrap();
    db.close().unwrap();
    expect(options().error_if_exists(true).open(&path), ErrorKind::Invalid, &["holds a store already"]);
    assert_eq!(options().create_if_missing(false).open(&path).unwrap().get("k").unwrap().unwrap(), b"v");
}

#[test]
fn a_directory_without_permission() {
    const TEST: &str = "directories::a_directory_without_permission";
    child::run(TEST, || {
        let dir = tempfile::tempdir().unwrap();
        let (sealed, store) = (dir.path().join("sealed"), dir.path().join("sealed/db"));
        for path in [dir.path(), &sealed, &store] {
            let _ = fs::create_dir(path);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let all = make_store(&store.join("mine"));
        if let Err(error) = confine::become_nobody() {
            return skip(TEST, error);
        }
        let words = ["Permission denied", "owner and mode"];
        expect(open(&store.join("new")), ErrorKind::Io, &words);
        let error = open(&store.join("mine")).expect_err("nobody must not open it");
        assert!(words.iter().all(|w| error.to_string().contains(w)), "{error}");
        drop(all);
    });
}

#[test]
fn a_read_only_file_system() {
    const TEST: &str = "directories::a_read_only_file_system";
    child::run(TEST, || {
        let dir = dirs::fresh();
        let path = dir.path().join("db");
        let all = make_store(&path);
        let before = dirs::files(&path);
        if let Err(error) = confine::own_mounts().and_then(|()| confine::mount_read_only(dir.path())) {
            return skip(TEST, format!("no mounts of its own: {error}"));
        }
        let words = ["Read-only file system", "whether the file system is read-only"];
        expect(open(&path), ErrorKind::Io, &words);
        expect(open(&dir.path().join("new")), ErrorKind::Io, &words);
        assert_eq!(dirs::files(&path), before);
        confine::unmount(dir.path()).unwrap();
        assert_whole(&path, &all);
        // One that turns read-only under an open store: reads go on, and what was acknowledged stays.
        let db = open(&path).unwrap();
        db.put("last", "write").unwrap();
        confine::mount_read_only(dir.path()).unwrap();
        assert!(contents(&db).is_ok());
        drop(db);
        confine::unmount(dir.path()).unwrap();
        assert_eq!(open(&path).unwrap().get("last").unwrap().unwrap(), b"write");
    });
}

/// Nobody but the owner can read what a store holds.
#[test]
fn files_are_private() {
    let dir = dirs::fresh();
    let store = dir.path().join("store");
    make_store(&store);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(&store), mode(&store.join("wal"))], [0o700, 0o700]);
    let files = dirs::files(&store);
    assert!(files.len() > 4, "{files:?}");
    for file in files {
        assert_eq!(mode(&store.join(&file)) & 0o077, 0, "{}", file.display());
    }
}
