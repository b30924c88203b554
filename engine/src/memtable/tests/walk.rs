//! Helpers: a tree read in every way there is.

use super::super::Kind;
use super::super::tree::{Position, Target, Tree};

/// Key, sequence number, whether it is a put, value.
pub(super) type Row = (Vec<u8>, u64, Kind, Vec<u8>);

pub(super) fn row<const N: usize>(tree: &Tree<N>, at: &Position<N>) -> Row {
    let record = tree.record(at.record());
    (record.key().to_vec(), record.seq(), record.kind(), record.value().to_vec())
}

pub(super) fn next<const N: usize>(tree: &Tree<N>, at: &Position<N>) -> Option<Position<N>> {
    // SAFETY: the tests use one tree at a time.
    unsafe { tree.next(at) }
}

pub(super) fn prev<const N: usize>(tree: &Tree<N>, at: &Position<N>) -> Option<Position<N>> {
    // SAFETY: as in `next`.
    unsafe { tree.prev(at) }
}

pub(super) fn forward<const N: usize>(tree: &Tree<N>, from: Option<Position<N>>) -> Vec<Row> {
    std::iter::successors(from, |at| next(tree, at)).map(|at| row(tree, &at)).collect()
}

pub(super) fn backward<const N: usize>(tree: &Tree<N>, from: Option<Position<N>>) -> Vec<Row> {
    std::iter::successors(from, |at| prev(tree, at)).map(|at| row(tree, &at)).collect()
}

pub(super) fn target(key: &[u8], seq: u64) -> Target<'_> {
    Target { key, seq }
}
