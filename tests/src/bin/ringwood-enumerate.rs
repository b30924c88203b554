//! Enumerates what may go wrong with a small workload or store, all of it, and prints the counts.
//!
//! ```text
//! ringwood-enumerate                    everything; some minutes
//! ringwood-enumerate flips --every 64   one enumeration, every 64th case
//! ringwood-enumerate cuts --kernel DIR  the images of the cuts on a real file system too
//! ```

use std::path::Path;

use ringwood_tests::enumerate::{self, Tally};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let every = words.iter().position(|w| w == "--every").map_or(1, |at| {
        words.get(at + 1).and_then(|n| n.parse().ok()).filter(|n| *n > 0).expect("--every needs a number")
    });
    let kernel = words.iter().position(|w| w == "--kernel");
    let kernel = kernel.map(|at| Path::new(words.get(at + 1).expect("--kernel needs a directory")));
    let all: [(&str, &dyn Fn() -> Tally); 6] = [
        ("failures", &|| enumerate::failures(every)),
        ("cuts", &|| enumerate::cuts(every, 8, kernel)),
        ("lies", &|| enumerate::lies(every)),
        ("flips", &|| enumerate::flips(every)),
        ("truncations", &|| enumerate::truncations(every)),
        ("exchanges", &|| enumerate::exchanges()),
    ];
    let is_wanted = |name: &str| {
        let mut names = words.iter().filter(|w| all.iter().any(|(name, _)| name == w)).peekable();
        names.peek().is_none() || names.any(|w| w == name)
    };
    for (name, enumeration) in all.iter().filter(|(name, _)| is_wanted(name)) {
        println!("{name}: {} (every {every})", enumeration());
    }
    // The largest resident set, in KiB: damaged lengths must not become memory.
    let status = procfs_peak();
    println!("memory at its peak: {status}");
}

#[allow(clippy::disallowed_methods, reason = "the command's own memory, not the store's files")]
fn procfs_peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.map_or("unknown".into(), |l| l.trim().to_owned())
}
