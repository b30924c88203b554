//! What the tree looks like inside: sizes, how full it gets, how much memory an entry takes.

use super::super::Kind;
use super::super::tree::{ChunkPool, SLOTS, Shape, Tree};
use super::walk::target;

const COUNT: u64 = 100_000;

fn random(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x7fb5_d329_728e_a185);
    let n = (n ^ (n >> 27)).wrapping_mul(0x81da_def4_bc2d_d44d);
    n ^ (n >> 33)
}

/// The key of insertion `n`.
type Keys = fn(u64) -> [u8; 16];

/// A tree of `COUNT` entries with 16-byte keys and 100-byte values, and bytes an entry.
fn fill(key: Keys) -> (Shape, f64) {
    // A hint below that for huge pages, so that memory is counted in small pages.
    let tree = Tree::<SLOTS>::new(15 << 20, &ChunkPool::new(0));
    let mut writer = tree.writer();
    for n in 0..COUNT {
        writer.insert(target(&key(n), n + 1), Kind::Put, &[7; 100]);
    }
    drop(writer);
    let shape = tree.shape();
    assert_eq!(shape.leaf_entries as u64, COUNT);
    (shape, tree.bytes() as f64 / COUNT as f64)
}

fn number_first(n: u64) -> [u8; 16] {
    let mut key = [b'0'; 16];
    key[..8].copy_from_slice(&n.to_be_bytes());
    key
}

fn text(n: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(format!("user{n:012}").as_bytes());
    key
}

#[test]
fn sequences_fill_leaves() {
    let sequences: [(&str, Keys); 5] = [
        ("ascending", number_first),
        ("descending", |n| number_first(COUNT - n)),
        ("versions", |_| number_first(5)),
        ("ascending text", text),
        ("four interleaved", |n| number_first((n % 4) << 40 | n)),
    ];
    for (name, key) in sequences {
        let (shape, bytes) = fill(key);
        let fill = shape.leaf_entries as f64 / shape.leaves as f64;
        assert!(fill > 0.95 * SLOTS as f64, "{name}: {shape:?}");
        assert!(bytes < 170.0, "{name}: {bytes} bytes an entry");
    }
}

#[test]
fn random_keys_fill_leaves_by_seventy_per_cent() {
    let patterns: [(&str, Keys); 3] = [
        ("random", |n| number_first(random(n))),
        ("dense numbers", |n| number_first(random(n) % 10_000_000)),
        ("text", |n| text(random(n) % 100_000_000)),
    ];
    for (name, key) in patterns {
        let (shape, bytes) = fill(key);
        let fill = shape.leaf_entries as f64 / shape.leaves as f64;
        assert!(fill > 0.66 * SLOTS as f64, "{name}: {shape:?}");
        assert!(bytes < 200.0, "{name}: {bytes} bytes an entry");
        // Each tie costs a search a look at a record. 1 % of these keys come twice.
        assert!(shape.ties < COUNT as usize / 25, "{name}: {shape:?}");
        assert!(shape.speculative < 30, "{name}: {shape:?}");
    }
}

/// A worst case for the writer's guesses: no order of keys costs more than a leaf each and their share of the level above.
#[test]
fn prefixes_that_fail_again_and_again_cost_bounded_memory() {
    let tree = Tree::<SLOTS>::new(0, &ChunkPool::new(0));
    let mut writer = tree.writer();
    let (mut count, mut payload) = (0, 0);
    for group in 0..50_u8 {
        // Every key lacks the prefix of the leaf of the one before.
        for len in (1..200).rev() {
            let key = [&[group], &vec![b'm'; len][..], b"n"].concat();
            count += 1;
            payload += key.len();
            writer.insert(target(&key, count), Kind::Put, b"");
        }
    }
    drop(writer);
    let shape = tree.shape();
    assert!(shape.leaves as u64 <= count && shape.height < 8, "{shape:?}");
    assert!(tree.bytes() - payload < 300 * count as usize, "{} bytes", tree.bytes());
}

#[test]
fn a_memtable_that_may_grow_large_begins_small() {
    let tree = Tree::<SLOTS>::new(64 << 20, &ChunkPool::new(0));
    tree.writer().insert(target(b"k", 1), Kind::Put, &[0; 100]);
    assert!(tree.bytes() < 20 << 10, "{} bytes with one entry", tree.bytes());
}

#[test]
fn memory_is_counted_in_pages_and_grows_with_content() {
    let tree = Tree::<SLOTS>::new(0, &ChunkPool::new(0));
    let empty = tree.bytes();
    assert!(empty < 20 << 10, "{empty} bytes when empty");
    let mut last = empty;
    for n in 0..20_000_u64 {
        tree.writer().insert(target(&random(n).to_be_bytes(), 1), Kind::Put, &[0; 50]);
        assert!(tree.bytes() >= last);
        last = tree.bytes();
    }
    assert!(last > 20_000 * 70);
}
