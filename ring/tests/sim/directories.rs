//! Names through a power loss, and the rules of a file system's calls.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ringwood_ring::{Create, Disk, IoErrorKind, OpenOptions, PAGE, SimDisk};

use crate::support::*;

fn names(disk: &SimDisk) -> Vec<String> {
    let names = disk.file_names();
    names.iter().map(|p| p.to_string_lossy().into_owned()).collect()
}

/// The sets of names left by 300 power losses after `work`.
fn outcomes(work: impl Fn(&SimDisk)) -> BTreeSet<Vec<String>> {
    (0..300)
        .map(|seed| {
            let disk = disk(seed);
            work(&disk);
            disk.power_loss(seed);
            names(&disk)
        })
        .collect()
}

fn set(outcomes: &[&[&str]]) -> BTreeSet<Vec<String>> {
    outcomes.iter().map(|o| o.iter().map(ToString::to_string).collect()).collect()
}

fn synced(disk: &SimDisk, path: &str, tag: u8) {
    let file = create(disk, path);
    let mut lane = lane(disk);
    ok(&mut *lane, write(&file, 0, 1, tag));
    ok(&mut *lane, sync(&file));
}

#[test]
fn a_synced_file_may_lose_its_name() {
    assert_eq!(outcomes(|disk| synced(disk, "/f", 1)), set(&[&[], &["/f"]]));
}

#[test]
fn a_synced_directory_keeps_its_names() {
    let work = |disk: &SimDisk| {
        synced(disk, "/f", 1);
        synced(disk, "/g", 1);
        disk.remove("/g".as_ref()).unwrap();
        disk.rename("/f".as_ref(), "/h".as_ref()).unwrap();
        disk.sync_dir("/".as_ref()).unwrap();
    };
    assert_eq!(outcomes(work), set(&[&["/h"]]));
}

#[test]
fn a_durable_name_does_not_make_the_bytes_durable() {
    let mut kept = BTreeSet::new();
    for seed in 0..300 {
        let disk = disk(seed);
        let mut lane = lane(&disk);
        let file = create(&disk, "/f");
        ok(&mut *lane, write(&file, 0, 2, 1));
        disk.sync_dir("/".as_ref()).unwrap();
        disk.power_loss(seed);
        let bytes = bytes(&disk, "/f");
        kept.insert((bytes.len() / PAGE, bytes.contains(&1)));
    }
    assert_eq!(kept, BTreeSet::from([(0, false), (2, false), (2, true)]));
}

#[test]
fn names_survive_in_any_order() {
    let work = |disk: &SimDisk| {
        create(disk, "/a");
        create(disk, "/b");
    };
    assert_eq!(outcomes(work), set(&[&[], &["/a"], &["/b"], &["/a", "/b"]]));
}

#[test]
fn changes_of_one_name_survive_in_their_order() {
    let work = |disk: &SimDisk| {
        synced(disk, "/a", 1);
        disk.sync_dir("/".as_ref()).unwrap();
        disk.remove("/a".as_ref()).unwrap();
        synced(disk, "/a", 2);
    };
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let disk = disk(seed);
        work(&disk);
        disk.power_loss(seed);
        seen.insert(disk.read_raw("/a").map_or(0, |bytes| bytes[0]));
    }
    assert_eq!(seen, BTreeSet::from([0, 1, 2]), "the old file, none, or the new one");
}

#[test]
fn a_rename_is_whole_or_not_at_all() {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let disk = disk(seed);
        synced(&disk, "/current", 1);
        synced(&disk, "/tmp", 2);
        disk.sync_dir("/".as_ref()).unwrap();
        disk.rename("/tmp".as_ref(), "/current".as_ref()).unwrap();
        disk.power_loss(seed);
        seen.insert((names(&disk), bytes(&disk, "/current")[0]));
    }
    let before = (vec!["/current".to_owned(), "/tmp".to_owned()], 1);
    let after = (vec!["/current".to_owned()], 2);
    assert_eq!(seen, BTreeSet::from([before, after]));
}

