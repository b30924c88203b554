//! The checker takes what is right, and refuses each kind of wrong history.

use super::{ABSENT, Call, Effect, KeyIndex, NEVER, State, Tag, check};
use crate::rng::Rng;

fn write(thread: usize, span: (u64, u64), keys: &[(KeyIndex, Tag)]) -> Call {
    Call { thread, name: "write", called: span.0, returned: span.1, effect: Effect::Write(keys.to_vec()) }
}

fn read(thread: usize, span: (u64, u64), keys: &[(KeyIndex, Tag)]) -> Call {
    Call { thread, name: "read", called: span.0, returned: span.1, effect: Effect::Read(keys.to_vec()) }
}

/// The states that three keys, none there at first, may end with; `None` if the history is wrong.
fn ends(calls: &[Call]) -> Option<Vec<State>> {
    check(&[vec![ABSENT; 3]], calls).ok().map(|explained| explained.states)
}

#[track_caller]
fn right(calls: &[Call]) {
    if let Err(violation) = check(&[vec![ABSENT; 3]], calls) {
        panic!("{violation}");
    }
}

/// The history is wrong, and call `at` is the one that shows it.
#[track_caller]
fn wrong(calls: &[Call], at: usize) {
    let violation = check(&[vec![ABSENT; 3]], calls).expect_err("nothing is wrong with it");
    assert_eq!(violation.call, calls[at], "{violation}");
}

#[test]
fn calls_one_after_the_other() {
    right(&[
        read(0, (1, 2), &[(0, ABSENT)]),
        write(1, (3, 4), &[(0, 7)]),
        read(0, (5, 6), &[(0, 7)]),
        write(1, (7, 8), &[(0, ABSENT)]),
        read(0, (9, 10), &[(0, ABSENT)]),
    ]);
}

#[test]
fn calls_that_overlap_come_in_any_order() {
    let two = [write(0, (1, 10), &[(0, 7)]), write(1, (2, 9), &[(0, 8)])];
    assert_eq!(ends(&two), Some(vec![vec![7, 0, 0], vec![8, 0, 0]]));
    for seen in [ABSENT, 7, 8] {
        right(&[two[0].clone(), two[1].clone(), read(2, (3, 4), &[(0, seen)])]);
    }
    // The order is open until somebody sees it, and then it is not.
    let mut all = two.to_vec();
    all.push(read(2, (11, 12), &[(0, 7)]));
    right(&all);
    all.push(read(2, (13, 14), &[(0, 8)]));
    wrong(&all, 3);
}

#[test]
fn a_stale_read_is_wrong() {
    wrong(&[write(0, (1, 2), &[(0, 7)]), write(0, (3, 4), &[(0, 8)]), read(1, (5, 6), &[(0, 7)])], 2);
    // A value that somebody has seen is not unseen by the next, even while the write is still under way.
    let slow = write(0, (1, 20), &[(0, 7)]);
    wrong(&[slow.clone(), read(1, (2, 3), &[(0, 7)]), read(2, (4, 5), &[(0, ABSENT)])], 2);
    right(&[slow, read(1, (2, 5), &[(0, 7)]), read(2, (4, 6), &[(0, ABSENT)])]);
}

#[test]
fn a_lost_update_is_wrong() {
    wrong(&[write(0, (1, 2), &[(0, 7)]), read(1, (3, 4), &[(0, ABSENT)])], 1);
    // Of two writes that overlap one is the last, and everyone agrees on which.
    let both = [write(0, (1, 5), &[(0, 7)]), write(1, (2, 6), &[(0, 8)])];
    let seen = |a, b| [both.to_vec(), vec![read(2, (7, 8), &[(0, a)]), read(3, (9, 10), &[(0, b)])]].concat();
    right(&seen(7, 7));
    wrong(&seen(7, 8), 3);
}

#[test]
fn a_value_from_nowhere_is_wrong() {
    wrong(&[write(0, (1, 2), &[(0, 7)]), read(1, (3, 4), &[(0, 9)])], 1);
    // Nor may a read see a write that is made after it returned.
    wrong(&[read(1, (1, 2), &[(0, 7)]), write(0, (3, 4), &[(0, 7)])], 0);
}

#[test]
fn a_deleted_key_that_comes_back_is_wrong() {
    let mut calls = vec![write(0, (1, 2), &[(0, 7)]), write(0, (3, 4), &[(0, ABSENT)])];
    calls.push(read(1, (5, 6), &[(0, ABSENT)]));
    right(&calls);
    calls.push(read(1, (7, 8), &[(0, 7)]));
    wrong(&calls, 3);
}

#[test]
fn half_a_batch_is_wrong() {
    let batch = write(0, (1, 10), &[(0, 7), (1, 7)]);
    right(&[batch.clone(), read(1, (2, 3), &[(0, ABSENT), (1, ABSENT)]), read(1, (4, 5), &[(0, 7), (1, 7)])]);
    wrong(&[batch.clone(), read(1, (2, 3), &[(0, 7), (1, ABSENT)])], 1);
    // Also when the halves are read one by one.
    wrong(&[batch.clone(), read(1, (2, 3), &[(1, 7)]), read(1, (4, 5), &[(0, ABSENT)])], 2);
    right(&[batch, read(1, (2, 3), &[(0, ABSENT)]), read(1, (4, 5), &[(1, 7)])]);
}

