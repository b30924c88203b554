//! Standard output, buffered, whose errors are failures of the command instead of panics.
//!
//! One thread writes at a time (the value is not shared). What was written reaches the reader on [`flush`](Out::flush), which
//! every command calls before it ends.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::failure::{Failure, Result};

const BUFFER_BYTES: usize = 64 << 10;

/// Buffered standard output.
#[derive(Debug)]
pub(crate) struct Out {
    to: BufWriter<StdoutLock<'static>>,
}

impl Out {
    pub(crate) fn new() -> Self {
        Self { to: BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock()) }
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.to.write_all(bytes).map_err(|e| Failure::output(&e))
    }

    /// Writes one line.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> Result<()> {
        writeln!(self.to, "{text}").map_err(|e| Failure::output(&e))
    }

    /// Writes one line and hands it on at once.
    pub(crate) fn line_now(&mut self, text: impl fmt::Display) -> Result<()> {
        self.line(text)?;
        self.flush()
    }

    /// Hands on what was written.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(|e| Failure::output(&e))
    }
}

/// Whether standard error is a terminal: only then is progress drawn there.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Writes one line to standard error. A closed standard error is nobody's concern.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
