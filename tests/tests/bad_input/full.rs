//! A full disk: a small file system of this process's own.

use std::fs;
use std::path::Path;
use std::process::Command;

use ringwood::{Db, Durability, ErrorKind};
use ringwood_tests::{child, confine, dirs, skip};

use crate::{contents, expect, open};

/// Fills a store until it says that the disk is full, then frees space and goes on. `ballast` is a file on the same file system.
fn fill_and_free(dir: &Path, ballast: &Path) {
    let path = dir.join("db");
    let db = open(&path).unwrap();
    let value = [7u8; 900];
    let mut written = 0u32;
    let error = loop {
        let durability = if written.is_multiple_of(10) { Durability::Synced } else { Durability::Buffered };
        match db.put_with(written.to_be_bytes(), value, durability) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1_000_000, "the disk is never full");
    };
    println!("full after {written} puts: {error}");
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    assert!(error.to_string().contains("free space"), "what is to be done? {error}");
    assert!(written > 1000, "full after {written} puts");
    check(&db, written);
    // Refused, not stuck, and not for ever.
    for _ in 0..20 {
        if let Err(error) = db.put_with(written.to_be_bytes(), value, Durability::Synced) {
            assert_eq!(error.kind(), ErrorKind::Full, "{error}");
        } else {
            written += 1;
        }
    }
    // On the full disk it closes and opens, with everything.
    if let Err(error) = db.close() {
        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    }
    let db = open(&path).unwrap_or_else(|e| panic!("it does not open on the full disk: {e}"));
    check(&db, written);
    fs::remove_file(ballast).unwrap();
    let mut refused = 0;
    for i in 0..2000u32 {
        // Space is noticed within a second or so; until then writes say that there is none.
        while let Err(error) = db.put_with((written + i).to_be_bytes(), value, Durability::Synced) {
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
    check(&open(&path).unwrap(), written + 2000);
}

fn check(db: &Db, written: u32) {
    let all = contents(db).unwrap();
    assert_eq!(all.len(), written as usize);
    assert!(all.values().all(|v| *v == [7; 900]));
    assert_eq!(all.last_key_value().unwrap().0.1, (written - 1).to_be_bytes());
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_is_lost() {
    const TEST: &str = "full::a_full_disk_refuses_writes_and_nothing_is_lost";
    child::run(TEST, || {
        let dir = dirs::fresh();
        let mounted =
            confine::own_mounts().and_then(|()| confine::mount("tmpfs", dir.path(), "tmpfs", 0, "size=64m"));
        if let Err(error) = mounted {
            return skip(TEST, format!("no file system of its own: {error}"));
        }
        let ballast = dir.path().join("ballast");
        fs::write(&ballast, vec![1; 48 << 20]).unwrap();
        fill_and_free(dir.path(), &ballast);
        confine::unmount(dir.path()).unwrap();
    });
}

#[test]
fn a_full_ext4_refuses_writes_and_nothing_is_lost() {
    const TEST: &str = "full::a_full_ext4_refuses_writes_and_nothing_is_lost";
    child::run(TEST, || {
        let dir = dirs::fresh();
        let (image, mount) = (dir.path().join("image"), dir.path().join("mount"));
        fs::File::create(&image).unwrap().set_len(96 << 20).unwrap();
        fs::create_dir(&mount).unwrap();
        let ran = |command: &mut Command| {
            let output = command.output().map_err(|e| e.to_string())?;
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() { Ok(()) } else { Err(text) }
        };
        let made = confine::own_mounts().map_err(|e| e.to_string());
        let made = made.and_then(|()| ran(Command::new("mkfs.ext4").arg("-q").arg(&image)));
        let made =
            made.and_then(|()| ran(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mount)));
        if let Err(error) = made {
            return skip(TEST, format!("no ext4 of its own: {error}"));
        }
        let ballast = mount.join("ballast");
        fs::write(&ballast, vec![1; 56 << 20]).unwrap();
        fill_and_free(&mount, &ballast);
        confine::unmount(&mount).unwrap();
    });
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
