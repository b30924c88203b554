//! What this process used: memory, processor, bytes written. Any thread.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

/// A moment to measure from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    cpu_seconds: f64,
    written_bytes: u64,
}

/// What was used since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) cpu_seconds: f64,
    pub(crate) written_bytes: u64,
    /// Most resident memory, mapped files included.
    pub(crate) rss_peak_bytes: u64,
}

/// Starts anew, the peak of resident memory too where the kernel lets it be reset.
pub(crate) fn start() -> Start {
    let _ = fs::write("/proc/self/clear_refs", "5");
    Start { cpu_seconds: cpu_seconds(), written_bytes: written_bytes() }
}

impl Start {
    pub(crate) fn used(&self) -> Used {
        Used {
            cpu_seconds: cpu_seconds() - self.cpu_seconds,
            written_bytes: written_bytes().saturating_sub(self.written_bytes),
            rss_peak_bytes: field("/proc/self/status", "VmHWM:") << 10,
        }
    }
}

/// Processor time of all threads of this process, user and system.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Bytes that this process sent to storage: written directly, or made dirty in the page cache or in a shared map.
pub(crate) fn written_bytes() -> u64 {
    field("/proc/self/io", "write_bytes:")
}

fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().find_map(|line| number_after(line, name)).unwrap_or(0)
}

fn number_after(line: &str, name: &str) -> Option<u64> {
    line.strip_prefix(name)?.split_whitespace().next()?.parse().ok()
}

/// Bytes that the files of a directory take on disk (blocks, so that holes cost nothing).
pub(crate) fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        // Removed meanwhile.
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_memory_processor_and_disk_are_seen() {
        let dir = tempfile::tempdir_in(".").unwrap();
        let start = start();
        let bytes = vec![7u8; 8 << 20];
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("in/file"), &bytes).unwrap();
        let used = start.used();
        assert!(used.rss_peak_bytes > 8 << 20, "{used:?}");
        assert!(used.cpu_seconds > 0.0 && used.cpu_seconds < 60.0, "{used:?}");
        fs::File::open(dir.path().join("in/file")).unwrap().sync_all().unwrap();
        assert!((8 << 20..9 << 20).contains(&disk_bytes(dir.path())), "{}", disk_bytes(dir.path()));
    }

    #[test]
    fn fields_are_told_by_their_names() {
        assert_eq!(number_after("VmHWM:\t  123 kB", "VmHWM:"), Some(123));
        assert_eq!(number_after("cancelled_write_bytes: 5", "write_bytes:"), None);
    }
}
