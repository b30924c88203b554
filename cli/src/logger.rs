//! Warnings of the store, on standard error: above all the one that says why io_uring is not in use.

use log::{LevelFilter, Log, Metadata, Record};

use crate::out::note;

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_ascii_lowercase();
            note(format_args!("ringwood: {level}: {}", record.args()));
        }
    }

    fn flush(&self) {}
}

/// From here on, warnings are shown.
pub(crate) fn install() {
    // Fails only if another logger is there, and this is the only one.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}
