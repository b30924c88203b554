//! The synchronisation primitives of the block cache, named in one place.
//!
//! The cache takes every atomic, lock, cell and gate from here, so that the model tests (`tests/cache_loom`) can compile
//! the very same source against loom's versions of them.

pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

pub(crate) use ringwood_ring::Gate;

/// A cell whose accesses loom can watch. Getting the pointer is safe, using it is not.
#[repr(transparent)]
pub(crate) struct Cell<T>(std::cell::UnsafeCell<T>);

impl<T> Cell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Hands `f` a pointer to read through.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Hands `f` a pointer to write through.
    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Stands for a frame's bytes in the models, since loom cannot watch the arena. Nothing at all in a real build.
#[derive(Clone, Copy)]
pub(crate) struct Shadow;

impl Shadow {
    pub(crate) const fn new() -> Self {
        Self
    }

    /// The bytes are read now.
    #[inline]
    #[expect(clippy::unused_self, reason = "the models' version has state")]
    pub(crate) fn read(&self) {}

    /// The bytes are written now.
    #[inline]
    #[expect(clippy::unused_self, reason = "the models' version has state")]
    pub(crate) fn write(&self) {}
}

// A frame's hot state fills exactly one cache line: neighbours do not share it, and a hit touches no other.
const _: () = assert!(size_of::<crate::cache::Frame>() == 64);
