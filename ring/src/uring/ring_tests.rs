//! The port on a real ring: what the public tests cannot reach. Skipped with a message where io_uring is forbidden.

use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use io_uring::{opcode, squeue, types};

use super::buffers::{Registry, Rung, Table};
use super::build::{Build, OwnRing};
use super::kernel::{KernelPort, Waits};
use super::port::{Call, Entry, FILLER, Port, Span};
use super::setup::{Flags, Role, climb_down};
use crate::os::Host;
use crate::{Arena, Buf, Class, Owner, PAGE};

fn ring(role: Role, entries: u32) -> Option<(io_uring::IoUring, Flags)> {
    let build = Build { entries, restrict: role.restrict, ..Build::default() };
    match climb_down(role, &mut Flags::default(), |flags| build.ring(flags)) {
        Ok(made) => Some(made),
        Err(errno) => {
            println!("skipped: no ring here: errno {errno}");
            None
        }
    }
}

fn role(restrict: bool) -> Role {
    Role::new(Class::Get, Owner::Pool, false, restrict)
}

fn registry(arena: &Arc<Arena>, best: Rung) -> Option<Arc<Registry>> {
    let (master, other) = (ring(role(false), 8)?.0, ring(role(false), 8)?.0);
    let host = Host::read();
    let master = Arc::new(OwnRing::new(master));
    Some(Arc::new(Registry::new(Arc::clone(arena), best, master, &other, &host)))
}

fn answers(port: &mut KernelPort, count: usize) -> Vec<(u64, i32)> {
    let mut answers = Vec::new();
    let mut submit = true;
    while answers.len() < count {
        let entered = port.enter(submit, (count - answers.len()) as u32, false);
        assert!(matches!(entered.result, Ok(()) | Err(libc::EINTR)), "{entered:?}");
        answers.extend(std::iter::from_fn(|| port.pop()));
        submit = false;
    }
    answers.sort_unstable();
    answers
}

/// What a chain's remainder is turned into is really not done, wherever in the queue it lies.
#[test]
fn blanked_entries_do_nothing() {
    let arena = Arena::new(1 << 20).unwrap();
    let Some(registry) = registry(&arena, Rung::Plain) else {
        return;
    };
    let Some((ring, flags)) = ring(role(false), 8) else {
        return;
    };
    let mut port = KernelPort::new(ring, flags, Waits::default(), registry);
    let file = tempfile::tempfile().unwrap();
    // Three at a time through a queue of eight: all positions, over the wrap.
    for round in 1..=8u8 {
        let bufs: Vec<Buf> = (0..3)
            .map(|_| {
                let mut buf = arena.alloc(PAGE).unwrap();
                buf.as_mut_slice().fill(round);
                buf
            })
            .collect();
        for (i, buf) in bufs.iter().enumerate() {
            let entry = Entry {
                tag: i as u64,
                fd: file.as_raw_fd(),
                call: Call::Write {
                    span: Span { addr: buf.as_ptr() as usize, len: PAGE as u32, fixed: None },
                    offset: (i * PAGE) as u64,
                    dsync: false,
                },
                link: i < 2,
            };
            // SAFETY: `bufs` and `file` outlive the answers, which are awaited below.
            unsafe { port.push(&entry) };
        }
        assert_eq!(port.queued(), 3);
        port.blank(2);
        assert_eq!(port.queued(), 3);
        assert_eq!(answers(&mut port, 3), [(2, PAGE as i32), (FILLER, 0), (FILLER, 0)]);
        let mut page = vec![0xFF; 3 * PAGE];
        file.read_exact_at(&mut page, 0).unwrap();
        assert!(page[..2 * PAGE].iter().all(|&x| x == 0), "a blanked write was done");
        assert!(page[2 * PAGE..].iter().all(|&x| x == round));
    }
}

