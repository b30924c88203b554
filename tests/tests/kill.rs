//! `kill -9` on the real kernel, in the middle of threaded writes with flushes and compactions running.
//!
//! Every acknowledged `Buffered` and `Synced` write must be there after it, or a newer one of its thread; batches are whole, also across
//! keyspaces. Each round, and each check, has options of its own (`Settings`: buffers, cache, compression, durability, sync mode, log, backend,
//! ring), and other writers at work, from a seed that is printed. Ten rounds by default; `RINGWOOD_KILL_ROUNDS=300` for the long run,
//! `RINGWOOD_SEED` for other sets.
//!
//! The child writes what it is about to do and what was acknowledged to a [`Scoreboard`], a shared mapping that survives it.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use ringwood::{Db, Durability, Keyspace, WriteBatch};
use ringwood_tests::rng::Rng;
use ringwood_tests::scoreboard::Scoreboard;
use ringwood_tests::settings::Settings;
use ringwood_tests::{child, dirs, seeds};

/// Keys of a thread that writes one at a time, groups of one that writes batches; no multiples of the deletes' periods.
const KEYS: u64 = 997;
/// Operations of a batch: half of them in each keyspace.
const BATCH: u64 = 8;

#[derive(Debug, Clone, Copy)]
struct Writer {
    name: &'static str,
    durability: Durability,
    batches: bool,
}

const WRITERS: [Writer; 6] = [
    Writer { name: "b0", durability: Durability::Buffered, batches: false },
    Writer { name: "b1", durability: Durability::Buffered, batches: false },
    Writer { name: "s0", durability: Durability::Synced, batches: false },
    Writer { name: "s1", durability: Durability::Synced, batches: false },
    Writer { name: "bb", durability: Durability::Buffered, batches: true },
    Writer { name: "sb", durability: Durability::Synced, batches: true },
];

/// Slots of the scoreboard: two a writer, then these.
const OPENED: usize = 2 * WRITERS.len();
const COMPACTIONS: usize = OPENED + 1;
const URING: usize = OPENED + 2;
const SLOTS: usize = OPENED + 3;

fn attempted(writer: usize) -> usize {
    2 * writer
}

fn acknowledged(writer: usize) -> usize {
    2 * writer + 1
}

/// What operation `n` of a writer puts at part `part` of its key; `None` for a delete.
fn value(n: u64, part: u64) -> Option<Vec<u8>> {
    if n % 5 == 4 {
        return None;
    }
    let mut value = n.to_le_bytes().to_vec();
    let mut rng = Rng::new(n * BATCH + part);
    let len = rng.skewed(if n.is_multiple_of(100) { 100_000 } else { 1500 }) as usize;
    value.extend(rng.bytes(len));
    Some(value)
}

fn key(writer: &Writer, n: u64, part: u64) -> String {
    format!("{}/{:04}/{part}", writer.name, n % KEYS)
}

/// What a round is like: the store's options, who writes beside the first, and how many more keyspaces are made, written and dropped.
fn draw(seed: u64) -> (Settings, [bool; WRITERS.len()], u64) {
    let mut rng = Rng::new(seed);
    let settings = Settings::draw(&mut rng);
    let active = std::array::from_fn(|i| i == 0 || rng.percent(80));
    (settings, active, rng.below(4))
}

const TEST: &str = "nothing_acknowledged_is_lost_and_batches_are_whole";

/// The process that is killed.
fn write_until_killed() -> ! {
    let argument = |name: &str| std::env::var(name).expect("the parent sets it");
    let dir = argument("KILL_DIR");
    let board = Scoreboard::open(Path::new(&argument("KILL_BOARD")), SLOTS);
    let seed = argument("KILL_SEED").parse().expect("a number");
    let (settings, active, extra) = draw(seed);
    let db = settings.open(Path::new(&dir)).expect("the store opens");
    let other = db.keyspace("other").expect("a keyspace");
    board.set(URING, u64::from(db.stats().caps.backend == "io_uring"));
    board.set(OPENED, 1);
    std::thread::scope(|scope| {
        for i in 0..extra {
            let db = &db;
            scope.spawn(move || use_keyspaces(db, i, &mut Rng::new(seed ^ i)));
        }
        for i in (0..WRITERS.len()).filter(|&i| active[i]) {
            let (db, other, board) = (&db, &other, &board);
            scope.spawn(move || write_for_ever(i, db, other, board));
        }
        loop {
            board.set(COMPACTIONS, db.stats().compactions);
            pause(5);
        }
    })
}

