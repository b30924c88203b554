//! What opening a store costs: after a close in good order, and after the death of its process.
//!
//! `cargo run --release -p ringwood-benches --example open-cost -- DIR [ENTRIES]` loads so many entries (80 million, 10 GB) into a new store
//! `DIR/open-cost`, and opens it some times each way, without what the page cache has of it where that can be dropped. Leaves nothing behind.

#![allow(
    clippy::disallowed_methods,
    reason = "a program for people: it looks at clock and files past the store"
)]

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ringwood::{Class, Db, Durability};
use ringwood_benches::Random;

const ENTRIES: u64 = 80_000_000;
/// Openings each way.
const ROUNDS: u32 = 5;
/// Puts before the process dies, in write buffers of 64 MiB: one and a half.
const PUTS: u64 = 600_000;
/// First argument of the child that dies.
const DIE: &str = "--write-and-die";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (dir, entries) = match &args[..] {
        [die, dir, entries] if die == DIE => return write_and_die(Path::new(dir), entries.parse()?),
        [dir] => (dir, ENTRIES),
        [dir, entries] => (dir, entries.parse()?),
        _ => return Err("usage: open-cost DIR [ENTRIES]".into()),
    };
    let dir = Path::new(dir).join("open-cost");
    let measured = measure(&dir, entries);
    std::fs::remove_dir_all(&dir)?;
    measured
}

fn key(number: u64) -> [u8; 16] {
    let mut key = [b'0'; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

fn measure(dir: &Path, entries: u64) -> Result<(), Box<dyn Error>> {
    let db = Db::open(dir)?;
    let start = Instant::now();
    let mut loader = db.loader()?;
    (0..entries).try_for_each(|number| loader.put(key(number), [b'v'; 100]))?;
    loader.finish()?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{entries} entries loaded in {seconds:.1} s, {:.2} GB", db.stats().disk_bytes() as f64 / 1e9);
    db.close()?;
    for _ in 0..ROUNDS {
        open(dir, "after a close")?;
    }
    for _ in 0..ROUNDS {
        let status = Command::new(std::env::current_exe()?)
            .args([DIE.as_ref(), dir.as_os_str()])
            .arg(entries.to_string())
            .status()?;
        if status.success() {
            return Err("the child was to die".into());
        }
        open(dir, "after the death of a process")?;
    }
    Ok(())
}

/// Opens the store without its page cache, and says what that took.
fn open(dir: &Path, when: &str) -> Result<(), Box<dyn Error>> {
    let is_cold = std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok();
    let start = Instant::now();
    let db = Db::open(dir)?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let stats = db.stats();
    let (control, log) = (stats.io.class(Class::Control), stats.io.class(Class::Log));
    let tables: usize = stats.keyspaces.iter().flat_map(|k| &k.levels).map(|l| l.tables).sum();
    let replayed: u64 = stats.keyspaces.iter().map(|k| k.memtable_bytes).sum();
    println!(
        "{when}: {ms:.0} ms; {tables} tables, {:.0} MB in {} reads and {} enters; log {:.0} MB, memtables {:.0} MB; page cache {}",
        control.read_bytes as f64 / 1e6,
        control.reads,
        control.enters,
        log.read_bytes as f64 / 1e6,
        replayed as f64 / 1e6,
        if is_cold { "dropped" } else { "as it was" }
    );
    Ok(db.close()?)
}

/// Writes what is in memtables and log only, and dies without closing.
fn write_and_die(dir: &Path, entries: u64) -> Result<(), Box<dyn Error>> {
    let db = Db::open(dir)?;
    let mut random = Random::new(entries);
    for _ in 0..PUTS {
        db.put_with(key(random.below(entries)), [b'w'; 100], Durability::Buffered)?;
    }
    std::process::abort()
}
