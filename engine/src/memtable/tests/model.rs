//! Random operations against a `BTreeMap`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::tree::{ChunkPool, SLOTS, Tree};
use super::super::{Kind, SEQ_MAX};
use super::walk::{Row, backward, forward, next, prev, row, target};

type Place = (Vec<u8>, Reverse<u64>);
type Content = (Kind, Vec<u8>);
type Model = BTreeMap<Place, Content>;

fn as_row((place, content): (&Place, &Content)) -> Row {
    (place.0.clone(), place.1.0, content.0, content.1.clone())
}

/// Keys that make trouble: heads that tie, short ones, ones that differ by trailing zero bytes only, long common prefixes,
/// and the neighbourhood of where prefixes change length.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let alphabet = prop::sample::select(vec![0_u8, 1, b'a', b'b', 0xff]);
    let few = prop::collection::vec(alphabet, 0..7);
    prop_oneof![
        3 => few.clone(),
        3 => few.clone().prop_map(|tail| [b"shared-prefix-".as_slice(), &tail].concat()),
        1 => few.clone().prop_map(|tail| [vec![b'p'; 62], tail].concat()),
        1 => (few, 60_usize..200).prop_map(|(tail, n)| [vec![b'q'; n], tail].concat()),
        3 => (0_u64..300).prop_map(|n| n.to_be_bytes().to_vec()),
        2 => any::<[u8; 6]>().prop_map(|random| random.to_vec()),
        1 => (0_u32..5000).prop_map(|n| format!("user{n:012}").into_bytes()),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>, Kind, Vec<u8>),
    /// The n-th key so far once more.
    Again(usize),
    /// Ascending, descending: a run of keys behind, or before, the n-th key so far.
    Run(usize, bool, u8),
    /// A version with an old sequence number, if that is free.
    Late(Vec<u8>, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        12 => (key(), value).prop_map(|(key, value)| Step::Insert(key, Kind::Put, value)),
        2 => key().prop_map(|key| Step::Insert(key, Kind::Delete, Vec::new())),
        4 => any::<usize>().prop_map(Step::Again),
        2 => (any::<usize>(), any::<bool>(), 1_u8..60).prop_map(|(n, up, len)| Step::Run(n, up, len)),
        1 => (key(), 0_u64..2000).prop_map(|(key, seq)| Step::Late(key, seq)),
    ]
}

struct Checked<const N: usize> {
    tree: Tree<N>,
    model: Model,
    keys: Vec<Vec<u8>>,
    seq: u64,
}

impl<const N: usize> Checked<N> {
    fn new() -> Self {
        Self {
            tree: Tree::new(0, &ChunkPool::new(0)),
            model: Model::new(),
            keys: vec![Vec::new()],
            seq: 1000,
        }
    }

    fn insert(&mut self, key: &[u8], seq: u64, kind: Kind, value: &[u8]) {
        let inserted = self.tree.writer().insert(target(key, seq), kind, value);
        let entry = (key.to_vec(), Reverse(seq));
        assert_eq!(inserted, !self.model.contains_key(&entry));
        self.model.entry(entry).or_insert_with(|| (kind, value.to_vec()));
        self.keys.push(key.to_vec());
    }

