//! Memory: the resident set stays within the budget plus a constant, whatever is written.
//!
//! `RINGWOOD_RECORDS=10000000 cargo test --release -p ringwood-tests --test memory -- --nocapture` is the long run: 10 million records of 100
//! bytes filled, overwritten and compacted, at 16, 64 and 256 MiB. By default it is 300,000.
//!
//! Indexes and filters are in memory as a whole. Where the budget has no room for them the bound is the budget and what they have beyond
//! their room, as the store's statistics tell it; and that is nothing from [`BUDGET_A_RECORD`] on, and [`EXCESS_A_RECORD`] at most below.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]
#![allow(clippy::disallowed_methods, reason = "tests look at /proc")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use ringwood::{Db, Durability, Options};
use ringwood_tests::rng::Rng;
use ringwood_tests::{child, dirs, seeds};

/// What the process may have beyond the budget: stacks and structures of threads, rings (about 32 KiB each and not in the resident set of
/// all kernels), allocator slack, lists of tables.
const CONSTANT_BYTES: u64 = 16 << 20;
/// Bytes of budget for each record of the store from which on its indexes and filters have room, also while a whole compaction of records that were
/// written twice holds those of old and new tables.
const BUDGET_A_RECORD: u64 = 8;
/// Bytes of them for each record at that moment, at most.
const EXCESS_A_RECORD: u64 = 5;
/// Key and value together are 100 bytes.
const VALUE_BYTES: usize = 84;

#[test]
fn resident_memory_stays_within_the_budget() {
    const TEST: &str = "resident_memory_stays_within_the_budget";
    if child::is_child(TEST) {
        let number = |name| seeds::number(name).expect("the parent sets it");
        fill_overwrite_compact(number("MEMORY_RECORDS"), number("MEMORY_BUDGET") << 20);
        std::process::exit(0);
    }
    let records = seeds::number("RINGWOOD_RECORDS").unwrap_or(300_000);
    for budget in [16u64, 64, 256] {
        let mut command = child::command(TEST, &[]);
        command.env("MEMORY_RECORDS", records.to_string()).env("MEMORY_BUDGET", budget.to_string());
        let text = child::output(&mut command);
        text.lines().filter(|l| l.contains("MiB")).for_each(|l| println!("{l}"));
    }
}

fn fill_overwrite_compact(records: u64, budget: u64) {
    let dir = dirs::fresh();
    let before = resident().now;
    let db = Options::new().memory(budget).open(dir.path().join("db")).unwrap();
    println!("\nbudget {} MiB, {records} records:", budget >> 20);
    let excess_seen = AtomicU64::new(0);
    let report = |what: &str| {
        let (resident, memory) = (resident(), db.stats().memory);
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        excess_seen.fetch_max(memory.tables_excess, SeqCst);
        println!(
            "  {what:<10} {:>7.1} MiB resident beyond the start, {:>7.1} at most; cache {:.1}, memtables {:.1}, tables {:.1}, I/O {:.1} MiB",
            mib(resident.now.saturating_sub(before)),
            mib(resident.peak.saturating_sub(before)),
            mib(memory.cache),
            mib(memory.memtables),
            mib(memory.tables),
            mib(memory.io_buffers)
        );
    };
    report("open");
    for (round, what) in ["fill", "overwrite"].into_iter().enumerate() {
        for i in 0..records {
            put(&db, scattered(i, records), round as u8);
        }
        report(what);
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (db, excess_seen, is_over) = (&db, &excess_seen, &is_over);
        scope.spawn(move || {
            while !is_over.load(SeqCst) {
                excess_seen.fetch_max(db.stats().memory.tables_excess, SeqCst);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        db.compact().unwrap();
        is_over.store(true, SeqCst);
    });
    report("compact");
    let mut rng = Rng::new(1);
    for _ in 0..20_000 {
        let key = key(rng.below(records));
        assert_eq!(db.get(key).unwrap().unwrap()[8], 1);
    }
    let keys: Vec<[u8; 16]> = (0..1000).map(|_| key(rng.below(records))).collect();
    assert!(db.multi_get(&keys).unwrap().iter().all(Option::is_some));
    assert_eq!(db.iter().unwrap().count() as u64, records);
    report("read");
    let peak = resident().peak.saturating_sub(before);
    let excess = excess_seen.into_inner();
    println!("  indexes and filters had {:.1} MiB beyond their room", excess as f64 / f64::from(1 << 20));
    assert!(excess == 0 || budget < BUDGET_A_RECORD * records, "the budget has room for indexes and filters");
    assert!(excess <= EXCESS_A_RECORD * records, "{excess} bytes of indexes and filters beyond their room");
    assert!(
        peak <= budget + CONSTANT_BYTES + excess,
        "{peak} bytes resident, more than the budget of {budget}, {CONSTANT_BYTES}, and {excess}\n{}",
        db.stats()
    );
    db.close().unwrap();
}

/// Every record once, in an order that jumps all over.
fn scattered(i: u64, records: u64) -> u64 {
    // A step without a common factor with the number goes round once.
    let mut step = records * 5 / 8 + 1;
    while gcd(step, records) != 1 {
        step += 1;
    }
    (u128::from(i) * u128::from(step) % u128::from(records)) as u64
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn key(n: u64) -> [u8; 16] {
    let mut key = [b'0'; 16];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key
}

fn put(db: &Db, n: u64, round: u8) {
    let mut value = [round; VALUE_BYTES];
    value[..8].copy_from_slice(&n.to_le_bytes());
    db.put_with(key(n), value, Durability::Buffered).unwrap();
}

/// Resident bytes of this process.
struct Resident {
    now: u64,
    peak: u64,
}

fn resident() -> Resident {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let field = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name)).expect("a field of /proc/self/status");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    };
    Resident { now: field("VmRSS:"), peak: field("VmHWM:") }
}