#[test]
fn a_scan_that_sees_the_later_and_not_the_earlier_write_is_wrong() {
    let writes = [write(0, (1, 2), &[(0, 7)]), write(0, (3, 9), &[(1, 8)])];
    let with = |seen: &[(KeyIndex, Tag)]| [writes.to_vec(), vec![read(1, (1, 8), seen)]].concat();
    right(&with(&[(0, ABSENT), (1, ABSENT)]));
    right(&with(&[(0, 7), (1, ABSENT)]));
    right(&with(&[(0, 7), (1, 8)]));
    wrong(&with(&[(0, ABSENT), (1, 8)]), 2);
    // Two scans that see two writes in two orders.
    let apart = [write(0, (1, 9), &[(0, 7)]), write(1, (1, 9), &[(1, 8)])];
    let scans = [read(2, (2, 8), &[(0, 7), (1, ABSENT)]), read(3, (2, 7), &[(0, ABSENT), (1, 8)])];
    right(&[apart[0].clone(), apart[1].clone(), scans[0].clone()]);
    right(&[apart[0].clone(), apart[1].clone(), scans[1].clone()]);
    wrong(&[apart.to_vec(), scans.to_vec()].concat(), 2);
}

/// Everything under one snapshot is one read: if it moved, it saw the same key with two values, or two keys of two moments.
#[test]
fn a_snapshot_that_moves_is_wrong() {
    let write = write(0, (1, 9), &[(0, 7), (1, 8)]);
    right(&[write.clone(), read(1, (2, 3), &[(0, 7), (0, 7)])]);
    wrong(&[write.clone(), read(1, (2, 3), &[(0, ABSENT), (0, 7)])], 1);
    wrong(&[write, read(1, (2, 3), &[(0, ABSENT), (1, 8)])], 1);
}

#[test]
fn a_call_that_never_returned_may_have_happened_or_not() {
    let lost = write(0, (1, NEVER), &[(0, 7)]);
    assert_eq!(ends(std::slice::from_ref(&lost)), Some(vec![vec![0; 3], vec![7, 0, 0]]));
    right(&[lost.clone(), read(1, (2, 3), &[(0, ABSENT)]), read(1, (4, 5), &[(0, 7)])]);
    wrong(&[lost, read(1, (2, 3), &[(0, 7)]), read(1, (4, 5), &[(0, ABSENT)])], 2);
}

/// What a map answered whose calls take effect at one moment each is right, whatever the overlaps.
#[test]
fn histories_of_a_map_are_right() {
    for seed in 0..300 {
        let calls = history(&mut Rng::new(seed), 60, false);
        let explained = check(&[vec![ABSENT; 3]], &calls).unwrap_or_else(|v| panic!("seed {seed}: {v}"));
        assert!(explained.configurations < 2000, "seed {seed}: {}", explained.configurations);
    }
}

/// On short histories, right and wrong, the checker says what trying every order says.
#[test]
fn it_agrees_with_trying_every_order() {
    let mut verdicts = [0; 2];
    for seed in 0..4000 {
        let mut rng = Rng::new(seed);
        let count = rng.within(2..=7);
        let calls = history(&mut rng, count, true);
        let explained = try_all(&vec![ABSENT; 3], &calls.iter().collect::<Vec<_>>());
        let checked = ends(&calls);
        assert_eq!(checked.is_some(), explained, "seed {seed}: {calls:#?}");
        verdicts[usize::from(explained)] += 1;
    }
    assert!(verdicts.iter().all(|n| *n > 500), "wrong and right histories: {verdicts:?}");
}

/// Whether any order of the calls explains them: each that may be next, and then the rest.
fn try_all(state: &State, calls: &[&Call]) -> bool {
    calls.is_empty()
        || (0..calls.len()).any(|i| {
            let may_be_next = calls.iter().all(|other| other.returned >= calls[i].called);
            let mut state = state.clone();
            let fits = match &calls[i].effect {
                Effect::Read(keys) => keys.iter().all(|&(key, tag)| state[key] == tag),
                Effect::Write(keys) => {
                    keys.iter().for_each(|&(key, tag)| state[key] = tag);
                    true
                }
            };
            let rest: Vec<&Call> = calls[..i].iter().chain(&calls[i + 1..]).copied().collect();
            may_be_next && fits && try_all(&state, &rest)
        })
}

/// Four threads on three keys. Each call takes effect at a moment of its own, and begins before and ends after it, as far as its thread is free.
/// With `mistakes`, a read may see what some key held at some time.
fn history(rng: &mut Rng, steps: u64, mistakes: bool) -> Vec<Call> {
    let (mut state, mut calls, mut next) = (vec![ABSENT; 3], Vec::<Call>::new(), 1);
    let mut busy_until = [0; 4];
    for step in 1..=steps {
        let (thread, moment) = (rng.index(4), step * 100);
        if busy_until[thread] >= moment {
            continue;
        }
        let called = rng.within((busy_until[thread] + 1).max(moment.saturating_sub(300))..=moment);
        let returned = moment + rng.below(300);
        busy_until[thread] = returned;
        let first = rng.index(3);
        let keys = first..(first + rng.within(1..=2) as usize).min(3);
        let effect = if rng.one_in(2) {
            let tag = if rng.one_in(5) { ABSENT } else { next };
            next += 1;
            state[keys.clone()].fill(tag);
            Effect::Write(keys.map(|key| (key, tag)).collect())
        } else {
            let mut seen: Vec<(KeyIndex, Tag)> = keys.map(|key| (key, state[key])).collect();
            if mistakes && rng.one_in(3) {
                seen[0].1 = rng.below(u64::from(next)) as Tag;
            }
            Effect::Read(seen)
        };
        calls.push(Call { thread, name: "call", called, returned, effect });
    }
    calls
}
