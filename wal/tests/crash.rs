//! Random workloads on the simulated disk, cut at random operations: by the death of the process or a loss of power, in the
//! middle of groups, of recoveries, of recoveries of recoveries.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::world::{Fate, World, for_each_seed};
use ringwood_ring::SimConfig;

/// Sessions end or are cut anywhere; recoveries too, up to three times in a row.
#[test]
fn what_was_promised_is_replayed_after_any_crash() {
    for_each_seed(1500, |seed| {
        let mut world = World::new(seed, SimConfig::default());
        for _ in 0..6 {
            let cut = world.rng.below(400);
            world.disk.crash_after(cut);
            let count = 5 + world.rng.below(60);
            world.session(count);
            // Whether it ended or died: the next one finds what a crash leaves.
            world.crash();
            for _ in 0..world.rng.below(4) {
                let cut = world.rng.below(60);
                world.disk.crash_after(cut);
                world.session(0);
                world.crash();
            }
        }
        let fate = world.session(0);
        assert_eq!(fate, Fate::Ended, "nothing cuts the last opening");
    });
}

/// Everything that was appended is there after the death of the process, whatever was written or synced.
#[test]
fn the_death_of_the_process_loses_nothing() {
    for_each_seed(1000, |seed| {
        let mut world = World::new(seed, SimConfig::default());
        for _ in 0..5 {
            let cut = world.rng.below(300);
            world.disk.crash_after(cut);
            let count = 5 + world.rng.below(60);
            world.session(count);
            world.disk.process_death();
            assert!(world.powered);
        }
        assert_eq!(world.session(0), Fate::Ended);
    });
}

/// The second opening finds what the first found, and the first left it durable: even a power loss between the two changes nothing.
#[test]
fn recovery_is_idempotent_and_durable() {
    for_each_seed(1000, |seed| {
        let mut world = World::new(seed, SimConfig::default());
        let cut = 60 + world.rng.below(300);
        world.disk.crash_after(cut);
        world.session(60);
        world.crash();
        let first = world.open().unwrap();
        let replayed = first.replayed.len();
        drop(first);
        if world.rng.one_in(2) {
            world.crash();
        }
        let second = world.open().unwrap();
        assert_eq!(second.replayed.len(), replayed);
    });
}

/// One moment, many images of what a power loss may leave of it.
#[test]
fn every_image_of_one_moment_recovers() {
    for_each_seed(60, |seed| {
        let mut world = World::new(seed, SimConfig::default());
        world.session(40);
        let cut = 20 + world.rng.below(200);
        world.disk.crash_after(cut);
        world.session(60);
        for image in 0..20 {
            let mut after = World {
                disk: world.disk.image(image),
                options: world.options.clone(),
                rng: common::world::Rng::new(image),
                appended: world.appended.clone(),
                powered: false,
                ..world
            };
            assert_eq!(after.session(10), Fate::Ended, "image {image}");
        }
    });
}

/// Seed 1259 of the first test, once: a batch that fills a whole segment and is cut off leaves that segment without log. It is still
/// the link between the newest segment and the position asked for, so it must not go before a new run has cut it off.
#[test]
fn a_segment_that_holds_only_a_cut_batch_stays_until_the_new_run_is_durable() {
    for_each_seed(300, |seed| {
        let mut world = World::new(seed, SimConfig::calm());
        let Ok(mut session) = world.open() else { panic!("cannot open") };
        world.disk.crash_after(world.rng.below(60));
        // The only batch is larger than two segments, and never whole.
        let _ = world.append(&mut session, 180_000);
        world.note_durable(&session);
        drop(session);
        world.disk.process_death();
        for _ in 0..4 {
            let cut = world.rng.below(40);
            world.disk.crash_after(cut);
            world.session(0);
            world.crash();
        }
        assert_eq!(world.session(5), Fate::Ended);
    });
}
