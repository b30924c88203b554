//! Limits met at work: locked memory, file size; and the end of the road.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ringwood_ring::{
    Arena, Class, Disk, IoChoice, LaneSpec, Op, Owner, PAGE, SyscallDisk, UringConfig, UringDisk, open_disk,
};

use crate::children::{in_child, limit_unprivileged};
use crate::harness::{Backend, all, arena, chain, one, sync, uring};

/// A file that stays usable when the process gives up its rights.
fn some_file(b: &Backend) -> ringwood_ring::File {
    b.filled("f", 4, 1)
}

fn read(arena: &Arc<Arena>, file: &ringwood_ring::File) -> Op {
    Op::Read { file: file.clone(), offset: 0, buf: arena.alloc(PAGE).unwrap(), len: PAGE }
}

fn unprivileged(limit: u64, arena_bytes: usize, check: impl FnOnce(&dyn Disk, &str)) {
    let b = Backend::of("before", SyscallDisk::new(arena(1 << 20), Vec::new()));
    let file = some_file(&b);
    limit_unprivileged(libc::RLIMIT_MEMLOCK, limit);
    let arena = arena(arena_bytes);
    let disk = match UringDisk::new(Arc::clone(&arena), UringConfig::default()) {
        Ok(disk) => disk,
        Err(e) => return println!("skipped: {e}"),
    };
    for owner in [Owner::Pool, Owner::Thread] {
        let spec = LaneSpec { class: Class::Get, depth: 8, owner };
        let mut lane = disk.lane(spec).unwrap();
        assert_eq!(one(&mut *lane, read(&arena, &file)).result.unwrap(), PAGE);
    }
    let degraded = disk.caps().degraded.join(" / ");
    check(&*disk, &degraded);
}

#[test]
fn memory_over_the_limit_is_used_unregistered() {
    let child = in_child("limits::memory_over_the_limit_is_used_unregistered", || {
        unprivileged(2 << 20, 8 << 20, |disk, degraded| {
            let counts = disk.counters().snapshot().total();
            assert_eq!((counts.plain, counts.fixed), (2, 0));
            assert!(degraded.contains("RLIMIT_MEMLOCK is 2048 KiB"), "{degraded}");
            assert!(degraded.contains("8192 KiB") && degraded.contains("ulimit -l"), "{degraded}");
        });
    });
    child.succeeded();
}

#[test]
fn memory_within_the_limit_is_registered_without_privileges() {
    let child = in_child("limits::memory_within_the_limit_is_registered_without_privileges", || {
        unprivileged(8 << 20, 4 << 20, |disk, degraded| {
            let counts = disk.counters().snapshot().total();
            assert_eq!((counts.plain, counts.fixed), (0, 2), "{degraded}");
            assert!(!degraded.contains("RLIMIT_MEMLOCK"), "{degraded}");
        });
    });
    child.succeeded();
}

#[test]
fn a_write_cut_short_by_the_kernel_breaks_its_chain_when_the_rest_fails() {
    let name = "limits::a_write_cut_short_by_the_kernel_breaks_its_chain_when_the_rest_fails";
    let child = in_child(name, || {
        let Some(b) = uring() else { return };
        let file = b.create("f");
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        limit_unprivileged(libc::RLIMIT_FSIZE, 2 * PAGE as u64);
        let mut lane = b.pooled(8);
        let results = chain(&mut *lane, vec![b.write(&file, 0, 3, 5), b.write(&file, 0, 1, 6), sync(&file)]);
        assert_eq!(results, [Err(libc::EFBIG), Err(libc::ECANCELED), Err(libc::ECANCELED)]);
        let counts = b.disk.counters().snapshot().total();
        assert_eq!((counts.short, counts.failed), (1, 3), "the kernel wrote two pages of three");
        assert_eq!(b.fills(&file, 0, 3), [5, 5]);
        println!("DONE");
        std::mem::forget(b); // Its directory can no longer be removed by this user; the system call below ends it all.
    });
    let text = child.succeeded();
    assert!(text.contains("DONE") || text.contains("skipped:"), "{text}");
}

#[test]
fn a_ring_that_dies_with_work_in_flight_takes_the_process_along() {
    let name = "limits::a_ring_that_dies_with_work_in_flight_takes_the_process_along";
    if uring().is_none() {
        return;
    }
    let child = in_child(name, || {
        let b = uring().unwrap();
        let file = b.filled("f", 64, 0);
        let mut lane =
            b.disk.lane(LaneSpec { class: Class::Flush, depth: 64, owner: Owner::Thread }).unwrap();
        for page in 0..64 {
            lane.push(page as u64, b.read(&file, page, 1)).unwrap();
        }
        lane.submit().unwrap();
        // Put something else in the place of every ring of this process.
        let null = std::fs::File::open("/dev/null").unwrap();
        for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
            let path = entry.unwrap().path();
            if std::fs::read_link(&path).is_ok_and(|to| to.to_string_lossy().contains("io_uring")) {
                let fd: i32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
                // SAFETY: a plain system call on descriptors that are open.
                assert!(unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&null), fd) } >= 0);
            }
        }
        // The lane must not give buffers back that the kernel may still write to.
        let mut out = Vec::new();
        while lane.in_flight() > 0 {
            lane.reap(64, &mut out).unwrap();
        }
    });
    let text = child.aborted();
    assert!(text.contains("operations in flight") && text.contains("aborting"), "{text}");
}