#[allow(clippy::disallowed_methods, reason = "real processes and real time")]
fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn write_for_ever(i: usize, db: &Db, other: &Keyspace, board: &Scoreboard) {
    let writer = &WRITERS[i];
    for n in board.get(attempted(i)) + 1.. {
        board.set(attempted(i), n);
        write(writer, n, db, other).expect("a write");
        board.set(acknowledged(i), n);
    }
}

/// Makes a keyspace, writes to it, and drops it, over and over. What is in it is nobody's to check; that the store opens is.
fn use_keyspaces(db: &Db, number: u64, rng: &mut Rng) -> ! {
    let name = format!("extra {number}");
    loop {
        let space = db.keyspace(&name).expect("a keyspace");
        for _ in 0..rng.below(3000) {
            let (key, value) = (rng.below(2000).to_be_bytes(), vec![7; rng.skewed(2000) as usize]);
            let durability = *rng.pick(&[Durability::None, Durability::Buffered]);
            space.put_with(key, value, durability).expect("a write");
        }
        if rng.one_in(2) {
            db.drop_keyspace(&name).expect("it is there");
        }
    }
}

fn write(writer: &Writer, n: u64, db: &Db, other: &Keyspace) -> ringwood::Result<()> {
    if !writer.batches {
        let key = key(writer, n, 0);
        return match value(n, 0) {
            Some(value) => db.put_with(key, value, writer.durability),
            None => db.delete_with(key, writer.durability),
        };
    }
    let mut batch = WriteBatch::new();
    for part in 0..BATCH {
        let key = key(writer, n, part);
        match (value(n, part), part % 2) {
            (Some(value), 0) => batch.put(key, value)?,
            (Some(value), _) => batch.put_in(other, key, value)?,
            (None, 0) => batch.delete(key)?,
            (None, _) => batch.delete_in(other, key)?,
        }
    }
    db.write(&batch, writer.durability)
}

/// Operations that no process was told of, by writer: they may have happened or not.
type Doubtful = [Vec<u64>; WRITERS.len()];

#[test]
fn nothing_acknowledged_is_lost_and_batches_are_whole() {
    if child::is_child(TEST) {
        write_until_killed();
    }
    let rounds = seeds::number("RINGWOOD_KILL_ROUNDS").unwrap_or(10);
    let dir = dirs::fresh();
    let (store, board_path) = (dir.path().join("store"), dir.path().join("board"));
    let board = Scoreboard::open(&board_path, SLOTS);
    let mut rng = Rng::new(seeds::number("RINGWOOD_SEED").unwrap_or(1));
    let mut doubtful: Doubtful = Default::default();
    let (mut checked, mut compactions, mut uring) = (0, 0, 0);
    for round in 0..rounds {
        let seed = rng.next();
        println!("round {round}, seed {seed}: {}", draw(seed).0);
        board.set(OPENED, 0);
        board.set(COMPACTIONS, 0);
        let before = total(&board);
        let mut command = child::command(TEST, &[]);
        command.env("KILL_DIR", &store).env("KILL_BOARD", &board_path).env("KILL_SEED", seed.to_string());
        let mut process = command.stdout(Stdio::null()).spawn().expect("the child starts");
        if rng.one_in(4) {
            // While it opens, or soon after.
            pause(rng.below(60));
        } else {
            let goal = before + rng.within(500..=30_000);
            await_progress(&mut process, || total(&board) >= goal);
        }
        process.kill().expect("kill -9");
        process.wait().expect("it is dead");
        let opened = board.get(OPENED) == 1;
        println!(
            "round {round}: killed after {} writes{}, {} compactions",
            total(&board) - before,
            if opened { "" } else { " (opening)" },
            board.get(COMPACTIONS)
        );
        compactions += board.get(COMPACTIONS);
        uring += u64::from(opened && board.get(URING) == 1);
        for (i, doubtful) in doubtful.iter_mut().enumerate() {
            let n = board.get(attempted(i));
            if n != board.get(acknowledged(i)) && doubtful.last() != Some(&n) {
                doubtful.push(n);
            }
        }
        // Not after every round: the next process then recovers what this one left.
        if round + 1 == rounds || rng.percent(70) {
            checked += check(&store, &board, &doubtful, &mut rng);
        }
    }
    println!(
        "{rounds} rounds, {uring} of them on io_uring, {compactions} compactions, {checked} keys checked"
    );
    assert!(compactions > 0, "no compaction was running");
}

