//! One writer, several readers, real threads: whatever was inserted before a reader began is there, however it looks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::super::tree::{ChunkPool, Position, SLOTS, Tree};
use super::super::{Kind, SEQ_MAX};
use super::walk::{next, prev, target};

const COUNT: u64 = if cfg!(miri) { 24 } else { 4000 };
const COUNT_OF_EACH_WRITER: u64 = COUNT / 2;
const READERS: u64 = if cfg!(miri) { 1 } else { 3 };

/// The key of insertion `n`, from 1; no two are the same version.
type Keys = fn(u64) -> Vec<u8>;

fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n ^ (n >> 29)
}

/// Walks to the end. In strict order; and of what was visible at the start, how many are met.
fn count<const N: usize>(tree: &Tree<N>, from: Option<Position<N>>, back: bool, visible: u64) -> u64 {
    let step = |at: &Position<N>| if back { prev(tree, at) } else { next(tree, at) };
    let (mut met, mut last) = (0, None);
    for at in std::iter::successors(from, step) {
        let record = tree.record(at.record());
        let here = (record.key(), u64::MAX - record.seq());
        if let Some(last) = last.replace(here) {
            assert!(if back { here < last } else { last < here }, "out of order, or twice");
        }
        met += u64::from(record.seq() <= visible);
    }
    met
}

fn look<const N: usize>(tree: &Tree<N>, keys: Keys, visible: u64, random: &mut u64) {
    for _ in 0..if cfg!(miri) { 2 } else { 20 } {
        *random = mix(*random + 1);
        let n = 1 + *random % visible;
        let key = keys(n);
        let record = tree.record(tree.get(target(&key, n)).expect("what was inserted is found"));
        assert_eq!((record.key(), record.seq(), record.value()), (&key[..], n, &n.to_le_bytes()[..]));
        let at = tree.seek(target(&key, n)).expect("what was inserted is found");
        assert_eq!(tree.record(at.record()).seq(), n);
        let at = tree.seek_for_prev(target(&key, n)).expect("what was inserted is found");
        assert_eq!(tree.record(at.record()).seq(), n);
    }
    // Both directions from one place cover all; once that place is passed.
    let n = 1 + *random % visible;
    let (key, back) = (keys(n), random.is_multiple_of(2));
    let behind = count(tree, tree.seek(target(&key, n)), false, visible);
    let before = count(tree, tree.seek_for_prev(target(&key, n)), true, visible);
    assert_eq!(behind + before, visible + 1);
    let edge = if back { tree.last() } else { tree.first() };
    assert_eq!(count(tree, edge, back, visible), visible);
}

fn run<const N: usize>(keys: Keys) {
    let tree = Tree::<N>::new(0, &ChunkPool::new(0));
    let (visible, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let (tree, visible, done) = (&tree, &visible, &done);
            scope.spawn(move || {
                let mut random = reader;
                loop {
                    let last_round = done.load(Ordering::Acquire);
                    let visible = visible.load(Ordering::Acquire);
                    if visible > 0 {
                        look(tree, keys, visible, &mut random);
                    }
                    if last_round {
                        break;
                    }
                }
            });
        }
        for n in 1..=COUNT {
            assert!(tree.writer().insert(target(&keys(n), n), Kind::Put, &n.to_le_bytes()));
            visible.store(n, Ordering::Release);
            if n % 64 == 0 {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(tree.len() as u64, COUNT);
    assert!(tree.get(target(&keys(1), SEQ_MAX)).is_some());
}

fn run_all(keys: Keys) {
    run::<2>(keys);
    run::<3>(keys);
    run::<SLOTS>(keys);
}

#[test]
fn random_keys() {
    run_all(|n| mix(n).to_be_bytes().to_vec());
}

#[test]
fn ascending_keys() {
    run_all(|n| n.to_be_bytes().to_vec());
}

#[test]
fn descending_keys() {
    run_all(|n| (u64::MAX - n).to_be_bytes().to_vec());
}

#[test]
fn interleaved_sequences() {
    run_all(|n| {
        let lane = n % 5;
        let place = if lane < 3 { n } else { u64::MAX - n };
        format!("lane{lane}-{place:020}").into_bytes()
    });
}

#[test]
fn versions_of_few_keys() {
    run_all(|n| format!("a-common-prefix-{}", mix(n) % 10).into_bytes());
}

#[test]
fn prefixes_that_come_and_go() {
    run_all(|n| vec![b'p'; (mix(n) % 300) as usize].into_iter().chain((n as u32).to_be_bytes()).collect());
}

/// Writers at once wait for one another.
#[test]
fn several_writers() {
    let tree = Tree::<SLOTS>::new(0, &ChunkPool::new(0));
    std::thread::scope(|scope| {
        for writer in 0..4_u64 {
            let tree = &tree;
            scope.spawn(move || {
                for n in 0..COUNT_OF_EACH_WRITER {
                    let seq = n * 4 + writer;
                    tree.writer().insert(target(&mix(seq).to_be_bytes(), seq), Kind::Put, b"");
                }
            });
        }
    });
    let all = 4 * COUNT_OF_EACH_WRITER;
    assert_eq!((tree.len() as u64, tree.seq_range()), (all, (0, all - 1)));
    assert_eq!(count(&tree, tree.first(), false, SEQ_MAX), all);
    assert!((0..all).all(|seq| tree.get(target(&mix(seq).to_be_bytes(), SEQ_MAX)).is_some()));
}
