//! A progress bar on standard error, if that is a terminal; else nothing.

use std::io::{Write, stderr};

use crate::clock;
use crate::out::stderr_is_terminal;
use crate::size::show_size;

const REDRAW_NS: u64 = 100_000_000;
const BAR: usize = 30;

/// How far something is, drawn in place. Cleared when dropped.
pub(crate) struct Bar {
    what: &'static str,
    draw: bool,
    start: u64,
    drawn: u64,
}

impl Bar {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, draw: stderr_is_terminal(), start: clock::now_ns(), drawn: 0 }
    }

    /// Draws it anew, if it is time. `total` is unknown if it is 0.
    pub(crate) fn set(&mut self, done: u64, total: u64) {
        if !self.draw {
            return;
        }
        let now = clock::now_ns();
        if now - self.drawn < REDRAW_NS {
            return;
        }
        self.drawn = now;
        let _ = write!(stderr(), "\r{}\x1b[K", self.text(done, total, now));
    }

    fn text(&self, done: u64, total: u64, now: u64) -> String {
        let seconds = ((now - self.start) as f64 / 1e9).max(1e-3);
        let rate = done as f64 / seconds;
        let figures = format!("{} at {}/s", show_size(done as f64), show_size(rate));
        if total == 0 {
            return format!("{}  {figures}", self.what);
        }
        let share = (done as f64 / total as f64).min(1.0);
        let full = (share * BAR as f64) as usize;
        let left = total.saturating_sub(done) as f64 / rate.max(1.0);
        let (minutes, seconds) = (left as u64 / 60, left as u64 % 60);
        let (bar, rest) = ("█".repeat(full), "░".repeat(BAR - full));
        format!("{} {bar}{rest} {:3.0} %  {figures}, {minutes}:{seconds:02} left", self.what, share * 100.0)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.draw {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_tells_share_rate_and_time_left() {
        let bar = Bar { what: "verify", draw: false, start: 0, drawn: 0 };
        let text = bar.text(50 << 20, 200 << 20, 1_000_000_000);
        assert!(text.contains(" 25 %  50 MiB at 50 MiB/s, 0:03 left"), "{text}");
        assert_eq!(text.matches('█').count(), 7);
        assert_eq!(bar.text(1 << 20, 0, 1_000_000_000), "verify  1 MiB at 1 MiB/s");
        bar.text(5, 1, 0);
    }
}
