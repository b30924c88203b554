//! The byte ring between the appender and the pump: the log's only unsafe code.
//!
//! A ring of a power-of-two number of bytes, addressed by log position: the byte at position `p` lies at `p mod size`. One
//! [`Producer`] (the appender) writes records behind the *tail* and then publishes them by moving the tail; one [`Consumer`]
//! (the pump) copies published bytes out and frees them by moving the *head*. Each is `Send` and may be used by one thread at
//! a time, which `&mut self` ensures.
//!
//! # The protocol, on which every unsafe block here rests
//!
//! 1. `head ≤ tail ≤ head + size`, always.
//! 2. Bytes of positions `[head, tail)` belong to the consumer: nobody writes them. Bytes of `[tail, head + size)` belong to the
//!    producer: nobody else reads or writes them.
//! 3. Only the producer moves the tail, with a Release store after its writes; the consumer's Acquire load makes them visible.
//!    Only the consumer moves the head, with a Release store after its reads; the producer's Acquire load orders its next
//!    writes after them.
//! 4. Each side works with a copy of the other's counter that may be old. An old copy only makes its own part smaller.
//!
//! The memory may be a file mapping that the kernel writes back at any time; that is a read of it, and tearing between the
//! file and the memory is what record checksums are for. The Release store also keeps the compiler from delaying the writes of a
//! record past its publication, so that a process killed after it left them all in the kernel's pages.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringwood_ring::{PAGE, SharedMap};

use crate::Lsn;
use crate::shared::Padded;

/// What keeps the ring's memory alive.
enum Memory {
    /// The staging file, whose first page is its header.
    #[allow(dead_code, reason = "held, so that the mapping stays")]
    Map(SharedMap),
    /// Where no file can be mapped.
    Private(NonNull<u64>, usize),
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Memory::Private(words, count) = *self {
            // SAFETY: made by `Box::into_raw` from a boxed slice of `count` words, and dropped once.
            drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(words.as_ptr(), count)) });
        }
    }
}

struct Ring {
    base: NonNull<u8>,
    bytes: u64,
    tail: Padded<AtomicU64>,
    head: Padded<AtomicU64>,
    _memory: Memory,
}

// SAFETY: the bytes are touched through `Producer` and `Consumer` alone, by the protocol above, which holds across threads.
unsafe impl Send for Ring {}
// SAFETY: as above; a shared `Ring` offers nothing but its counters.
unsafe impl Sync for Ring {}

impl Ring {
    /// The ring's bytes of positions `lsn..lsn + len`: at most two stretches, since the ring wraps.
    fn stretches(&self, lsn: Lsn, len: usize) -> [(NonNull<u8>, usize); 2] {
        debug_assert!(len as u64 <= self.bytes);
        let offset = (lsn & (self.bytes - 1)) as usize;
        let first = len.min(self.bytes as usize - offset);
        // SAFETY: offset < bytes, inside the memory at `base`.
        let at = unsafe { self.base.add(offset) };
        [(at, first), (self.base, len - first)]
    }
}

/// Makes a ring whose head and tail are at `start`, in the mapped staging file `map`, behind its header page.
///
/// # Panics
/// If the bytes behind the header are not a power of two.
pub(crate) fn mapped(map: SharedMap, start: Lsn) -> (Producer, Consumer) {
    let bytes = map.len() - PAGE;
    // SAFETY: PAGE < map.len(), so the address is inside the mapping.
    let base = unsafe { map.as_ptr().add(PAGE) };
    make(base, bytes, Memory::Map(map), start)
}

/// Makes a ring of `bytes` bytes in the process's own memory.
///
/// # Panics
/// If `bytes` is not a power of two of at least 8.
pub(crate) fn private(bytes: usize, start: Lsn) -> (Producer, Consumer) {
    let words = Box::into_raw(vec![0u64; bytes / 8].into_boxed_slice());
    let count = words.len();
    let words = NonNull::new(words.cast::<u64>()).expect("a box is never null");
    make(words.cast(), bytes, Memory::Private(words, count), start)
}

