//! The probe that `doctor` prints.

use std::collections::HashSet;
use std::path::Path;

use ringwood_ring::probe::{Level, report};

use crate::children::{forbid_io_uring, in_child};
use crate::harness::uring;

#[test]
fn a_usable_directory_is_found_usable_and_left_as_it_was() {
    let Some(b) = uring() else { return };
    let probe = report(&b.root);
    let get = |topic: &str, name: &str| probe.get(topic, name).unwrap_or_else(|| panic!("{topic}: {name}"));
    assert_eq!(get("io_uring", "available").value, "yes");
    for opcode in ["NOP", "READ", "READ_FIXED", "WRITE", "WRITE_FIXED", "FSYNC"] {
        assert_eq!(get("io_uring", opcode).value, "yes");
    }
    assert!(get("file system", "trial").value.starts_with("io_uring"), "{:?}", get("file system", "trial"));
    assert_eq!(get("file system", "trial").level, Level::Ok);
    assert_eq!(get("file system", "shared mapping").value, "yes");
    let (direct, caps) = (get("file system", "O_DIRECT"), b.disk.caps());
    assert_eq!(direct.value == "yes", b.create("f").is_direct());
    for flag in ["submit_all", "single_issuer", "defer_taskrun"] {
        assert_eq!(get("io_uring", flag).value == "yes", caps.features.contains(&flag), "{flag}");
    }
    assert!(get("limits", "locked memory").meaning.len() > 10);
    let mut seen = HashSet::new();
    for f in &probe.findings {
        assert!(seen.insert((f.topic, f.name)), "{} {} twice", f.topic, f.name);
        assert!(!f.value.is_empty() && f.meaning.len() > 10, "{f:?}");
    }
    let left: Vec<_> = b.disk.list(&b.root).unwrap();
    assert_eq!(left, [Path::new("f")], "nothing is left behind");
}

#[test]
fn a_directory_that_is_not_there_is_bad() {
    let probe = report(Path::new("/no/such/directory"));
    assert_eq!(probe.get("file system", "directory").unwrap().level, Level::Bad);
    assert_eq!(probe.get("file system", "trial").unwrap().level, Level::Bad);
    assert_eq!(probe.worst(), Level::Bad);
}

#[test]
fn a_directory_in_memory_is_a_warning() {
    let shm = Path::new("/dev/shm");
    if !shm.is_dir() {
        return println!("skipped: no /dev/shm");
    }
    let probe = report(shm);
    let kind = probe.get("file system", "type").unwrap();
    assert!(kind.value.starts_with("tmpfs"), "{kind:?}");
    assert_eq!(kind.level, Level::Warn);
    assert_eq!(probe.get("file system", "trial").unwrap().level, Level::Ok, "it works all the same");
}

#[test]
fn forbidden_rings_are_explained() {
    let child = in_child("doctor::forbidden_rings_are_explained", || {
        forbid_io_uring(libc::EPERM);
        let probe = report(&std::env::temp_dir());
        let available = probe.get("io_uring", "available").unwrap();
        assert_eq!((available.value.as_str(), available.level), ("no", Level::Bad));
        assert!(available.meaning.contains("seccomp filter"), "{available:?}");
        let trial = probe.get("file system", "trial").unwrap();
        assert!(trial.value.starts_with("system calls"), "{trial:?}");
        println!("DONE");
    });
    assert!(child.succeeded().contains("DONE"));
}
