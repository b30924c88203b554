//! Stopping after each screenful, on a terminal: Enter or Space goes on, `q` or Ctrl-C ends the result.

use std::io::{Read, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use unicode_width::UnicodeWidthStr;

use crate::failure::Result;
use crate::out::Out;
use crate::terminal;

/// See the module documentation.
#[derive(Debug, Default)]
pub(crate) struct Pager {
    on: bool,
    /// Lines of the screen that are used.
    used: usize,
}

impl Pager {
    pub(crate) fn set(&mut self, on: bool) {
        self.on = on;
    }

    /// A command begins.
    pub(crate) fn begin(&mut self) {
        self.used = 0;
    }

    /// Counts a line that was written; when the screen is full, waits. False: the user has seen enough.
    pub(crate) fn line(&mut self, text: &str, out: &mut Out) -> Result<bool> {
        let Some(height) = terminal::height().filter(|_| self.on) else { return Ok(true) };
        self.used += text.width().div_ceil(terminal::width()).max(1);
        if self.used + 1 < height {
            return Ok(true);
        }
        self.used = 0;
        out.bytes(b"\x1b[7m-- more: Space, q to end --\x1b[0m")?;
        out.flush()?;
        let goes_on = wait_for_key().is_none_or(|key| !matches!(key, b'q' | b'Q' | 3 | 4 | 27));
        out.bytes(b"\r\x1b[K")?;
        out.flush()?;
        Ok(goes_on)
    }
}

/// One key, without waiting for a line. `None` where that cannot be had: nothing is paged then.
fn wait_for_key() -> Option<u8> {
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).ok()?;
    let mut raw = before.clone();
    // Ctrl-C comes as a key here.
    raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
    let mut key = [0];
    let read = stdin.lock().read(&mut key);
    let _ = tcsetattr(&stdin, OptionalActions::Now, &before);
    let _ = std::io::stdout().flush();
    (read.ok()? == 1).then_some(key[0])
}
