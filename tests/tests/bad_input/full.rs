//! Full disks: small file systems of this process's own.
//!
//! Two rounds on each by default, the second with random options; `RINGWOOD_FULL_ROUNDS=30` for the long run, `RINGWOOD_SEED` for other options.

use std::fs;
use std::path::Path;

use ringwood::{Db, Durability, ErrorKind};
use ringwood_tests::rng::Rng;
use ringwood_tests::settings::Settings;
use ringwood_tests::volume::{Kind, Volume};
use ringwood_tests::{child, confine, dirs, seeds, skip};

use crate::{contents, expect, open, options};

/// What put number `i` writes; nothing that could be compressed.
fn value(i: u32) -> Vec<u8> {
    Rng::new(i.into()).bytes(900)
}

/// Fills a store until it says that the disk is full, closes and opens it there, then frees space and goes on. Returns the puts that it took.
fn fill_and_free(path: &Path, ballast: &Path, settings: &Settings) -> u32 {
    let db = settings.open(path).unwrap();
    let mut written = 0u32;
    let error = loop {
        let durability = if written.is_multiple_of(10) { Durability::Synced } else { Durability::Buffered };
        match db.put_with(written.to_be_bytes(), value(written), durability) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1_000_000, "the disk is never full");
    };
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert!(error.to_string().contains("free space"), "what is to be done? {error}");
    check(&db, written);
    // Refused, not stuck, and not for ever.
    for _ in 0..20 {
        if let Err(error) = db.put_with(written.to_be_bytes(), value(written), Durability::Synced) {
            assert_eq!(error.kind(), ErrorKind::Full, "{error}");
        } else {
            written += 1;
        }
    }
    // On the full disk it closes and opens, with everything.
    if let Err(error) = db.close() {
        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    }
    let db = settings.open(path).unwrap_or_else(|e| panic!("it does not open on the full disk: {e}"));
    check(&db, written);
    fs::remove_file(ballast).unwrap();
    let mut refused = 0;
    for i in written..written + 2000 {
        // Space is noticed within a second or so; until then writes say that there is none.
        while let Err(error) = db.put_with(i.to_be_bytes(), value(i), Durability::Synced) {
            assert_eq!(error.kind(), ErrorKind::Full, "{error}");
            refused += 1;
            assert!(refused < 10_000, "there is space and it still says: {error}");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    db.flush().unwrap();
    db.compact().unwrap();
    check(&db, written + 2000);
    db.close().unwrap();
    check(&settings.open(path).unwrap(), written + 2000);
    written
}

fn check(db: &Db, written: u32) {
    let all = contents(db).unwrap();
    assert_eq!(all.len(), written as usize);
    for (i, ((_, key), found)) in (0..).zip(&all) {
        assert!(*key == u32::to_be_bytes(i) && *found == value(i), "put {i} is not what it was");
    }
}

fn fill_volume(test: &str, kind: Kind) {
    child::run(test, || {
        let volume = match Volume::new(kind, Volume::smallest(kind)) {
            Ok(volume) => volume,
            Err(why) => return skip(test, why),
        };
        let first = seeds::number("RINGWOOD_SEED").unwrap_or(1);
        for round in 0..seeds::number("RINGWOOD_FULL_ROUNDS").unwrap_or(2) {
            let mut rng = Rng::new(first + round);
            let (settings, free) = match round {
                0 => (Settings { options: options(), ring: None }, 16 << 20),
                _ => (Settings::draw(&mut rng), rng.within(8..=24) << 20),
            };
            let ballast = volume.leave(free);
            let path = volume.path().join("db");
            println!("{kind:?}, seed {}, {free} bytes free: {settings}", first + round);
            let written = fill_and_free(&path, &ballast, &settings);
            println!("  full after {written} puts");
            assert!(written > 1000, "full after {written} puts");
            fs::remove_dir_all(path).unwrap();
        }
    });
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_is_lost() {
    fill_volume("full::a_full_disk_refuses_writes_and_nothing_is_lost", Kind::Tmpfs);
}

#[test]
fn a_full_ext4_refuses_writes_and_nothing_is_lost() {
    fill_volume("full::a_full_ext4_refuses_writes_and_nothing_is_lost", Kind::Ext4);
}

#[test]
fn a_full_xfs_refuses_writes_and_nothing_is_lost() {
    fill_volume("full::a_full_xfs_refuses_writes_and_nothing_is_lost", Kind::Xfs);
}

#[test]
fn a_store_is_not_made_on_a_full_disk_but_later() {
    const TEST: &str = "full::a_store_is_not_made_on_a_full_disk_but_later";
    child::run(TEST, || {
        let dir = dirs::fresh();
        let mounted =
            confine::own_mounts().and_then(|()| confine::mount("tmpfs", dir.path(), "tmpfs", 0, "size=16m"));
        if let Err(error) = mounted {
            return skip(TEST, format!("no file system of its own: {error}"));
        }
        let (path, ballast) = (dir.path().join("db"), dir.path().join("ballast"));
        for free in (0..12).map(|i| i << 8 << 10) {
            fs::write(&ballast, vec![1; (16 << 20) - free]).unwrap();
            match open(&path).and_then(|db| db.put("k", "v")) {
                Ok(()) => {
                    println!("made and written to with {free} bytes free");
                    break;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Full, "{error}"),
            }
        }
        fs::remove_file(&ballast).unwrap();
        let db = open(&path).unwrap();
        db.put("k2", "v").unwrap();
        db.close().unwrap();
        expect(crate::options().error_if_exists(true).open(&path), ErrorKind::Invalid, &["holds a store"]);
        confine::unmount(dir.path()).unwrap();
    });
}
