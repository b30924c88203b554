//! What threads see of one store on the real disk is what one order of their calls explains: see [`ringwood_tests::history`].
//!
//! Each round reopens the store with options of its own, and makes two histories of some 6,000 calls; after three rounds a new store is begun, with
//! other keys and threads. Eight rounds by default.
//! `RINGWOOD_HISTORY_ROUNDS=500` for the long run, `RINGWOOD_SEED` for another beginning. The threads' interleaving is the machine's, so a
//! seed does not replay; a history that is wrong is told with the calls that show it.

#![allow(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::atomic::AtomicU32;

use ringwood_tests::history::{self, Shape, Tally};
use ringwood_tests::rng::Rng;
use ringwood_tests::settings::Settings;
use ringwood_tests::{dirs, seeds};

const CALLS: usize = 6000;
/// Rounds on one store, of one shape: then both are new.
const ROUNDS_A_STORE: u64 = 3;

#[test]
fn what_threads_see_has_an_order() {
    let rounds = seeds::number("RINGWOOD_HISTORY_ROUNDS").unwrap_or(8);
    let first = seeds::number("RINGWOOD_SEED").unwrap_or(1);
    let (mut tally, mut calls, mut widest) = (Tally::default(), 0, 0);
    let (mut flushes, mut compactions) = (0, 0);
    for seed in (first..first + rounds).step_by(ROUNDS_A_STORE as usize) {
        let dir = dirs::fresh();
        let mut rng = Rng::new(seed);
        let shape = Shape::draw(&mut rng, CALLS);
        let tags = AtomicU32::new(0);
        let mut states = vec![shape.empty()];
        for round in seed..(seed + ROUNDS_A_STORE).min(first + rounds) {
            let settings = Settings::draw(&mut rng);
            let db = settings.open(&dir.path().join("db")).unwrap();
            for again in 0..2 {
                let history = history::round(&db, &shape, rng.next(), &tags);
                let explained = history::check(&states, &history).unwrap_or_else(|violation| {
                    panic!("round {round}.{again}, {shape:?}, {settings}:\n{violation}")
                });
                assert_eq!(explained.states.len(), 1, "the last scan saw everything");
                states = explained.states;
                widest = widest.max(explained.configurations);
                calls += history.len();
                tally.add(&history);
            }
            let stats = db.stats();
            (flushes, compactions) = (flushes + stats.flushes, compactions + stats.compactions);
            if rng.one_in(2) {
                db.close().unwrap();
            }
        }
    }
    println!(
        "{rounds} rounds, {calls} calls explained: {tally:?}; {flushes} flushes, {compactions} compactions; at most {widest} orders open at a time"
    );
    assert!(flushes > 0 && compactions > 0, "nothing went on behind the calls");
}