#[test]
fn a_rename_rests_on_the_creation_before_it() {
    let work = |disk: &SimDisk| {
        create(disk, "/tmp");
        disk.rename("/tmp".as_ref(), "/current".as_ref()).unwrap();
    };
    assert_eq!(outcomes(work), set(&[&[], &["/tmp"], &["/current"]]));
}

/// A name taken over by a new file: the old file is under one of its names in every outcome.
#[test]
fn a_creation_rests_on_the_rename_that_freed_its_name() {
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let disk = disk(seed);
        synced(&disk, "/a", 1);
        disk.sync_dir("/".as_ref()).unwrap();
        disk.rename("/a".as_ref(), "/b".as_ref()).unwrap();
        synced(&disk, "/a", 2);
        disk.power_loss(seed);
        let tag = |path: &str| disk.read_raw(path).map_or(0, |bytes| bytes[0]);
        seen.insert((tag("/a"), tag("/b")));
    }
    assert_eq!(seen, BTreeSet::from([(1, 0), (0, 1), (2, 1)]));
}

#[test]
fn a_rename_between_directories_is_synced_by_either() {
    for side in ["/x", "/y"] {
        let work = |disk: &SimDisk| {
            disk.create_dir("/x".as_ref()).unwrap();
            disk.create_dir("/y".as_ref()).unwrap();
            disk.sync_dir("/".as_ref()).unwrap();
            create(disk, "/x/f");
            create(disk, "/x/other");
            disk.rename("/x/f".as_ref(), "/y/f".as_ref()).unwrap();
            disk.sync_dir(side.as_ref()).unwrap();
        };
        let expected = match side {
            "/x" => set(&[&["/x/other", "/y/f"]]),
            _ => set(&[&["/y/f"], &["/x/other", "/y/f"]]),
        };
        assert_eq!(outcomes(work), expected);
    }
}

#[test]
fn a_directory_may_be_lost_with_all_in_it() {
    let work = |disk: &SimDisk| {
        disk.create_dir("/db".as_ref()).unwrap();
        synced(disk, "/db/f", 1);
        disk.sync_dir("/db".as_ref()).unwrap();
    };
    assert_eq!(outcomes(work), set(&[&[], &["/db/f"]]));
    let work = |disk: &SimDisk| {
        work(disk);
        disk.sync_dir("/".as_ref()).unwrap();
    };
    assert_eq!(outcomes(work), set(&[&["/db/f"]]));
}

#[test]
fn a_removed_file_may_come_back_whole() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let disk = disk(seed);
        synced(&disk, "/f", 3);
        disk.sync_dir("/".as_ref()).unwrap();
        disk.remove("/f".as_ref()).unwrap();
        disk.power_loss(seed);
        let bytes = disk.read_raw("/f").ok();
        assert!(bytes.as_ref().is_none_or(|b| b == &vec![3; PAGE]));
        seen.insert(bytes.is_some());
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn an_open_file_lives_on_without_a_name() {
    let disk = disk(1);
    let mut lane = lane(&disk);
    let file = create(&disk, "/f");
    ok(&mut *lane, write(&file, 0, 1, 4));
    let used = |d: &SimDisk| {
        let space = d.space("/".as_ref()).unwrap();
        space.total - space.free
    };
    assert_eq!(used(&disk), PAGE as u64);
    disk.remove("/f".as_ref()).unwrap();
    disk.sync_dir("/".as_ref()).unwrap();
    assert_eq!(ok(&mut *lane, read(&file, 0, 1)), PAGE);
    assert_eq!(used(&disk), PAGE as u64);
    drop(file);
    assert_eq!(used(&disk), 0);
}

