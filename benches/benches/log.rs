//! `Appender::append`: a record into the staging ring.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringwood_benches::{RECORD_BYTES, Random};
use ringwood_ring::{Arena, Disk, SyscallDisk};
use ringwood_wal::WalOptions;

/// Records between two looks at the clock: together far less than half the staging ring, so that no append waits.
const BURST: u64 = 10_000;

fn append(c: &mut Criterion) {
    let disk: Arc<dyn Disk> = SyscallDisk::new(Arena::new(32 << 20).expect("address space"), Vec::new());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = WalOptions {
        staging_bytes: 16 << 20,
        // The log thread writes when it is told to, not in the middle of a burst.
        drain_bytes: 8 << 20,
        drain_ns: 60_000_000_000,
        segment_bytes_min: 32 << 20,
        segment_bytes_max: 32 << 20,
        ..WalOptions::default()
    };
    let opened =
        ringwood_wal::open(&disk, dir.path(), options, 1, 0, &mut |_, _| Ok(())).expect("an empty directory");
    let (mut appender, log, mut pump) = (opened.appender, opened.log, opened.pump);
    let thread = std::thread::spawn(move || pump.run());
    let mut record = [0; RECORD_BYTES];
    Random::new(1).fill(&mut record);

    let mut group = c.benchmark_group("log");
    group.throughput(Throughput::Bytes(RECORD_BYTES as u64));
    group.bench_function("append", |b| {
        b.iter_custom(|iterations| {
            let (mut left, mut ns) = (iterations, 0);
            while left > 0 {
                let burst = left.min(BURST);
                let start = disk.now();
                for _ in 0..burst {
                    appender.append(&[&record]).expect("the log has room");
                }
                ns += disk.now() - start;
                left -= burst;
                // Not measured: the ring is emptied.
                log.wait_kept(log.appended()).expect("the log is open");
                log.wait_durable(log.appended()).expect("the disk works");
                log.release(log.durable());
            }
            Duration::from_nanos(ns)
        });
    });
    group.finish();
    appender.close().expect("the disk works");
    thread.join().expect("the log thread does not panic").expect("the disk works");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = append
}
criterion_main!(benches);
