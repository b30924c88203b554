//! Which backend carries the bytes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::os::Host;
use crate::uring::Refusal;
use crate::{Arena, Disk, Result, SyscallDisk, UringConfig, UringDisk};

/// Which backend to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoChoice {
    /// io_uring if it works here; else plain system calls, with one warning that names the cause. Where locked memory suffices for some rings only,
    /// the rest of the lanes go through system calls, with the same warning.
    #[default]
    Auto,
    /// io_uring or nothing: where it does not work, the cause is an error.
    Uring,
    /// Plain system calls.
    Syscalls,
}

impl fmt::Display for IoChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IoChoice::Auto => "auto",
            IoChoice::Uring => "uring",
            IoChoice::Syscalls => "syscalls",
        })
    }
}

impl FromStr for IoChoice {
    type Err = String;

    fn from_str(s: &str) -> std::result::Result<Self, String> {
        match s {
            "auto" => Ok(IoChoice::Auto),
            "uring" => Ok(IoChoice::Uring),
            "syscalls" => Ok(IoChoice::Syscalls),
            other => Err(format!("unknown I/O backend {other:?}; it is auto, uring or syscalls")),
        }
    }
}

/// Opens a disk with an arena of about `arena_bytes` bytes of I/O memory.
///
/// # Errors
/// [`Memory`](crate::IoErrorKind::Memory) if the arena cannot be reserved. With [`IoChoice::Uring`] whatever
/// [`UringDisk::new`] fails with.
///
/// ```
/// use ringwood_ring::{IoChoice, UringConfig, open_disk};
/// let disk = open_disk(IoChoice::Auto, 1 << 20, UringConfig::default())?;
/// println!("{} with {}", disk.caps().backend, disk.caps().features.join(", "));
/// # Ok::<(), ringwood_ring::IoError>(())
/// ```
pub fn open_disk(choice: IoChoice, arena_bytes: usize, config: UringConfig) -> Result<Arc<dyn Disk>> {
    let arena = Arena::new(arena_bytes)?;
    let may_stand_in = choice == IoChoice::Auto;
    choose(choice, arena, |arena| {
        UringDisk::probe(arena, config, may_stand_in).map(|disk| disk as Arc<dyn Disk>)
    })
}

fn choose(
    choice: IoChoice,
    arena: Arc<Arena>,
    uring: impl FnOnce(Arc<Arena>) -> std::result::Result<Arc<dyn Disk>, Refusal>,
) -> Result<Arc<dyn Disk>> {
    if choice == IoChoice::Syscalls {
        return Ok(SyscallDisk::new(arena, Vec::new()));
    }
    match uring(Arc::clone(&arena)) {
        Ok(disk) => Ok(disk),
        Err(refusal) if choice == IoChoice::Uring => Err(refusal.into_error(&Host::read())),
        Err(refusal) => {
            let cause = refusal.explain(&Host::read());
            log::warn!(
                "io_uring does not work here, so files are read and written by plain system calls, one at a time: {cause}"
            );
            Ok(SyscallDisk::new(arena, vec![cause]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IoErrorKind;

    #[test]
    fn names_are_read_back() {
        for choice in [IoChoice::Auto, IoChoice::Uring, IoChoice::Syscalls] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert!("epoll".parse::<IoChoice>().unwrap_err().contains("epoll"));
    }

    #[test]
    fn a_refusal_is_a_fallback_or_an_error() {
        let arena = Arena::new(1 << 16).unwrap();
        for errno in [libc::EPERM, libc::ENOSYS] {
            let refuse = |_| Err(Refusal::Setup(errno));
            let disk = choose(IoChoice::Auto, Arc::clone(&arena), refuse).unwrap();
            assert_eq!(disk.caps().backend, "system calls");
            assert!(disk.caps().degraded[0].contains("io_uring_setup"), "{:?}", disk.caps());
            let error = choose(IoChoice::Uring, Arc::clone(&arena), refuse).unwrap_err();
            assert_eq!(error.kind(), IoErrorKind::Unsupported);
            assert!(error.to_string().contains("io_uring_setup"), "{error}");
        }
        let unasked = choose(IoChoice::Syscalls, arena, |_| unreachable!("not to be probed")).unwrap();
        assert!(unasked.caps().degraded.is_empty());
    }
}
