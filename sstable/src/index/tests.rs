use proptest::prelude::*;

use super::*;

/// Blocks by their first and last entries; the index must send each target where a scan over these would.
type Blocks = Vec<((Vec<u8>, u64), (Vec<u8>, u64))>;

fn build(blocks: &Blocks) -> Index {
    let mut builder = IndexBuilder::default();
    for (first, last) in blocks {
        builder.add(PAGE, 2 * PAGE, (&first.0, first.1), (&last.0, last.1));
    }
    let estimate = builder.estimate();
    let mut bytes = Vec::new();
    builder.finish(&mut bytes);
    assert!(bytes.len() <= estimate);
    Index::parse(&bytes).unwrap()
}

/// Cuts sorted entries into blocks of `per` entries.
fn blocks(mut entries: Vec<(Vec<u8>, u64)>, per: usize) -> Blocks {
    entries.sort_by(|a, b| crate::entry_cmp(&a.0, a.1, &b.0, b.1));
    entries.dedup();
    entries.chunks(per).map(|c| (c[0].clone(), c[c.len() - 1].clone())).collect()
}

fn check(blocks: &Blocks, index: &Index, key: &[u8], seq: u64) {
    let at = index.block_for(key, seq) as usize;
    let before = |e: &(Vec<u8>, u64)| crate::entry_cmp(&e.0, e.1, key, seq) == Ordering::Less;
    // The first block that does not end before the target holds the first entry at or after it.
    let want = blocks.iter().position(|(_, last)| !before(last)).unwrap_or(blocks.len() - 1);
    if at != want {
        // Only in the gap between two blocks, and only if the right one starts with another key.
        assert_eq!(at + 1, want, "{key:?} {seq}");
        assert!(!before(&blocks[want].0) && blocks[want].0.0 != key, "{key:?} {seq} would be missed");
    }
}

#[test]
fn an_index_of_one_block_and_of_none() {
    let one = build(&vec![((b"b".to_vec(), 3), (b"c".to_vec(), 2))]);
    assert_eq!(one.block_for(b"a", 1), 0);
    assert_eq!(one.block_for(b"z", 1), 0);
    assert_eq!(one.frame_bytes(0), 2 * PAGE);
    let none = build(&Vec::new());
    assert_eq!((none.block_count(), none.block_for(b"a", 1)), (0, 0));
}

#[test]
fn versions_of_one_key_are_parted_exactly() {
    let entries: Vec<_> = (0..100).map(|seq| (b"key".to_vec(), 2 * seq + 10)).collect();
    let blocks = blocks(entries, 7);
    let index = build(&blocks);
    for seq in 0..230 {
        let at = index.block_for(b"key", seq) as usize;
        let want = blocks.iter().position(|(_, last)| last.1 <= seq).unwrap_or(blocks.len() - 1);
        assert_eq!(at, want, "seq {seq}");
    }
}

#[test]
fn memory_is_some_fifteen_bytes_a_block() {
    let entries = (0..200_000u64).map(|i| (KeyBytes::of(i), 1)).collect();
    let blocks = blocks(entries, 20);
    let index = build(&blocks);
    let each = index.memory_bytes() as f64 / blocks.len() as f64;
    assert!(each < 18.0, "{each} bytes a block");
}

struct KeyBytes;
impl KeyBytes {
    fn of(i: u64) -> Vec<u8> {
        let mut key = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
        key.extend_from_slice(b"12345678");
        key
    }
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(0u8..3, 1..14),
        prop::collection::vec(any::<u8>(), 1..4),
        prop::collection::vec(0u8..2, 0..4).prop_map(|mut tail| {
            let mut key = b"a common prefix/".to_vec();
            key.append(&mut tail);
            key
        }),
    ]
}

proptest! {
    #[test]
    fn every_target_is_sent_to_its_block(
        entries in prop::collection::vec((keys(), 0u64..6), 1..300),
        per in 1usize..9,
        targets in prop::collection::vec((keys(), 0u64..7), 50),
    ) {
        let blocks = blocks(entries.clone(), per);
        let index = build(&blocks);
        for (key, seq) in entries.iter().chain(&targets) {
            check(&blocks, &index, key, *seq);
            check(&blocks, &index, key, SEQ_MAX);
        }
        for i in 1..blocks.len() {
            let (separator, left, right) = (index.separator(i - 1), &blocks[i - 1].1.0, &blocks[i].0.0);
            prop_assert!(left <= &separator && &separator <= right);
            prop_assert!(left < &separator || left == right, "only versions of one key share theirs");
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(index) = Index::parse(&bytes) {
            index.block_for(b"key", 5);
        }
    }

    #[test]
    fn damaged_bytes_never_panic(at in 0usize..4000, bit in 0u8..8, cut in any::<bool>()) {
        let entries = (0..200u64).map(|i| (KeyBytes::of(i), 1)).collect();
        let mut builder = IndexBuilder::default();
        for (first, last) in blocks(entries, 3) {
            builder.add(PAGE, PAGE, (&first.0, first.1), (&last.0, last.1));
        }
        let mut bytes = Vec::new();
        builder.finish(&mut bytes);
        let at = at % bytes.len();
        if cut {
            assert!(Index::parse(&bytes[..at]).is_err());
        } else {
            bytes[at] ^= 1 << bit;
            if let Ok(index) = Index::parse(&bytes) {
                for i in 0..200 {
                    let block = index.block_for(&KeyBytes::of(i), 1);
                    assert!(block < index.block_count());
                    index.frame_bytes(block);
                }
            }
        }
    }
}
