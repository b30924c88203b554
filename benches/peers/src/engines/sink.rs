//! Where read entries go: they are counted and touched, so that no engine gets away with not having read them.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Entries between two looks at the clock's flag.
const LOOK_EVERY: u64 = 1024;

/// One thread's sink.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    entries: u64,
    enough: u64,
    touched: u64,
    progress: &'a AtomicU64,
    stop: &'a AtomicBool,
}

impl<'a> Sink<'a> {
    /// A sink that shows long scans' progress in `progress`, and has enough when `stop` is set.
    pub(crate) fn new(progress: &'a AtomicU64, stop: &'a AtomicBool) -> Self {
        Self { entries: 0, enough: u64::MAX, touched: 0, progress, stop }
    }

    /// Starts anew, to take `enough` entries.
    #[inline]
    pub(crate) fn begin(&mut self, enough: u64) {
        self.entries = 0;
        self.enough = enough;
    }

    /// Entries since it began.
    #[inline]
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Takes a value: its first and last bytes are read.
    #[inline]
    pub(crate) fn value(&mut self, value: &[u8]) {
        if let (Some(first), Some(last)) = (value.first(), value.last()) {
            self.touched += u64::from(*first ^ *last);
        }
    }

    /// Takes an entry, and tells whether it wants another one.
    #[inline]
    pub(crate) fn entry(&mut self, key: &[u8], value: &[u8]) -> bool {
        self.touched += u64::from(key[0]);
        self.value(value);
        self.entries += 1;
        if self.entries.is_multiple_of(LOOK_EVERY) {
            self.progress.fetch_add(LOOK_EVERY, Relaxed);
            if self.stop.load(Relaxed) {
                return false;
            }
        }
        self.entries < self.enough
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        black_box(self.touched);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_has_enough_by_count_or_by_flag() {
        let (progress, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let mut sink = Sink::new(&progress, &stop);
        sink.begin(3);
        assert!(sink.entry(b"a", b"12") && sink.entry(b"b", b"") && !sink.entry(b"c", b"3"));
        assert_eq!(sink.entries(), 3);
        sink.begin(u64::MAX);
        stop.store(true, Relaxed);
        assert_eq!((1..).take_while(|_| sink.entry(b"k", b"v")).count() as u64, LOOK_EVERY - 1);
        assert_eq!(progress.load(Relaxed), LOOK_EVERY);
    }
}