fn make(base: NonNull<u8>, bytes: usize, memory: Memory, start: Lsn) -> (Producer, Consumer) {
    assert!(bytes.is_power_of_two() && bytes >= 8, "a ring of {bytes} bytes");
    let ring = Arc::new(Ring {
        base,
        bytes: bytes as u64,
        tail: Padded(AtomicU64::new(start)),
        head: Padded(AtomicU64::new(start)),
        _memory: memory,
    });
    let producer = Producer { tail: start, room_end: start + ring.bytes, ring: Arc::clone(&ring) };
    let consumer = Consumer { head: start, tail: start, ring };
    (producer, consumer)
}

/// The appender's end.
pub(crate) struct Producer {
    ring: Arc<Ring>,
    /// The true tail: only we move it.
    tail: Lsn,
    /// Head as last seen, plus the size: we own up to here.
    room_end: Lsn,
}

impl Producer {
    /// Where the next record goes.
    #[inline]
    pub(crate) fn tail(&self) -> Lsn {
        self.tail
    }

    /// Size of the ring.
    pub(crate) fn bytes(&self) -> u64 {
        self.ring.bytes
    }

    /// Looks where the consumer is; returns up to which position there is room.
    pub(crate) fn refresh(&mut self) -> Lsn {
        self.room_end = self.ring.head.0.load(Ordering::Acquire) + self.ring.bytes;
        self.room_end
    }

    /// Copies `bytes` to `offset` bytes behind the tail. Nobody sees them before [`publish`](Self::publish).
    ///
    /// # Panics
    /// If there is no room for them.
    #[inline]
    pub(crate) fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.assert_room(offset + bytes.len());
        let [(a, first), (b, second)] = self.ring.stretches(self.tail + offset as u64, bytes.len());
        // SAFETY: both stretches are inside the ring and, by the assertion, in [tail, room_end), which is the producer's alone
        // (protocol 2 and 4). `bytes` cannot overlap them: no reference into the ring outlives `reserved`.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), a.as_ptr(), first);
            if second > 0 {
                std::ptr::copy_nonoverlapping(bytes[first..].as_ptr(), b.as_ptr(), second);
            }
        }
    }

    /// Lends the `len` bytes behind the tail, as they are, in two pieces.
    ///
    /// # Panics
    /// If there is no room for them.
    #[inline]
    pub(crate) fn reserved(&self, len: usize) -> (&[u8], &[u8]) {
        self.assert_room(len);
        let [(a, first), (b, second)] = self.ring.stretches(self.tail, len);
        // SAFETY: in [tail, room_end), the producer's alone, which `&self` keeps from changing while the slices live; the
        // memory is initialised (zeros from the start). That no other process writes to the staging file is the directory
        // lock's part of the contract.
        unsafe {
            (std::slice::from_raw_parts(a.as_ptr(), first), std::slice::from_raw_parts(b.as_ptr(), second))
        }
    }

    /// Publishes the `len` bytes behind the tail.
    ///
    /// # Panics
    /// If there is no room for them.
    #[inline]
    pub(crate) fn publish(&mut self, len: usize) {
        self.assert_room(len);
        self.tail += len as u64;
        self.ring.tail.0.store(self.tail, Ordering::Release);
    }

    #[inline]
    fn assert_room(&self, len: usize) {
        let end = self.tail + len as u64;
        assert!(end <= self.room_end, "{len} bytes at {} exceed the room up to {}", self.tail, self.room_end);
    }
}

/// The pump's end.
pub(crate) struct Consumer {
    ring: Arc<Ring>,
    /// The true head: only we move it.
    head: Lsn,
    /// Tail as last seen: we own up to here.
    tail: Lsn,
}

impl Consumer {
    /// Looks where the producer is.
    pub(crate) fn refresh(&mut self) -> Lsn {
        self.tail = self.ring.tail.0.load(Ordering::Acquire);
        self.tail
    }