    fn put(&mut self, key: &[u8]) {
        self.seq += 1;
        let seq = self.seq;
        self.insert(key, seq, Kind::Put, &seq.to_le_bytes());
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Insert(key, kind, value) => {
                self.seq += 1;
                self.insert(&key, self.seq, kind, &value);
            }
            Step::Again(n) => self.put(&self.keys[n % self.keys.len()].clone()),
            Step::Run(n, up, len) => {
                let base = self.keys[n % self.keys.len()].clone();
                for i in 0..len {
                    let last = if up { i } else { len - i };
                    self.put(&[base.as_slice(), &[last]].concat());
                }
            }
            Step::Late(key, seq) => self.insert(&key, seq, Kind::Put, b"late"),
        }
    }

    fn rows(&self) -> Vec<Row> {
        self.model.iter().map(as_row).collect()
    }

    fn check_walks(&self) {
        let mut rows = self.rows();
        assert_eq!(forward(&self.tree, self.tree.first()), rows);
        rows.reverse();
        assert_eq!(backward(&self.tree, self.tree.last()), rows);
        assert_eq!(self.tree.len(), rows.len());
        let seqs = rows.iter().map(|row| row.1);
        let range = (seqs.clone().min().unwrap_or(u64::MAX), seqs.max().unwrap_or(0));
        assert_eq!(self.tree.seq_range(), range);
    }

    fn check_at(&self, key: &[u8], seq: u64) {
        let (tree, at) = (&self.tree, target(key, seq));
        let bound = (key.to_vec(), Reverse(seq));
        let mut behind = self.model.range(&bound..).map(as_row);
        let mut before = self.model.range(..=&bound).rev().map(as_row);

        let expected = behind.next();
        let found = tree.seek(at);
        assert_eq!(found.as_ref().map(|at| row(tree, at)), expected, "seek {key:?} {seq}");
        let second = found.as_ref().and_then(|at| next(tree, at));
        assert_eq!(second.as_ref().map(|at| row(tree, at)), behind.next(), "next of {key:?} {seq}");
        let back = second.and_then(|at| prev(tree, &at));
        assert_eq!(back.is_some(), second.is_some());
        assert!(back.is_none_or(|at| row(tree, &at) == *expected.as_ref().unwrap()));

        let got = tree.get(at).map(|id| tree.record(id));
        let version = expected.filter(|row| row.0 == key);
        assert_eq!(
            got.map(|r| (r.key().to_vec(), r.seq(), r.kind(), r.value().to_vec())),
            version,
            "get {key:?} {seq}"
        );

        let found = tree.seek_for_prev(at);
        assert_eq!(found.as_ref().map(|at| row(tree, at)), before.next(), "seek_for_prev {key:?} {seq}");
        let second = found.as_ref().and_then(|at| prev(tree, at));
        assert_eq!(second.map(|at| row(tree, &at)), before.next(), "prev of {key:?} {seq}");
    }

    fn check_everywhere(&self, others: &[Vec<u8>]) {
        self.check_walks();
        for (key, Reverse(seq)) in self.model.keys() {
            for seq in [*seq, seq.saturating_sub(1), seq + 1, 0, SEQ_MAX] {
                self.check_at(key, seq);
            }
            let mut near = key.clone();
            near.push(0);
            self.check_at(&near, SEQ_MAX);
            self.check_at(&key[..key.len() / 2], 0);
            if let Some(last) = near.iter_mut().rev().nth(1) {
                *last = last.wrapping_sub(1);
                self.check_at(&near, SEQ_MAX);
            }
        }
        for key in others {
            self.check_at(key, SEQ_MAX);
            self.check_at(key, 1100);
            self.check_at(key, 0);
        }
    }
}

/// Fewer under Miri, which takes minutes for what takes the processor milliseconds.
fn most(count: usize) -> usize {
    if cfg!(miri) { count.div_ceil(20) } else { count }
}

fn run<const N: usize>(steps: Vec<Step>, others: &[Vec<u8>]) {
    let mut checked = Checked::<N>::new();
    checked.check_everywhere(others);
    for step in steps {
        checked.apply(step);
    }
    checked.check_everywhere(others);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 1 } else { 150 }, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_model_2_slots(steps in prop::collection::vec(step(), 0..most(80)), others in prop::collection::vec(key(), most(20))) {
        run::<2>(steps, &others);
    }

    #[test]
    fn agrees_with_a_model_3_slots(steps in prop::collection::vec(step(), 0..most(120)), others in prop::collection::vec(key(), most(20))) {
        run::<3>(steps, &others);
    }

    #[test]
    fn agrees_with_a_model_5_slots(steps in prop::collection::vec(step(), 0..most(200)), others in prop::collection::vec(key(), most(20))) {
        run::<5>(steps, &others);
    }

    #[test]
    fn agrees_with_a_model_all_slots(steps in prop::collection::vec(step(), 0..most(400)), others in prop::collection::vec(key(), most(20))) {
        run::<SLOTS>(steps, &others);
    }
}

/// Every order of arrival of a few entries, so that every kind of split happens in every place.
#[test]
fn all_orders_of_a_few_entries() {
    fn orders(rest: &mut Vec<u8>, order: &mut Vec<u8>, visit: &mut impl FnMut(&[u8])) {
        if rest.is_empty() {
            visit(order);
        }
        for i in 0..rest.len() {
            let item = rest.remove(i);
            order.push(item);
            orders(rest, order, visit);
            order.pop();
            rest.insert(i, item);
        }
    }
    // Seven keys, of which some share bytes; and versions of one key.
    let keys: [&[u8]; 7] = [b"", b"\0", b"aaaaaaaaa", b"aaaaaaaaab", b"aaaaaaaab", b"b", b"b\0\0"];
    orders(&mut (0..if cfg!(miri) { 3 } else { 7 }).collect(), &mut Vec::new(), &mut |order| {
        let (mut by_key, mut by_version) = (Checked::<2>::new(), Checked::<3>::new());
        for &i in order {
            by_key.insert(keys[usize::from(i)], 7, Kind::Put, &[i]);
            by_version.insert(b"k", u64::from(i) + 3, Kind::Put, &[i]);
        }
        by_key.check_walks();
        by_version.check_walks();
        for key in keys {
            by_key.check_at(key, 7);
        }
        for seq in 0..12 {
            by_version.check_at(b"k", seq);
        }
    });
}
