//! Files, directories, locks, mappings.

use std::collections::BTreeSet;
use std::path::PathBuf;

use ringwood_ring::{Create, IoErrorKind, OpenOptions, PAGE};

use crate::harness::{Backend, one, sync};

pub fn missing_and_existing_files_are_told_apart(b: &Backend) {
    let path = b.path("f");
    let missing = b.disk.open(&path, OpenOptions::READ).unwrap_err();
    assert_eq!(missing.kind(), IoErrorKind::NotFound);
    assert_eq!((missing.op(), missing.path()), ("open", &*path));
    b.create("f");
    let exists = b.disk.open(&path, OpenOptions::CREATE).unwrap_err();
    assert_eq!(exists.kind(), IoErrorKind::AlreadyExists);
    let if_missing = OpenOptions { create: Create::IfMissing, ..OpenOptions::WRITE };
    b.disk.open(&path, if_missing).unwrap();
    b.disk.open(&b.path("g"), if_missing).unwrap();
    for error in [
        b.disk.remove(&b.path("none")).unwrap_err(),
        b.disk.rename(&b.path("none"), &b.path("h")).unwrap_err(),
        b.disk.list(&b.path("none")).unwrap_err(),
    ] {
        assert_eq!(error.kind(), IoErrorKind::NotFound, "{error}");
    }
}

fn names(b: &Backend) -> BTreeSet<PathBuf> {
    b.disk.list(&b.root).unwrap().into_iter().collect()
}

fn set(names: &[&str]) -> BTreeSet<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

pub fn names_change_as_told(b: &Backend) {
    b.filled("a", 1, 1);
    b.filled("b", 1, 2);
    b.disk.sync_dir(&b.root).unwrap();
    assert_eq!(names(b), set(&["a", "b"]));
    b.disk.rename(&b.path("a"), &b.path("b")).unwrap();
    assert_eq!(names(b), set(&["b"]));
    let file = b.disk.open(&b.path("b"), OpenOptions::READ).unwrap();
    assert_eq!(b.fills(&file, 0, 1), [1], "the renamed file replaced the other");
    b.disk.remove(&b.path("b")).unwrap();
    b.disk.sync_dir(&b.root).unwrap();
    assert!(names(b).is_empty());
}

pub fn sizes_change_as_told(b: &Backend) {
    let file = b.create("f");
    assert_eq!(b.disk.len(&file).unwrap(), 0);
    b.disk.allocate(&file, 64 << 10).unwrap();
    assert_eq!(b.disk.len(&file).unwrap(), 64 << 10);
    assert_eq!(b.fills(&file, 14, 4), [0, 0]);
    // Never shrinks.
    b.disk.allocate(&file, 4 << 10).unwrap();
    assert_eq!(b.disk.len(&file).unwrap(), 64 << 10);
    b.disk.truncate(&file, PAGE as u64).unwrap();
    assert_eq!(b.disk.len(&file).unwrap(), PAGE as u64);
    b.disk.truncate(&file, 3 * PAGE as u64).unwrap();
    assert_eq!(b.fills(&file, 0, 8), [0, 0, 0]);
}

pub fn directories_are_made_and_listed(b: &Backend) {
    let dir = b.path("sub");
    b.disk.create_dir(&dir).unwrap();
    assert_eq!(b.disk.create_dir(&dir).unwrap_err().kind(), IoErrorKind::AlreadyExists);
    let orphan = b.disk.create_dir(&b.path("no/such")).unwrap_err();
    assert_eq!(orphan.kind(), IoErrorKind::NotFound);
    assert!(b.disk.list(&dir).unwrap().is_empty());
    b.create("sub/x");
    assert_eq!(b.disk.list(&dir).unwrap(), [PathBuf::from("x")]);
    b.disk.sync_dir(&dir).unwrap();
    b.disk.sync_dir(&b.root).unwrap();
}

pub fn a_directory_has_one_owner(b: &Backend) {
    let lock = b.disk.lock_dir(&b.root).unwrap();
    assert_eq!(lock.dir(), b.root);
    let second = b.disk.lock_dir(&b.root).unwrap_err();
    assert_eq!(second.kind(), IoErrorKind::Locked);
    assert!(second.to_string().contains("this process"), "{second}");
    drop(lock);
    drop(b.disk.lock_dir(&b.root).unwrap());
}

pub fn a_mapping_and_the_file_are_one(b: &Backend) {
    let options = OpenOptions { direct: false, ..OpenOptions::CREATE };
    let file = b.disk.open(&b.path("staging"), options).unwrap();
    assert!(!file.is_direct());
    let mut lane = b.pooled(4);
    one(&mut *lane, b.write(&file, 0, 2, 0)).result.unwrap();
    one(&mut *lane, sync(&file)).result.unwrap();
    let map = match b.disk.map_shared(&file, 2 * PAGE) {
        Ok(map) => map,
        Err(e) if e.kind() == IoErrorKind::Unsupported => return println!("skipped: {e}"),
        Err(e) => panic!("{e}"),
    };
    assert_eq!(map.len(), 2 * PAGE);
    // SAFETY: the range lies in the map, which nothing else touches.
    unsafe { map.as_ptr().add(PAGE).write_bytes(0x33, PAGE) };
    drop(map);
    assert_eq!(b.fills(&file, 0, 2), [0, 0x33], "what was stored is in the file");
    let map = b.disk.map_shared(&file, PAGE * 2).unwrap();
    // SAFETY: as above.
    assert_eq!(unsafe { map.as_ptr().add(PAGE).read() }, 0x33);
}

pub fn errors_say_what_where_and_why(b: &Backend) {
    let file = b.filled("f", 1, 1);
    let readonly = b.disk.open(file.path(), OpenOptions::READ).unwrap();
    let mut lane = b.pooled(4);
    let done = one(&mut *lane, b.write(&readonly, 3, 1, 1));
    assert!(done.buf.is_some(), "a failed operation gives its buffer back as well");
    let error = done.result.unwrap_err();
    assert_eq!((error.op(), error.path(), error.offset()), ("write", file.path(), Some(3 * PAGE as u64)));
    assert_eq!(error.errno(), libc::EBADF);
    let text = error.to_string();
    assert!(text.contains("cannot write") && text.contains("offset 12288"), "{text}");
}

pub fn space_is_known(b: &Backend) {
    let space = b.disk.space(&b.root).unwrap();
    assert!(space.total > 0 && space.free <= space.total, "{space:?}");
}