    /// Copies published bytes from position `lsn` on.
    ///
    /// # Panics
    /// If they are not all between the head and the tail as last seen.
    pub(crate) fn copy_out(&self, lsn: Lsn, out: &mut [u8]) {
        let end = lsn + out.len() as u64;
        assert!(self.head <= lsn && end <= self.tail, "{lsn}..{end} is not in {}..{}", self.head, self.tail);
        let [(a, first), (b, second)] = self.ring.stretches(lsn, out.len());
        // SAFETY: both stretches are inside the ring and in [head, tail), which nobody writes (protocol 2); the Acquire load of
        // the tail made them visible. `out` is a Rust slice and so cannot lie in the ring.
        unsafe {
            std::ptr::copy_nonoverlapping(a.as_ptr(), out.as_mut_ptr(), first);
            std::ptr::copy_nonoverlapping(b.as_ptr(), out[first..].as_mut_ptr(), second);
        }
    }

    /// Gives everything before `lsn` back to the producer.
    ///
    /// # Panics
    /// If `lsn` is not between the head and the tail as last seen.
    pub(crate) fn free(&mut self, lsn: Lsn) {
        assert!(self.head <= lsn && lsn <= self.tail, "{lsn} is not in {}..{}", self.head, self.tail);
        self.head = lsn;
        self.ring.head.0.store(lsn, Ordering::Release);
    }

    /// A view of the counters for everyone.
    pub(crate) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.ring))
    }
}

/// A look at the counters, from any thread.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Ring>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watch({}..{} of {} bytes)", self.head(), self.tail(), self.bytes())
    }
}

impl Watch {
    /// Everything before this position was published.
    pub(crate) fn tail(&self) -> Lsn {
        self.0.tail.0.load(Ordering::Acquire)
    }

    /// Everything before this position was freed.
    pub(crate) fn head(&self) -> Lsn {
        self.0.head.0.load(Ordering::Acquire)
    }

    /// Size of the ring.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_across_the_wrap() {
        let (mut p, mut c) = private(64, 40);
        for round in 0u8..50 {
            let len = 1 + usize::from(round) * 7 % 60;
            let bytes: Vec<u8> = (0..len as u8).map(|i| i ^ round).collect();
            assert!(p.refresh() >= p.tail() + len as u64);
            let (left, right) = bytes.split_at(len / 3);
            p.put(left.len(), right);
            p.put(0, left);
            let (a, b) = p.reserved(len);
            assert_eq!([a, b].concat(), bytes);
            let at = p.tail();
            assert_eq!(c.refresh(), at, "unpublished bytes are seen");
            p.publish(len);
            assert_eq!(c.refresh(), at + len as u64);
            let mut out = vec![0; len];
            c.copy_out(at, &mut out);
            assert_eq!(out, bytes);
            c.free(at + len as u64);
        }
    }

    #[test]
    #[should_panic(expected = "exceed the room")]
    fn the_producer_cannot_run_over_the_consumer() {
        let (mut p, _c) = private(64, 0);
        p.put(0, &[1; 60]);
        p.publish(60);
        p.refresh();
        p.put(0, &[2; 5]);
    }

    #[test]
    #[should_panic(expected = "is not in")]
    fn the_consumer_cannot_read_what_is_not_published() {
        let (mut p, mut c) = private(64, 0);
        p.put(0, &[1; 8]);
        c.refresh();
        c.copy_out(0, &mut [0; 8]);
    }

    #[test]
    fn two_threads_pass_a_stream_through_a_small_ring() {
        let total: u64 = if cfg!(miri) { 2_000 } else { 3_000_000 };
        let (mut p, mut c) = private(256, 0);
        let producer = std::thread::spawn(move || {
            let mut next = 0u64;
            while next < total {
                let len = (1 + next % 97).min(total - next) as usize;
                while p.refresh() < p.tail() + len as u64 {
                    std::thread::yield_now();
                }
                let bytes: Vec<u8> = (next..next + len as u64).map(|i| i.wrapping_mul(31) as u8).collect();
                p.put(0, &bytes);
                p.publish(len);
                next += len as u64;
            }
        });
        let mut at = 0u64;
        while at < total {
            let tail = c.refresh();
            if tail == at {
                std::thread::yield_now();
                continue;
            }
            let mut out = vec![0; (tail - at) as usize];
            c.copy_out(at, &mut out);
            assert!(
                (at..tail).zip(&out).all(|(i, &b)| b == i.wrapping_mul(31) as u8),
                "wrong bytes in {at}..{tail}"
            );
            c.free(tail);
            at = tail;
        }
        producer.join().unwrap();
    }
}
