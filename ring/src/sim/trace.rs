//! The newest operations, for reading what led to a failure.

use std::collections::VecDeque;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// One thing that happened.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// Number of the operation, as [`SimDisk::crash_after`](crate::SimDisk::crash_after) counts.
    pub(super) operation: u64,
    /// The logical clock.
    pub(super) clock: u64,
    pub(super) what: &'static str,
    pub(super) path: Option<Arc<Path>>,
    /// Byte range, where there is one.
    pub(super) range: Option<(u64, u64)>,
    /// What came of it: an errno, negative, or a count.
    pub(super) result: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    events_max: usize,
    events: VecDeque<Event>,
    dropped: u64,
}

impl Trace {
    pub(super) fn new(events_max: usize) -> Self {
        Self { events_max, ..Self::default() }
    }

    pub(super) fn is_on(&self) -> bool {
        self.events_max > 0
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.events.len() >= self.events_max {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        if self.dropped > 0 {
            let _ = writeln!(text, "({} earlier events dropped)", self.dropped);
        }
        for e in &self.events {
            let _ = write!(text, "{:>8} {:>14} ns  {:<16}", e.operation, e.clock, e.what);
            if let Some(path) = &e.path {
                let _ = write!(text, " {}", path.display());
            }
            if let Some((from, to)) = e.range {
                let _ = write!(text, " {from}..{to}");
            }
            let _ = if e.result < 0 {
                writeln!(text, " = errno {}", -e.result)
            } else {
                writeln!(text, " = {}", e.result)
            };
        }
        text
    }
}
