//! Columns of numbers that a table keeps in memory: on the heap while it is opened, then in the arena with the cache.
//!
//! In the arena tables and cached blocks share one bound: what tables take, the cache gives up. A [`Column`] reads like a slice, wherever it
//! is; any thread may read it.

use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use ringwood_ring::Buf;

/// Alignment of a column in its buffer: enough for every number.
const ALIGN: usize = 8;

/// A number that any bytes are a value of.
///
/// # Safety
/// Every bit pattern is valid, there is no padding, and the alignment is at most [`ALIGN`].
pub(crate) unsafe trait Number: Copy {}
// SAFETY: plain integers.
unsafe impl Number for u8 {}
// SAFETY: plain integers.
unsafe impl Number for u16 {}
// SAFETY: plain integers.
unsafe impl Number for u32 {}
// SAFETY: plain integers.
unsafe impl Number for u64 {}

/// See the module documentation.
pub(crate) struct Column<T> {
    /// Into `home`, which neither moves its bytes nor changes them.
    at: NonNull<T>,
    len: usize,
    home: Home<T>,
}

/// Whose bytes they are. Only kept, never looked at.
#[expect(dead_code, reason = "kept for the bytes")]
enum Home<T> {
    Heap(Vec<T>),
    Arena(Arc<Buf>),
}

// SAFETY: a shared slice of plain numbers, and its owner, which itself may be shared and sent.
unsafe impl<T: Number + Send + Sync> Send for Column<T> {}
// SAFETY: as above.
unsafe impl<T: Number + Send + Sync> Sync for Column<T> {}

impl<T: Number> Deref for Column<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `at` and `len` name initialised numbers in `home`, which lives as long as the column and is never written.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl<T: Number> From<Vec<T>> for Column<T> {
    fn from(mut numbers: Vec<T>) -> Self {
        numbers.shrink_to_fit();
        // Moving a Vec does not move its numbers.
        let at = NonNull::new(numbers.as_mut_ptr()).expect("a Vec's pointer is not null");
        Self { at, len: numbers.len(), home: Home::Heap(numbers) }
    }
}

impl<T: Number> Default for Column<T> {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl<T: Number> FromIterator<T> for Column<T> {
    fn from_iter<I: IntoIterator<Item = T>>(numbers: I) -> Self {
        numbers.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T: Number> std::fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let home = if matches!(self.home, Home::Heap(_)) { "heap" } else { "arena" };
        write!(f, "Column({} numbers, {home})", self.len)
    }
}

/// A column of any numbers, to be moved.
pub(crate) trait Movable {
    /// Bytes that it takes in a buffer of several.
    fn bytes(&self) -> usize;
    /// Copies it to the start of `to`.
    fn copy_to(&self, to: &mut [u8]);
    /// Reads from `buf`, where it was copied to at byte `from`, from now on.
    fn settle(&mut self, buf: &Arc<Buf>, from: usize);
}

impl<T: Number> Movable for Column<T> {
    fn bytes(&self) -> usize {
        size_of_val(&**self).next_multiple_of(ALIGN)
    }

    fn copy_to(&self, to: &mut [u8]) {
        let len = size_of_val(&**self);
        // SAFETY: the bytes of initialised numbers without padding.
        let bytes = unsafe { std::slice::from_raw_parts(self.at.as_ptr().cast::<u8>(), len) };
        to[..len].copy_from_slice(bytes);
    }

    fn settle(&mut self, buf: &Arc<Buf>, from: usize) {
        let bytes = &buf.as_slice()[from..from + size_of_val(&**self)];
        let at = NonNull::from(bytes).cast::<T>();
        assert!(at.is_aligned(), "a column at {from} of a buffer");
        // The range was checked just now, any bytes are numbers, and a buffer that is shared is not written any more.
        self.at = at;
        self.home = Home::Arena(Arc::clone(buf));
    }
}

/// Bytes of a buffer that holds all of `columns`.
pub(crate) fn bytes_of(columns: &[&mut dyn Movable]) -> usize {
    columns.iter().map(|c| c.bytes()).sum()
}

/// Moves `columns` into `buf`, which is as large as [`bytes_of`] says.
pub(crate) fn settle(columns: &mut [&mut dyn Movable], mut buf: Buf) {
    let mut at = 0;
    for column in columns.iter() {
        column.copy_to(&mut buf.as_mut_slice()[at..]);
        at += column.bytes();
    }
    let buf = Arc::new(buf);
    let mut at = 0;
    for column in columns {
        let bytes = column.bytes();
        column.settle(&buf, at);
        at += bytes;
    }
}

#[cfg(test)]
mod tests {
    use ringwood_ring::Arena;

    use super::*;

    #[test]
    fn columns_read_the_same_in_the_arena() {
        let arena = Arena::new(1 << 20).unwrap();
        let (bytes, shorts): (Vec<u8>, Vec<u16>) = ((0..=250).collect(), (0..999).collect());
        let (ints, longs): (Vec<u32>, Vec<u64>) = (Vec::new(), (0..5001).map(|i| i << 40).collect());
        let mut columns = (
            Column::from(bytes.clone()),
            Column::from(shorts.clone()),
            Column::from(ints),
            Column::from(longs.clone()),
        );
        let mut all: [&mut dyn Movable; 4] = [&mut columns.0, &mut columns.1, &mut columns.2, &mut columns.3];
        let buf = arena.alloc_exact(bytes_of(&all)).unwrap();
        settle(&mut all, buf);
        assert_eq!((&*columns.0, &*columns.1, columns.2.len(), &*columns.3), (&*bytes, &*shorts, 0, &*longs));
        let held = arena.allocated();
        assert!((251 + 1998 + 40_008..12 * 4096).contains(&held), "{held} bytes");
        drop(columns.0);
        assert_eq!(arena.allocated(), held, "the others are in it");
        drop((columns.1, columns.2, columns.3));
        assert_eq!(arena.allocated(), 0);
    }
}
