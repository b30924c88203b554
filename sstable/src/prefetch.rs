//! Hints to the processor's cache.

/// Bytes of a line of it.
pub(crate) const LINE: usize = 64;

/// Has the line of an address fetched, if the processor likes. Reads nothing, whatever the address.
#[inline]
pub fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
