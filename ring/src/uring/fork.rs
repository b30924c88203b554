//! Which process this is, asked without a system call.
//!
//! A ring belongs to the process that made it: after a fork the child has the descriptor but neither the queues nor the
//! arena (both are kept out of it). A page that the kernel wipes in the child tells the two apart for the price of one load;
//! where the kernel cannot wipe, the process id does, for the price of a system call.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use memmap2::{MmapOptions, MmapRaw};
use rustix::mm::{Advice, madvise};

use crate::PAGE;

/// A page that reads as zero in a forked child, or nothing where there is no such thing.
static PAGE_WIPED: OnceLock<Option<MmapRaw>> = OnceLock::new();
/// The last number given to a process; a child inherits the count and so never repeats its parent's.
static LAST: AtomicU64 = AtomicU64::new(0);

/// The process that something was made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process(u64);

impl Process {
    /// This process. Equal for two calls if and only if no fork lies between them on the way from one to the other.
    pub(super) fn current() -> Self {
        let page = PAGE_WIPED.get_or_init(|| {
            let map = MmapRaw::from(MmapOptions::new().len(PAGE).map_anon().ok()?);
            // SAFETY: the page is ours alone, and wiping it in a child is what it is for.
            unsafe { madvise(map.as_mut_ptr().cast(), PAGE, Advice::LinuxWipeOnFork) }.ok()?;
            Some(map)
        });
        let Some(page) = page else {
            return Self(u64::from(std::process::id()));
        };
        // SAFETY: the page is mapped for the life of the process, aligned, and used only as this one atomic.
        let mark = unsafe { AtomicU64::from_ptr(page.as_mut_ptr().cast()) };
        match mark.load(Relaxed) {
            0 => {
                let fresh = LAST.fetch_add(1, Relaxed) + 1;
                Self(mark.compare_exchange(0, fresh, Relaxed, Relaxed).map_or_else(|other| other, |_| fresh))
            }
            known => Self(known),
        }
    }

    /// Whether this is still the process that `self` was made in.
    pub(super) fn is_current(self) -> bool {
        self == Self::current()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_another_process() {
        let parent = Process::current();
        assert!(parent.is_current());
        // SAFETY: the child only loads and stores an atomic and exits without unwinding or running destructors.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let differs = !parent.is_current() && Process::current().is_current();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!differs)) };
        }
        assert!(child > 0);
        let mut status = 0;
        // SAFETY: `child` is our child and `status` outlives the call.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child took itself for the parent");
        assert!(parent.is_current());
    }
}
