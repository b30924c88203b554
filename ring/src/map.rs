//! Shared file mappings: bytes that survive the death of the process without a system call.

use std::any::Any;
use std::fmt;
use std::ptr::NonNull;

/// A shared, writable mapping of a file's first bytes. What is stored in it belongs to the kernel from that moment: it survives
/// `kill -9`, not a power cut.
pub struct SharedMap {
    base: NonNull<u8>,
    len: usize,
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the memory is plain bytes that any thread may touch; the map gives out only their address.
unsafe impl Send for SharedMap {}
// SAFETY: as above.
unsafe impl Sync for SharedMap {}

impl SharedMap {
    /// Wraps `len` bytes at `base`, kept alive by `owner`.
    ///
    /// # Safety
    /// The range must stay mapped, readable and writable while `owner` lives, and nothing else in this process may form a
    /// Rust reference into it meanwhile.
    pub(crate) unsafe fn new(base: NonNull<u8>, len: usize, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { base, len, _owner: owner }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the mapping has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address of the first byte. Valid for reads and writes of [`len`](Self::len) bytes while the map lives; who may
    /// touch which range when is the caller's protocol.
    #[must_use]
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.base
    }
}

impl fmt::Debug for SharedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedMap({} bytes)", self.len)
    }
}
