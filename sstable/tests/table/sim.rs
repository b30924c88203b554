//! Tables on the simulated disk: power cuts at every operation, failing operations, completions in any order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ringwood_ring::{Arena, Class, Disk, FaultOp, FaultPlan, SimConfig, SimDisk};
use ringwood_sstable::{Compression, SEQ_MAX, TableError, TableOptions};

use crate::support::{Bench, Owned, get, scan, uniform};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn bench(seed: u64, config: SimConfig) -> (Bench, Arc<SimDisk>) {
    let disk = SimDisk::new(seed, config, Arena::new(4 << 20).unwrap());
    (on(&disk), disk)
}

fn on(disk: &Arc<SimDisk>) -> Bench {
    let disk: Arc<dyn Disk> = Arc::<SimDisk>::clone(disk);
    Bench::on(disk, PathBuf::from("/"), None, 1 << 20)
}

fn entries() -> Vec<Owned> {
    uniform(900, 300)
}

/// Writes a table and makes its name durable, as a flush does.
fn write(bench: &Bench, options: TableOptions) -> ringwood_sstable::Result<()> {
    bench.try_write(1, &entries(), options)?;
    bench.disk.sync_dir(Path::new("/"))?;
    Ok(())
}

/// The table as a later process finds it: whole, or refused, as a whole or where a block is missing. Never wrong.
fn check(bench: &Bench, entries: &[Owned]) -> bool {
    let mut lane = bench.lane(Class::Control, 4);
    let all = bench.open(1).and_then(|table| {
        // The last writes may have survived without the first: then the checksums of blocks tell.
        let verified = table.verify(&bench.disk, &mut *lane);
        let all = scan(&table, bench);
        assert_eq!(verified.is_ok(), all.is_ok());
        all
    });
    match all {
        Ok(all) => {
            assert!(all == entries, "a table that reads without error is whole");
            true
        }
        Err(TableError::Corrupt { .. }) => false,
        Err(TableError::Io(error)) => {
            assert_eq!(error.kind(), ringwood_ring::IoErrorKind::NotFound, "{error}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// The power fails at every operation of the writing, twelve images each. A table whose writer and directory sync said done is
/// there; one that was under way is whole, refused or not there, and never wrong.
#[test]
fn a_power_cut_at_every_operation() {
    let entries = entries();
    let (mut whole, mut refused, mut images) = (0, 0, 0);
    for expected_bytes in [0, 1 << 20] {
        let mut cut = 0;
        loop {
            let config = SimConfig { garbage_in_grown_space: cut % 2 == 0, ..SimConfig::default() };
            let (bench, disk) = bench(cut, config);
            disk.crash_after(cut);
            let done = write(&bench, TableOptions { expected_bytes, ..TableOptions::default() }).is_ok();
            for seed in 0..12 {
                let image = disk.image(seed);
                images += 1;
                if check(&on(&image), &entries) {
                    whole += 1;
                } else {
                    assert!(!done, "cut {cut}, seed {seed}: the table was acknowledged and is gone");
                    refused += 1;
                }
            }
            if done {
                break;
            }
            cut += 1;
        }
    }
    println!("{images} images: {whole} whole, {refused} refused or missing");
    assert!(whole > 0 && refused > 150, "{whole} whole, {refused} refused");
}

/// Whatever order completions come in, and however transfers are split.
#[test]
fn any_schedule_gives_the_same_table() {
    let entries = entries();
    for seed in 0..30 {
        let config = SimConfig { short_transfer: 0.3, retry: 0.2, slow: 0.2, ..SimConfig::default() };
        let (bench, _) = bench(seed, config);
        let compression = if seed % 2 == 0 { Compression::Lz4 } else { Compression::None };
        write(&bench, TableOptions { compression, ..TableOptions::default() }).unwrap();
        assert!(check(&bench, &entries), "seed {seed}");
    }
}

/// Each operation of the writing fails once: the error names file and cause, and no file is left.
#[test]
fn every_operation_of_the_writer_may_fail() {
    for (op, errno, words) in [
        (FaultOp::Create, ENOSPC, "free space"),
        (FaultOp::Allocate, ENOSPC, "free space"),
        (FaultOp::Write, EIO, "Input/output error"),
        (FaultOp::Write, ENOSPC, "free space"),
        (FaultOp::Truncate, EIO, "Input/output error"),
        (FaultOp::Sync, EIO, "Input/output error"),
    ] {
        let mut failures = 0;
        for after in 0.. {
            let (bench, disk) = bench(after, SimConfig::calm());
            disk.fail_next(FaultPlan::once(op, errno).after(after));
            // More than the table needs is reserved, so that it is cut as well.
            let options = TableOptions { expected_bytes: 2 << 20, ..TableOptions::default() };
            let Err(error) = bench.try_write(1, &entries(), options) else { break };
            let text = error.to_string();
            assert!(text.contains("000001.sst") && text.contains(words), "{text}");
            assert!(disk.file_names().is_empty(), "{op:?} {after}: a file is left");
            failures += 1;
        }
        assert!(failures > 0, "{op:?} never failed");
    }
}

/// A read that fails is an error, not "not found"; the next one answers.
#[test]
fn a_failed_read_is_an_error_and_passes() {
    let (bench, disk) = bench(1, SimConfig::calm());
    let entries = entries();
    write(&bench, TableOptions::default()).unwrap();
    let table = bench.open(1).unwrap();
    for e in entries.iter().step_by(100) {
        disk.fail_next(FaultPlan::once(FaultOp::Read, EIO));
        let error = get(&table, &e.0, SEQ_MAX, &bench).unwrap_err();
        assert!(matches!(&error, TableError::Io(io) if io.errno() == EIO), "{error}");
        assert_eq!(get(&table, &e.0, SEQ_MAX, &bench).unwrap().map(|f| f.2), Some(e.3.clone()));
    }
    assert_eq!(bench.cache.stats().pinned, 0);
    // While opening, too: any of its reads.
    disk.fail_next(FaultPlan::once(FaultOp::Read, EIO));
    assert!(matches!(bench.open(1), Err(TableError::Io(_))));
    assert!(bench.open(1).is_ok());
}

/// Reads of a rotting, misdirecting medium: right, or an error.
#[test]
fn what_the_medium_gets_wrong_is_noticed() {
    let entries = entries();
    let (mut right, mut failed) = (0, 0);
    for seed in 0..20 {
        let (bench, disk) = bench(seed, SimConfig::default());
        write(&bench, TableOptions::default()).unwrap();
        let table = bench.open(1).unwrap();
        disk.configure(|c| {
            c.bit_rot = 0.02;
            c.misdirected_read = 0.05;
            c.read_error = 0.02;
        });
        for e in entries.iter().step_by(5) {
            match get(&table, &e.0, SEQ_MAX, &bench) {
                Ok(found) => {
                    assert_eq!(found.map(|f| f.2), Some(e.3.clone()), "seed {seed}");
                    right += 1;
                }
                Err(_) => failed += 1,
            }
        }
    }
    assert!(right > 100 && failed > 20, "{right} right, {failed} failed");
}

/// Writes that the disk acknowledges and loses, or puts elsewhere: noticed when they are read.
#[test]
fn lost_and_misdirected_writes_are_noticed() {
    let entries = entries();
    let mut noticed = 0;
    for seed in 0..40 {
        let (bench, disk) = bench(seed, SimConfig::default());
        disk.configure(|c| {
            c.lost_write = 0.1;
            c.misdirected_write = 0.1;
        });
        if write(&bench, TableOptions { expected_bytes: 400_000, ..TableOptions::default() }).is_err() {
            continue;
        }
        let all = bench.open(1).and_then(|table| scan(&table, &bench));
        match all {
            Ok(all) => assert!(all == entries, "seed {seed}"),
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > 5, "{noticed}");
}
