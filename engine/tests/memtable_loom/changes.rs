//! A writer that makes each kind of change, and a reader that looks in each kind of way.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use crate::memtable::tree::{ChunkPool, Position, Target, Tree};
use crate::memtable::{Kind, SEQ_MAX};

type SmallTree = Tree<2>;

/// A model visits everything within so many preemptions. All failures seen so far needed two or fewer.
const PREEMPTIONS_MAX: usize = 3;

/// What a reader does; it must find the entries of all keys given. The number says where to look.
type Look = fn(&SmallTree, &[u8], usize);

/// Keys in the order of their numbers, of which every second has the head of its neighbour; and from 100 on such as share
/// a prefix, so that a leaf of them has a speculative one, which those from 200 on lack.
fn key(n: u8) -> Vec<u8> {
    match n {
        0..100 => vec![n / 2, n % 2],
        100..200 => [b"prefix".as_slice(), &[n / 2, n % 2]].concat(),
        200.. => vec![b'q', n],
    }
}

fn newest(key: &[u8]) -> Target<'_> {
    Target { key, seq: SEQ_MAX }
}

fn insert(tree: &SmallTree, n: u8, seq: u64) {
    let key = key(n);
    assert!(tree.writer().insert(Target { key: &key, seq }, Kind::Put, &[n]));
}

fn number(tree: &SmallTree, at: &Position<2>) -> u8 {
    let record = tree.record(at.record());
    let n = record.value()[0];
    assert_eq!(record.key(), key(n));
    n
}

fn get(tree: &SmallTree, expected: &[u8], place: usize) {
    let n = expected[place % expected.len()];
    let id = tree.get(newest(&key(n))).expect("an entry inserted before is found");
    assert_eq!(tree.record(id).value(), [n]);
}

/// All that is expected, and in strict order.
fn check_walk(walk: &[u8], expected: impl Iterator<Item = u8>) {
    assert!(walk.is_sorted_by(|a, b| a < b), "{walk:?} is not in order");
    for n in expected {
        assert!(walk.contains(&n), "{n} is not in {walk:?}");
    }
}

fn walk(tree: &SmallTree, from: Option<Position<2>>, back: bool) -> Vec<u8> {
    // SAFETY: all positions are of this tree.
    let step = |at: &Position<2>| unsafe { if back { tree.prev(at) } else { tree.next(at) } };
    let mut walk: Vec<u8> = std::iter::successors(from, step).map(|at| number(tree, &at)).collect();
    if back {
        walk.reverse();
    }
    walk
}

fn forward(tree: &SmallTree, expected: &[u8], _: usize) {
    check_walk(&walk(tree, tree.first(), false), expected.iter().copied());
}

fn backward(tree: &SmallTree, expected: &[u8], _: usize) {
    check_walk(&walk(tree, tree.last(), true), expected.iter().copied());
}

fn seek(tree: &SmallTree, expected: &[u8], place: usize) {
    let n = expected[place % expected.len()];
    // Between an entry and the one before.
    let target = key(n - 1);
    let walk = walk(tree, tree.seek(Target { key: &target, seq: 0 }), false);
    assert!(walk.iter().all(|m| *m >= n), "{walk:?} has entries before the target");
    check_walk(&walk, expected.iter().copied().filter(|m| *m >= n));
}

fn seek_for_prev(tree: &SmallTree, expected: &[u8], place: usize) {
    let n = expected[place % expected.len()];
    let target = key(n + 1);
    let walk = walk(tree, tree.seek_for_prev(newest(&target)), true);
    assert!(walk.iter().all(|m| *m <= n), "{walk:?} has entries behind the target");
    check_walk(&walk, expected.iter().copied().filter(|m| *m <= n));
}

/// What insertions added to a tree: leaves, inner nodes, levels.
type Growth = (usize, usize, usize);

/// A tree of `before`; then a writer inserts `during`, while a reader looks, in every way and at every place.
fn check(before: &[u8], during: &[u8]) -> Growth {
    let growth = Arc::new(Mutex::new((0, 0, 0)));
    let mut looks: Vec<(Look, usize)> = vec![(forward, 0), (backward, 0)];
    for place in 0..before.len() {
        looks.extend([(get as Look, place), (seek, place), (seek_for_prev, place)]);
    }
    for (look, place) in looks {
        let (before, during, growth) = (before.to_vec(), during.to_vec(), Arc::clone(&growth));
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(PREEMPTIONS_MAX);
        model.max_branches = 20_000;
        model.check(move || run(&before, &during, look, place, &growth));
    }
    *growth.lock().unwrap()
}

fn run(before: &[u8], during: &[u8], look: Look, place: usize, growth: &Mutex<Growth>) {
    let tree = Arc::new(SmallTree::new(0, &ChunkPool::new(0)));
    let visible = Arc::new(AtomicU64::new(before.len() as u64));
    for (i, n) in before.iter().enumerate() {
        insert(&tree, *n, 1 + i as u64);
    }
    let old = tree.shape();
    let writer = {
        let (tree, visible) = (Arc::clone(&tree), Arc::clone(&visible));
        let (first, during) = (before.len() as u64 + 1, during.to_vec());
        thread::spawn(move || {
            for (n, seq) in during.into_iter().zip(first..) {
                insert(&tree, n, seq);
                visible.store(seq, Ordering::Release);
            }
        })
    };
    let seen = visible.load(Ordering::Acquire) as usize;
    let expected: Vec<u8> = before.iter().chain(during).copied().take(seen).collect();
    // The newest entry in the first place, lest it is never looked at.
    let place = if place == 0 { expected.len() - 1 } else { place };
    look(&tree, &expected, place);
    writer.join().expect("the writer ends well");
    let new = tree.shape();
    *growth.lock().unwrap() = (new.leaves - old.leaves, new.inner - old.inner, new.height - old.height);
}

#[test]
fn a_slot_is_filled() {
    assert_eq!(check(&[20], &[10]), (0, 0, 0));
    assert_eq!(check(&[10], &[20]), (0, 0, 0));
    assert_eq!(check(&[10, 20, 30], &[40]), (0, 0, 0));
}

/// Leaves appended, prepended and split, parents that have room, are split, or get a new root above.
#[test]
fn one_insertion_anywhere() {
    let mut kinds = BTreeSet::new();
    for before in [
        &[10, 20, 30][..],
        &[10, 20, 30, 40, 50, 60, 70],
        &[70, 60, 50, 40, 30, 20, 10],
        &[40, 20, 60, 10, 30, 50, 70],
        &[40, 20, 60, 10, 30, 50, 70, 44, 46, 42],
    ] {
        for new in (5..80).step_by(10) {
            kinds.insert(check(before, &[new]));
        }
    }
    assert_eq!(kinds, BTreeSet::from([(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 3, 1)]));
}

/// The second insertion changes what the first one made.
#[test]
fn two_insertions() {
    for during in [[40, 50], [5, 4], [12, 14], [12, 11], [25, 22], [5, 40]] {
        check(&[10, 20, 30], &during);
    }
}

/// New keys lack the prefix that the leaf and its parent were made for.
#[test]
fn a_speculative_prefix_fails() {
    let before = [110, 112, 114, 116, 118, 120];
    for during in [[210], [20], [115], [121]] {
        check(&before, &during);
    }
    check(&before, &[210, 20]);
}