#[test]
fn calls_fail_as_the_kernel_fails_them() {
    let disk = disk(1);
    let open = |path: &str, create: Create| {
        let options = OpenOptions { write: true, direct: true, create };
        disk.open(Path::new(path), options)
    };
    assert_eq!(open("/no", Create::Never).unwrap_err().kind(), IoErrorKind::NotFound);
    assert_eq!(open("/no/f", Create::New).unwrap_err().kind(), IoErrorKind::NotFound);
    assert!(open("/f", Create::IfMissing).unwrap().is_direct());
    assert_eq!(open("/f", Create::New).unwrap_err().kind(), IoErrorKind::AlreadyExists);
    open("/f", Create::IfMissing).unwrap();
    assert_eq!(open("/f/g", Create::New).unwrap_err().errno(), libc::ENOTDIR);
    disk.create_dir("/d".as_ref()).unwrap();
    assert_eq!(disk.create_dir("/d".as_ref()).unwrap_err().kind(), IoErrorKind::AlreadyExists);
    assert_eq!(disk.create_dir("/x/y".as_ref()).unwrap_err().kind(), IoErrorKind::NotFound);
    assert_eq!(open("/d", Create::Never).unwrap_err().errno(), libc::EISDIR);
    assert_eq!(disk.remove("/d".as_ref()).unwrap_err().errno(), libc::EISDIR);
    assert_eq!(disk.remove("/no".as_ref()).unwrap_err().kind(), IoErrorKind::NotFound);
    assert_eq!(disk.rename("/no".as_ref(), "/f".as_ref()).unwrap_err().kind(), IoErrorKind::NotFound);
    assert_eq!(disk.rename("/f".as_ref(), "/d".as_ref()).unwrap_err().errno(), libc::EISDIR);
    assert_eq!(disk.rename("/d".as_ref(), "/d/e".as_ref()).unwrap_err().errno(), libc::EINVAL);
    assert_eq!(disk.list("/f".as_ref()).unwrap_err().errno(), libc::ENOTDIR);
    assert_eq!(disk.list("/no".as_ref()).unwrap_err().kind(), IoErrorKind::NotFound);
    assert_eq!(disk.sync_dir("/no".as_ref()).unwrap_err().kind(), IoErrorKind::NotFound);
    let names: Vec<PathBuf> = ["d", "f"].map(PathBuf::from).to_vec();
    assert_eq!(disk.list("/".as_ref()).unwrap(), names);
    // Relative paths start at the root.
    assert!(open("f", Create::Never).is_ok() && open("./d/../f", Create::Never).is_ok());
}

#[test]
fn one_owner_a_directory() {
    let disk = disk(1);
    disk.create_dir("/db".as_ref()).unwrap();
    let lock = disk.lock_dir("/db".as_ref()).unwrap();
    assert_eq!(lock.dir(), Path::new("/db"));
    let error = disk.lock_dir("db".as_ref()).unwrap_err();
    assert_eq!(error.kind(), IoErrorKind::Locked);
    assert!(error.to_string().contains("this process"), "{error}");
    drop(lock);
    let _again = disk.lock_dir("/db".as_ref()).unwrap();
    disk.process_death();
    disk.lock_dir("/db".as_ref()).unwrap();
    assert_eq!(disk.lock_dir("/no".as_ref()).unwrap_err().kind(), IoErrorKind::NotFound);
}

#[test]
fn sizes_are_set_as_asked() {
    let disk = disk(1);
    let file = create(&disk, "/f");
    disk.allocate(&file, 10_000).unwrap();
    assert_eq!(disk.len(&file).unwrap(), 10_000);
    disk.allocate(&file, 5_000).unwrap();
    assert_eq!(disk.len(&file).unwrap(), 10_000, "allocate never cuts");
    disk.truncate(&file, 3_000).unwrap();
    assert_eq!(disk.len(&file).unwrap(), 3_000);
    disk.truncate(&file, 9_000).unwrap();
    assert_eq!(bytes(&disk, "/f"), vec![0; 9_000]);
    let reader = disk.open("/f".as_ref(), OpenOptions::READ).unwrap();
    assert!(disk.allocate(&reader, 1).is_err() && disk.truncate(&reader, 1).is_err());
}
