//! Files full of anything: opening gives an error, or a prefix of what was appended; never a panic, never a wrong byte.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::world::{Batch, DIR, Rng, World, for_each_seed};
use common::{Session, pattern, small};
use ringwood_ring::{Disk, PAGE, SimConfig, SimDisk};

/// A log of three runs and some segments, its batches, and whatever staging and spares there are.
fn sample(seed: u64) -> (Arc<SimDisk>, Vec<Batch>) {
    let mut world = World::new(seed, SimConfig::calm());
    world.options.segment_bytes_max = 64 << 10;
    for _ in 0..3 {
        let mut session = world.open().unwrap();
        for _ in 0..30 {
            let len = world.size();
            world.append(&mut session, len).unwrap();
            if world.rng.one_in(6) {
                session.log.wait_durable(session.log.appended()).unwrap();
            }
        }
        if world.rng.one_in(3) {
            session.appender.close().unwrap();
        }
        drop(session);
        world.disk.process_death();
    }
    (world.disk, world.appended)
}

/// Spoils a file in some way.
fn spoil(disk: &SimDisk, files: &[PathBuf], rng: &mut Rng) {
    let path = &files[rng.below(files.len() as u64) as usize];
    let Ok(mut bytes) = disk.read_raw(path) else { return };
    if bytes.is_empty() {
        return;
    }
    let mut place = || rng.below(bytes.len() as u64) as usize;
    let (at, other) = (place(), place());
    let len = [1, 8, 100, 512, PAGE, 20_000][rng.below(6) as usize];
    let end = (at + len).min(bytes.len());
    match rng.below(8) {
        0 => bytes[at..end].copy_from_slice(&pattern(rng.next(), end - at)),
        1 => bytes[at..end].fill(0),
        2 => bytes[at..end].fill(0xff),
        // A block in another place, of this file or another.
        3 => {
            let n = PAGE.min(bytes.len() - at / PAGE * PAGE).min(bytes.len() - other / PAGE * PAGE);
            bytes.copy_within(at / PAGE * PAGE..at / PAGE * PAGE + n, other / PAGE * PAGE);
        }
        4 => {
            let from = &files[rng.below(files.len() as u64) as usize];
            bytes = disk.read_raw(from).unwrap_or_default();
        }
        5 => bytes.truncate(at),
        6 => {
            disk.remove(path).unwrap();
            return;
        }
        _ => {
            // A number that a parser may trust: small, huge, or nearly right.
            let word =
                [rng.below(100), u64::MAX - rng.below(9), rng.next() >> rng.below(64)][rng.below(3) as usize];
            let at = at.min(bytes.len().saturating_sub(8)) / 8 * 8;
            if let Some(slot) = bytes.get_mut(at..at + 8) {
                slot.copy_from_slice(&word.to_le_bytes());
            }
        }
    }
    disk.write_raw(path, &bytes).unwrap();
}

#[test]
fn spoiled_files_give_an_error_or_a_prefix() {
    for_each_seed(60, |seed| {
        let (disk, batches) = sample(seed);
        let mut opened = 0;
        for round in 0..25 {
            let mut rng = Rng::new(seed * 1000 + round);
            let copy = disk.fork();
            copy.process_death();
            let files: Vec<PathBuf> = copy.file_names();
            for _ in 0..1 + rng.below(3) {
                spoil(&copy, &files, &mut rng);
            }
            let from =
                if rng.one_in(3) { batches[rng.below(batches.len() as u64) as usize].start } else { 0 };
            let needed = batches.iter().filter(|b| b.start >= from);
            let copy = copy as Arc<dyn Disk>;
            let Ok(session) = Session::open(&copy, Path::new(DIR), small(), from) else { continue };
            opened += 1;
            assert!(session.replayed.len() <= needed.clone().count());
            for ((lsn, bytes), batch) in session.replayed.iter().zip(needed) {
                assert!(*lsn == batch.start && *bytes == pattern(batch.tag, batch.len), "round {round}");
            }
            // And what is there now is a log like any other.
            let replayed = session.replayed.len();
            drop(session);
            let again = Session::open(&copy, Path::new(DIR), small(), from).unwrap();
            assert_eq!(again.replayed.len(), replayed, "round {round}");
        }
        assert!(opened > 0 && opened < 25, "{opened} of 25 opened");
    });
}
