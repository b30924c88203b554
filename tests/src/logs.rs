//! What the store logs, for tests that count warnings.

use std::sync::{Mutex, OnceLock, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Collector(Mutex<Vec<(Level, String)>>);

impl Log for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = (record.level(), record.args().to_string());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn flush(&self) {}
}

static COLLECTOR: OnceLock<Collector> = OnceLock::new();

/// Collects what is logged in this process from now on.
pub fn collect() {
    let collector = COLLECTOR.get_or_init(|| Collector(Mutex::default()));
    if log::set_logger(collector).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// The warnings and errors collected so far.
#[must_use]
pub fn warnings() -> Vec<String> {
    let Some(collector) = COLLECTOR.get() else { return Vec::new() };
    let lines = collector.0.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|(level, _)| *level <= Level::Warn).map(|(_, line)| line.clone()).collect()
}