fn total(board: &Scoreboard) -> u64 {
    (0..WRITERS.len()).map(|i| board.get(acknowledged(i))).sum()
}

fn await_progress(process: &mut Child, reached: impl Fn() -> bool) {
    while !reached() {
        if let Some(status) = process.try_wait().expect("its state") {
            panic!("the child ended by itself: {status}");
        }
        pause(1);
    }
}

/// Compares all keys with what their writers were told; how many it were.
fn check(store: &Path, board: &Scoreboard, doubtful: &Doubtful, rng: &mut Rng) -> u64 {
    let settings = Settings::draw(rng);
    let db =
        settings.open(store).unwrap_or_else(|e| panic!("it does not open after kill -9: {e}; {settings}"));
    let other = db.keyspace("other").expect("a keyspace");
    let mut checked = 0;
    for (i, writer) in WRITERS.iter().enumerate() {
        let (done, doubts) = (board.get(acknowledged(i)), &doubtful[i]);
        let parts = if writer.batches { BATCH } else { 1 };
        for slot in 0..KEYS {
            let allowed = candidates(slot, done.max(board.get(attempted(i))), doubts);
            let got: Vec<Option<Vec<u8>>> = (0..parts)
                .map(|part| {
                    let key = key(writer, slot, part);
                    let got = if part % 2 == 0 { db.get(&key) } else { other.get(&key) };
                    got.expect("a read").map(|v| v.to_vec())
                })
                .collect();
            let is = |n: u64| (0..parts).all(|part| got[part as usize] == expected(n, part));
            assert!(
                allowed.iter().any(|&n| is(n)),
                "{} slot {slot}: found operations {:?}, allowed {allowed:?}; acknowledged to {done}, doubtful {doubts:?}",
                writer.name,
                got.iter().map(|v| v.as_ref().map(|v| stamp(v))).collect::<Vec<_>>()
            );
            checked += parts;
        }
    }
    db.close().expect("it closes");
    checked
}

/// Operation 0 stands for none yet.
fn expected(n: u64, part: u64) -> Option<Vec<u8>> {
    if n == 0 { None } else { value(n, part) }
}

fn stamp(value: &[u8]) -> u64 {
    value.get(..8).map_or(u64::MAX, |b| u64::from_le_bytes(b.try_into().expect("eight bytes")))
}

/// The operations that may have been the last on a slot: the last that was acknowledged, and doubtful ones after it.
fn candidates(slot: u64, last: u64, doubtful: &[u64]) -> Vec<u64> {
    let mut allowed = Vec::new();
    let mut n = (last + KEYS - slot) / KEYS * KEYS + slot;
    while n > last {
        match n.checked_sub(KEYS) {
            Some(earlier) => n = earlier,
            None => return vec![0],
        }
    }
    loop {
        allowed.push(n);
        if !doubtful.contains(&n) || n == 0 {
            return allowed;
        }
        match n.checked_sub(KEYS) {
            Some(earlier) => n = earlier,
            None => n = 0,
        }
    }
}

#[test]
fn the_candidates_of_a_slot_are_right() {
    assert_eq!(candidates(5, 4, &[]), [0]);
    assert_eq!(candidates(5, 5, &[]), [5]);
    assert_eq!(candidates(5, 1001, &[]), [5]);
    assert_eq!(candidates(5, 1002, &[]), [1002]);
    assert_eq!(candidates(5, 1002, &[1002]), [1002, 5]);
    assert_eq!(candidates(5, 1002, &[5, 1002]), [1002, 5, 0]);
    assert_eq!(candidates(0, 996, &[]), [0]);
}