/// A restricted ring refuses other operations, other flags and other registrations.
#[test]
fn a_restricted_ring_refuses_everything_else() {
    let Some((mut ring, flags)) = ring(role(true), 8) else {
        return;
    };
    assert!(flags.has(super::setup::Flag::Disabled));
    ring.submitter().register_enable_rings().unwrap();
    let timeout = types::Timespec::new();
    let entries = [
        (opcode::Timeout::new(&raw const timeout).build(), -libc::EACCES),
        (opcode::Fallocate::new(types::Fd(0), 1).build(), -libc::EACCES),
        (opcode::Nop::new().build().flags(squeue::Flags::ASYNC), -libc::EACCES),
        (opcode::Nop::new().build(), 0),
    ];
    for (entry, expected) in entries {
        // SAFETY: what the entry refers to outlives its answer.
        unsafe { ring.submission().push(&entry).unwrap() };
        ring.submit_and_wait(1).unwrap();
        assert_eq!(ring.completion().next().unwrap().result(), expected, "{entry:?}");
    }
    let refused = ring.submitter().register_files(&[0]).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
}

/// A kernel that can only clone whole tables: a ring at work uses plain memory for what it misses, an idle one clones anew.
#[test]
fn a_table_that_cannot_be_replaced_is_cloned_anew_when_idle() {
    const SLICE: usize = 2 << 20;
    let arena = Arena::new(2 * SLICE).unwrap();
    let Some(registry) = registry(&arena, Rung::CloneWhole) else {
        return;
    };
    if registry.rung() != Rung::CloneWhole {
        return println!("skipped: {:?}", registry.notes());
    }
    let Some((lane, _)) = ring(role(false), 8) else {
        return;
    };
    let mut table = Table::default();
    let bufs: Vec<Buf> = std::iter::from_fn(|| arena.alloc(PAGE).ok()).collect();
    let slice = |buf: &Buf| (buf.as_ptr() as usize - arena.base_ptr() as usize) / SLICE;
    let low = bufs.iter().find(|b| slice(b) == 0).unwrap();
    let high = bufs.iter().find(|b| slice(b) == 1).unwrap();
    let mut fixed = |buf: &Buf, idle: bool| registry.fixed(&mut table, &lane, buf, (0, PAGE), idle);
    assert_eq!(fixed(low, false), Some(0), "an empty table can be cloned into at any time");
    assert_eq!(fixed(high, false), None);
    assert_eq!(fixed(low, false), Some(0));
    assert_eq!(fixed(high, true), Some(1));
    assert_eq!(fixed(low, false), Some(0));
    assert!(registry.notes().is_empty(), "{:?}", registry.notes());
}

/// The budget is charged once a slice when cloned, and once a slice and ring when not.
#[test]
fn memory_is_charged_as_the_kernel_does() {
    let slice = 1 << 20;
    for (best, expected) in [(Rung::CloneReplace, [true, true]), (Rung::PerRing, [true, false])] {
        let arena = Arena::new(slice).unwrap();
        let (Some(a), Some(b)) = (ring(role(false), 8), ring(role(false), 8)) else {
            return;
        };
        let (Some(master), Some(other)) = (ring(role(false), 8), ring(role(false), 8)) else {
            return;
        };
        // A limit that leaves room for one slice beside what is kept for rings.
        let host = Host { memlock: crate::os::Limit { soft: Some(2 << 20), hard: None }, ..Host::default() };
        let master = Arc::new(OwnRing::new(master.0));
        let registry = Registry::new(Arc::clone(&arena), best, master, &other.0, &host);
        if registry.rung() != best {
            println!("skipped: {:?}", registry.notes());
            continue;
        }
        let buf = arena.alloc(PAGE).unwrap();
        let rings = [a.0, b.0];
        let fixed = rings.each_ref().map(|ring| {
            let mut table = Table::default();
            registry.fixed(&mut table, ring, &buf, (0, PAGE), true).is_some()
        });
        assert_eq!(fixed, expected, "{best:?}");
        assert_eq!(registry.notes().len(), usize::from(best == Rung::PerRing), "{:?}", registry.notes());
    }
}
