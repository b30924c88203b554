//! Where the time of a sorted load goes: the caller's puts, and the end, when the last filter is built and everything is made durable.
//!
//! `cargo run --release -p ringwood-benches --example load-cost -- DIR [ENTRIES] [ROUNDS]` loads so many entries (one million) of 116 bytes into a
//! new store `DIR/load-cost`, some times (five). Leaves nothing behind.

#![allow(
    clippy::disallowed_methods,
    reason = "a program for people: it looks at clock and files past the store"
)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use ringwood::Db;

const ENTRIES: u64 = 1_000_000;
const ROUNDS: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (dir, entries, rounds) = match &args[..] {
        [dir] => (dir, ENTRIES, ROUNDS),
        [dir, entries] => (dir, entries.parse()?, ROUNDS),
        [dir, entries, rounds] => (dir, entries.parse()?, rounds.parse()?),
        _ => return Err("usage: load-cost DIR [ENTRIES] [ROUNDS]".into()),
    };
    let dir = Path::new(dir).join("load-cost");
    (0..rounds).try_for_each(|_| {
        let loaded = load(&dir, entries);
        std::fs::remove_dir_all(&dir)?;
        loaded
    })
}

fn load(dir: &Path, entries: u64) -> Result<(), Box<dyn Error>> {
    let db = Db::open(dir)?;
    let (mut key, value) = ([b'0'; 16], [b'v'; 100]);
    let start = Instant::now();
    let mut loader = db.loader()?;
    for number in 0..entries {
        key[..8].copy_from_slice(&number.to_be_bytes());
        loader.put(key, value)?;
    }
    let put = start.elapsed();
    loader.finish()?;
    let all = start.elapsed();
    println!(
        "{entries} entries: puts {:.1} ms, end {:.1} ms; {:.2} million a second",
        put.as_secs_f64() * 1e3,
        (all - put).as_secs_f64() * 1e3,
        entries as f64 / all.as_secs_f64() / 1e6
    );
    Ok(db.close()?)
}
