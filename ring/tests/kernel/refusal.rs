//! Where io_uring is forbidden: a fallback with one warning, or an error on request; both name the cause.

use ringwood_ring::{Arena, IoChoice, IoErrorKind, Restrict, UringConfig, UringDisk, open_disk};

use crate::children::{forbid_io_uring, forbid_restrictions, in_child, limit_unprivileged, log_to_stdout};

const ARENA: usize = 1 << 20;

/// In the child: what each choice gives.
fn try_all_choices() {
    let disk = open_disk(IoChoice::Auto, ARENA, UringConfig::default()).unwrap();
    println!("AUTO {}: {}", disk.caps().backend, disk.caps().degraded.join(" / "));
    let error = open_disk(IoChoice::Uring, ARENA, UringConfig::default()).unwrap_err();
    println!("URING {:?} {error}", error.kind());
    let error = UringDisk::new(Arena::new(ARENA).unwrap(), UringConfig::default()).unwrap_err();
    assert!(matches!(error.kind(), IoErrorKind::Unsupported | IoErrorKind::Memory));
    let disk = open_disk(IoChoice::Syscalls, ARENA, UringConfig::default()).unwrap();
    assert!(disk.caps().degraded.is_empty(), "asked for, so nothing to excuse");
    // The fallback works.
    let dir = tempfile::tempdir().unwrap();
    let file = disk.open(&dir.path().join("f"), ringwood_ring::OpenOptions::CREATE).unwrap();
    disk.allocate(&file, 8192).unwrap();
}

#[track_caller]
fn check(text: &str, kind: &str, cause: &[&str]) {
    let lines = |prefix: &str| text.lines().filter(|l| l.starts_with(prefix)).collect::<Vec<_>>();
    let warnings = lines("LOG WARN");
    assert_eq!(warnings.len(), 1, "one warning, no more:\n{text}");
    assert_eq!(lines("LOG ERROR").len(), 0, "{text}");
    let (auto, uring) = (lines("AUTO"), lines("URING"));
    assert!(auto[0].contains("system calls"), "{text}");
    assert!(uring[0].contains(kind), "{text}");
    for word in cause {
        for line in [warnings[0], auto[0], uring[0]] {
            assert!(line.contains(word), "{word:?} is missing in: {line}");
        }
    }
}

#[test]
fn a_filter_that_answers_eperm_is_named() {
    let child = in_child("refusal::a_filter_that_answers_eperm_is_named", || {
        log_to_stdout();
        forbid_io_uring(libc::EPERM);
        try_all_choices();
    });
    check(&child.succeeded(), "Unsupported", &["EPERM", "seccomp filter"]);
}

#[test]
fn a_filter_that_answers_enosys_is_not_taken_for_an_old_kernel() {
    let child = in_child("refusal::a_filter_that_answers_enosys_is_not_taken_for_an_old_kernel", || {
        log_to_stdout();
        forbid_io_uring(libc::ENOSYS);
        try_all_choices();
    });
    check(&child.succeeded(), "Unsupported", &["ENOSYS", "new enough", "seccomp filter"]);
}

#[test]
fn too_little_locked_memory_for_a_ring_is_named_with_figures() {
    let child = in_child("refusal::too_little_locked_memory_for_a_ring_is_named_with_figures", || {
        log_to_stdout();
        limit_unprivileged(libc::RLIMIT_MEMLOCK, 8 << 10);
        try_all_choices();
    });
    check(&child.succeeded(), "Memory", &["ENOMEM", "RLIMIT_MEMLOCK is 8 KiB", "ulimit -l"]);
}

#[test]
fn too_few_descriptors_are_named_with_figures() {
    let child = in_child("refusal::too_few_descriptors_are_named_with_figures", || {
        log_to_stdout();
        let limit = libc::rlimit { rlim_cur: 3, rlim_max: 64 };
        // SAFETY: a plain system call; `limit` outlives it.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
        assert_eq!(set, 0);
        let disk = open_disk(IoChoice::Auto, ARENA, UringConfig::default()).unwrap();
        println!("AUTO {}: {}", disk.caps().backend, disk.caps().degraded.join(" / "));
        let error = open_disk(IoChoice::Uring, ARENA, UringConfig::default()).unwrap_err();
        println!("URING {:?} {error}", error.kind());
    });
    check(&child.succeeded(), "TooManyFiles", &["EMFILE", "ulimit -n"]);
}

#[test]
fn rings_that_cannot_be_restricted_are_used_as_they_are_unless_that_is_required() {
    let name = "refusal::rings_that_cannot_be_restricted_are_used_as_they_are_unless_that_is_required";
    let child = in_child(name, || {
        forbid_restrictions(libc::EPERM);
        let disk = open_disk(IoChoice::Uring, ARENA, UringConfig::default()).unwrap();
        println!("AUTO {}", disk.caps().degraded.join(" / "));
        assert!(!disk.caps().features.contains(&"restricted"));
        let required = UringConfig { restrict: Restrict::Required, ..UringConfig::default() };
        println!("REQUIRED {}", open_disk(IoChoice::Uring, ARENA, required).unwrap_err());
    });
    let text = child.succeeded();
    let line = |start: &str| text.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("{text}"));
    assert!(line("AUTO").contains("cannot be restricted") && line("AUTO").contains("EPERM"), "{text}");
    assert!(line("REQUIRED").contains("EPERM"), "{text}");
}