#[test]
fn another_process_that_holds_a_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SyscallDisk::new(arena(1 << 20), Vec::new());
    if std::env::var_os("RINGWOOD_TEST_CHILD").is_none() {
        // SAFETY: no other thread of this test binary reads this variable.
        unsafe { std::env::set_var("RINGWOOD_TEST_DIR", dir.path()) };
        let lock = disk.lock_dir(dir.path()).unwrap();
        let child = in_child("limits::another_process_that_holds_a_directory_is_named", || unreachable!());
        let text = child.succeeded();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        assert!(text.contains("Locked"), "{text}");
        drop(lock);
    } else {
        in_child("limits::another_process_that_holds_a_directory_is_named", || {
            let dir = std::env::var_os("RINGWOOD_TEST_DIR").unwrap();
            let error = disk.lock_dir(dir.as_ref()).unwrap_err();
            println!("{:?} {error}", error.kind());
        });
    }
}

#[test]
fn a_dead_process_holds_no_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_path_buf();
    // SAFETY: see above.
    unsafe { std::env::set_var("RINGWOOD_TEST_DEAD", &path) };
    let child = in_child("limits::a_dead_process_holds_no_directory", || {
        let Some(b) = uring() else { std::process::abort() };
        let held = std::env::var_os("RINGWOOD_TEST_DEAD").unwrap();
        let _lock = b.disk.lock_dir(held.as_ref()).unwrap();
        let file = b.filled("f", 1, 1);
        let mut lane = b.pooled(8);
        lane.push(0, b.write(&file, 0, 1, 1)).unwrap();
        lane.submit().unwrap();
        std::process::abort();
    });
    child.aborted();
    let disk = SyscallDisk::new(arena(1 << 20), Vec::new());
    drop(disk.lock_dir(&path).unwrap());
}

extern "C" fn ignore(_: libc::c_int) {}

#[test]
fn signals_disturb_nothing() {
    let child = in_child("limits::signals_disturb_nothing", || {
        let Some(b) = uring() else { return };
        let file = b.filled("f", 64, 0);
        // SAFETY: the handler does nothing (and, without SA_RESTART, interrupts calls); the action outlives the call.
        let set = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ignore as *const () as usize;
            libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut())
        };
        assert_eq!(set, 0);
        // SAFETY: asks who this thread is.
        let target = unsafe { libc::pthread_self() };
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    // SAFETY: the target waits for this thread and so is alive.
                    assert_eq!(unsafe { libc::pthread_kill(target, libc::SIGUSR1) }, 0);
                    std::thread::sleep(Duration::from_micros(100));
                }
            });
            let (mut reaps, before) = (0, b.disk.counters().snapshot());
            let enters = || b.disk.counters().snapshot().since(&before).total().enters;
            'rounds: for round in 0..200u8 {
                for (class, owner) in [
                    (Class::Log, Owner::Thread),
                    (Class::Compaction, Owner::Pool),
                    (Class::Flush, Owner::Thread),
                ] {
                    let mut lane = b.lane(class, 64, owner);
                    for page in 8..64 {
                        lane.push(page as u64, b.read(&file, page, 1)).unwrap();
                    }
                    for done in all(&mut *lane) {
                        assert_eq!(done.buf.unwrap().as_slice()[5], done.token as u8);
                    }
                    let results = chain(&mut *lane, vec![b.write(&file, 0, 1, round), sync(&file)]);
                    assert_eq!(results, [Ok(PAGE), Ok(0)]);
                    reaps += 2;
                }
                // An interrupted wait is waited for again: one enter more than was asked for.
                if round >= 20 && enters() >= reaps + 20 {
                    println!("DONE: {reaps} waits took {} enters", enters());
                    break 'rounds;
                }
            }
            stop.store(true, Relaxed);
        });
        assert_eq!(b.disk.counters().snapshot().total().failed, 0);
    });
    let text = child.succeeded();
    assert!(text.contains("DONE") || text.contains("skipped:"), "no signal ever came: {text}");
}

/// Locked memory for a few rings and not for all: those that come too late are lanes of system calls, unless io_uring was asked for.
#[test]
fn lanes_without_room_for_a_ring_go_through_system_calls() {
    let child = in_child("limits::lanes_without_room_for_a_ring_go_through_system_calls", || {
        let b = Backend::of("before", SyscallDisk::new(arena(1 << 20), Vec::new()));
        let file = some_file(&b);
        limit_unprivileged(libc::RLIMIT_MEMLOCK, 128 << 10);
        let spec = LaneSpec { class: Class::Get, depth: 256, owner: Owner::Pool };
        let disk = open_disk(IoChoice::Auto, 1 << 20, UringConfig::default()).unwrap();
        if disk.caps().backend != "io_uring" {
            return println!("skipped: {:?}", disk.caps().degraded);
        }
        let mut lanes: Vec<_> = (0..16).map(|_| disk.lane(spec).unwrap()).collect();
        for lane in &mut lanes {
            assert_eq!(one(&mut **lane, read(disk.arena(), &file)).result.unwrap(), PAGE);
        }
        let degraded = disk.caps().degraded.join(" / ");
        assert!(
            degraded.contains("through plain system calls") && degraded.contains("ulimit -l"),
            "{degraded}"
        );
        drop((lanes, disk));
        let disk = UringDisk::new(arena(1 << 20), UringConfig::default()).unwrap();
        let mut lanes = Vec::new();
        let error = (0..16).find_map(|_| disk.lane(spec).map(|lane| lanes.push(lane)).err());
        let error = error.expect("no room for sixteen rings").to_string();
        assert!(error.contains("ulimit -l"), "{error}");
    });
    child.succeeded();
}
