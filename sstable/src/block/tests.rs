//! Blocks against a sorted list: layout, search, packing, damage.

use proptest::prelude::*;
use ringwood_ring::PAGE;

use super::builder::{Batch, Shape, encode};
use super::pack::Packer;
use super::*;
use crate::checksum::Checksum;
use crate::entry::{Entry, Kind, SEQ_MAX, entry_cmp};
use crate::error::Fault;

type Owned = (Vec<u8>, u64, Kind, Vec<u8>);

fn entry(e: &Owned) -> Entry<'_> {
    Entry { key: &e.0, seq: e.1, kind: e.2, value: &e.3 }
}

fn sort(entries: &mut Vec<Owned>) {
    entries.sort_by(|a, b| entry_cmp(&a.0, a.1, &b.0, b.1));
    entries.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
}

fn build(entries: &[Owned]) -> Vec<u8> {
    let mut batch = Batch::default();
    entries.iter().for_each(|e| batch.push(&entry(e)));
    let shape = Shape::of(&batch, entries.len());
    let mut bytes = Vec::new();
    encode(&shape, entries.iter().map(|e| (&entry(e)).into()), &mut bytes);
    assert_eq!(bytes.len(), shape.block_len());
    bytes
}

fn read_back(bytes: &[u8]) -> Vec<Owned> {
    let view = BlockView::parse(bytes).unwrap();
    view.validate().unwrap();
    let mut key = Vec::new();
    (0..view.len())
        .map(|i| {
            view.key_into(i, &mut key);
            (key.clone(), view.seq(i), view.kind(i), view.value(i).to_vec())
        })
        .collect()
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(0u8..2, 1..9),
        prop::collection::vec(any::<u8>(), 1..5),
        prop::collection::vec(any::<u8>(), 16),
        prop::collection::vec(0u8..3, 0..6).prop_map(|mut t| {
            let mut key = b"prefix".to_vec();
            key.append(&mut t);
            key
        }),
        prop::collection::vec(any::<u8>(), 250..400),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), prop::collection::vec(any::<u8>(), 0..30), Just(vec![7; 100])]
}

fn seq() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..6, 0u64..70_000, Just(SEQ_MAX - 1), 0u64..SEQ_MAX]
}

fn entries(max: usize) -> impl Strategy<Value = Vec<Owned>> {
    let kind = prop_oneof![9 => Just(Kind::Put), 1 => Just(Kind::Delete)];
    prop::collection::vec((key(), seq(), kind, value()), 1..max).prop_map(|mut e| {
        sort(&mut e);
        e
    })
}

proptest! {
    #[test]
    fn entries_come_back_and_are_found(entries in entries(120), targets in prop::collection::vec((key(), seq()), 30)) {
        let bytes = build(&entries);
        prop_assert_eq!(&read_back(&bytes), &entries);
        let view = BlockView::parse(&bytes).unwrap();
        let own = entries.iter().flat_map(|e| [(e.0.clone(), e.1), (e.0.clone(), e.1 + 1), (e.0.clone(), SEQ_MAX)]);
        for (key, seq) in own.chain(targets) {
            let want = entries.partition_point(|e| entry_cmp(&e.0, e.1, &key, seq).is_lt());
            prop_assert_eq!(view.seek(&key, seq), want, "{:?} {}", key, seq);
            let found = view.find(&key, seq).map(|f| (f.seq, bytes[f.value].to_vec()));
            let hit = entries.get(want).filter(|e| e.0 == key).map(|e| (e.1, e.3.clone()));
            prop_assert_eq!(found, hit);
        }
    }

    /// The shape that is kept up to date entry by entry is the one of all at once.
    #[test]
    fn shapes_are_exact_at_every_length(entries in entries(60)) {
        for n in 1..=entries.len() {
            build(&entries[..n]);
        }
    }

    /// Bytes that were never a block: no panic in any accessor, whether validation refuses them or not.
    #[test]
    fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 24..300), tame in any::<bool>()) {
        if tame {
            // Get past the header's checks more often.
            bytes[4] = 0;
            bytes[5] &= 0b1110;
            bytes[7] = 0;
            let body = (bytes.len() - 24) as u32;
            bytes[8..12].copy_from_slice(&body.to_le_bytes());
            bytes[13] = 0;
            bytes[23] &= 0x17;
        }
        poke(&bytes);
    }

    /// A block damaged in one place, as if its checksum had not seen it.
    #[test]
    fn damaged_blocks_never_panic(entries in entries(40), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = build(&entries);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        poke(&bytes);
        poke(&bytes[..at]);
    }

    #[test]
    fn unpacking_random_bytes_never_panics(
        mut stored in prop::collection::vec(any::<u8>(), PAGE),
        codec in 0u8..4,
        packed in 0u32..5000,
        body in 0u32..70_000,
    ) {
        stored[4] = codec;
        stored[8..12].copy_from_slice(&body.to_le_bytes());
        stored[24..28].copy_from_slice(&packed.to_le_bytes());
        let len = seal::plain_len(&stored).unwrap();
        if let Ok(codec) = Compression::from_u8(codec) {
            let _ = seal::unpack(codec, &mut codec::Decompressor::default(), &stored, &mut vec![0; len]);
        }
    }
}

/// Calls everything there is on bytes that may be anything.
fn poke(bytes: &[u8]) {
    let Ok(view) = BlockView::parse(bytes) else { return };
    let is_valid = view.validate().is_ok();
    let mut key = Vec::new();
    for i in 0..view.len().min(500) {
        view.key_into(i, &mut key);
        let _ = (view.seq(i), view.kind(i), view.value(i), view.key_is(i, b"key"));
        let _ = (view.seek(&key, view.seq(i)), view.find(&key, SEQ_MAX));
        if is_valid {
            assert_eq!(view.seek(&key, view.seq(i)), i, "a valid block is in order");
        }
    }
}

/// 16-byte keys and 100-byte values, random keys and sequence numbers: what density is asked of a page.
#[test]
fn a_page_holds_33_entries_of_116_bytes() {
    for (keys, at_least) in [(16u32, 33), (3, 34)] {
        let mut entries: Vec<Owned> = (0..2000u64)
            .map(|i| {
                let mut key = vec![b'k'; 16];
                let spread = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
                let from = 16 - keys.min(8) as usize;
                key[from - 8 * usize::from(keys > 8)..][..keys.min(8) as usize]
                    .copy_from_slice(&spread[..keys.min(8) as usize]);
                (key, i.wrapping_mul(6_364_136_223_846_793_005) % 6_000_000, Kind::Put, vec![1; 100])
            })
            .collect();
        sort(&mut entries);
        let mut packer = Packer::new(PAGE, Compression::None);
        let mut blocks = Vec::new();
        let mut count = 0;
        for e in &entries {
            packer.add(&entry(e), &mut |block| blocks.push(block.bytes.clone()));
        }
        for block in &blocks {
            assert_eq!(block.len(), PAGE);
            let n = BlockView::parse(block).unwrap().len();
            assert!(n >= at_least, "{n} entries");
            count += n;
        }
        println!("{keys} varying key bytes: {:.2} entries a page", count as f64 / blocks.len() as f64);
    }
}

/// Entries around and over a page: at most a quarter of the pages is padding while entries are up to 12 KiB.
#[test]
fn large_entries_do_not_waste_pages() {
    for value in [700, 1000, 1300, 2020, 2100, 3000, 4040, 5000, 9000, 12_000, 20_000, 100_000] {
        let mut packer = Packer::new(PAGE, Compression::None);
        let (mut bytes, mut pages_max, mut count) = (0, 0, 0);
        for i in 0..200u64 {
            let e = (i.to_be_bytes().to_vec(), i, Kind::Put, vec![3; value]);
            let mut emit = |block: super::pack::Packed<'_>| {
                count += BlockView::parse(block.bytes).unwrap().len();
                bytes += block.bytes.len();
                pages_max = pages_max.max(block.bytes.len() / PAGE);
            };
            packer.add(&entry(&e), &mut emit);
            if i == 199 {
                packer.finish(&mut emit);
            }
        }
        assert_eq!(count, 200);
        let fill = 200.0 * (value + 8) as f64 / bytes as f64;
        println!("{value}: fill {fill:.3}, blocks of up to {pages_max} pages");
        assert!(fill > 0.72 || value > 12_000, "{value}: {fill}");
        assert!(value > 1016 || pages_max == 1, "{value}: a block of {pages_max} pages");
    }
}

/// A thousand-byte value: four entries to a page, thanks to a short header.
#[test]
fn four_thousand_byte_values_share_a_page() {
    let mut packer = Packer::new(PAGE, Compression::None);
    let mut counts = Vec::new();
    for i in 0..1000u64 {
        let mut key = (i * 300_000_000_000).to_be_bytes().to_vec();
        key.extend_from_slice(b"12345678");
        let e = (key, (i * 7919) % 1_000_000, Kind::Put, vec![3; 1000]);
        packer.add(&entry(&e), &mut |block| counts.push(BlockView::parse(block.bytes).unwrap().len()));
    }
    assert!(counts.iter().all(|&n| n == 4), "{counts:?}");
}

#[test]
fn unknown_kinds_are_a_newer_version() {
    let one = vec![(b"k".to_vec(), 1, Kind::Put, Vec::new())];
    let mut bytes = build(&one);
    bytes[23] = 4 << 4 | bytes[23] & 15;
    assert!(matches!(BlockView::parse(&bytes).unwrap().validate(), Err(Fault::Newer(_))));
    let two = vec![one[0].clone(), (b"l".to_vec(), 1, Kind::Delete, Vec::new())];
    let mut bytes = build(&two);
    let tags = BlockView::parse(&bytes).unwrap().layout().tags_at as usize;
    assert_eq!(bytes[tags], Kind::Put as u8);
    bytes[tags] = 9;
    let fault = BlockView::parse(&bytes).unwrap().validate().unwrap_err();
    assert!(matches!(&fault, Fault::Newer(what) if what.contains("kind 9")), "{fault:?}");
}

#[test]
fn every_flipped_bit_of_a_sealed_block_is_seen() {
    let mut bytes = build(&[(b"key".to_vec(), 1, Kind::Put, b"value".to_vec())]);
    seal::pad(&mut bytes);
    let checksum = Checksum::new(1, 2);
    seal::seal(&checksum, 8192, &mut bytes);
    seal::verify(&checksum, 8192, &bytes).unwrap();
    assert!(seal::verify(&checksum, 4096, &bytes).is_err(), "another offset");
    assert!(seal::verify(&Checksum::new(2, 2), 8192, &bytes).is_err(), "another table");
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(seal::verify(&checksum, 8192, &bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Half-compressible values fill their pages, and the pages hold about twice as many entries.
#[test]
fn compressed_pages_are_full() {
    for codec in [Compression::Lz4, Compression::Zstd] {
        if !codec.is_available() {
            println!("skipped: {codec:?} is not built in");
            continue;
        }
        for value_len in [100usize, 1000] {
            let mut packer = Packer::new(PAGE, codec);
            let mut entries = Vec::new();
            let mut random = 1u64;
            for i in 0..4000u64 {
                let mut value = Vec::with_capacity(value_len);
                for _ in 0..value_len / 2 {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    value.push((random >> 56) as u8);
                }
                value.extend_from_within(..);
                entries.push((format!("{i:016}").into_bytes(), i, Kind::Put, value));
            }
            let (mut used, mut stored, mut pages, mut back) = (0, 0, 0, Vec::new());
            let mut emit = |block: super::pack::Packed<'_>| {
                let zeros = block.bytes.iter().rev().take_while(|&&b| b == 0).count();
                used += block.bytes.len() - zeros;
                stored += block.bytes.len();
                pages += 1;
                let len = seal::plain_len(block.bytes).unwrap();
                assert!(len <= block.frame_bytes && block.frame_bytes <= pack::PLAIN_MAX);
                let mut plain = vec![0; len];
                match Compression::from_u8(block.bytes[format::CODEC_AT]).unwrap() {
                    Compression::None => plain.copy_from_slice(&block.bytes[..len]),
                    codec => {
                        let mut decompressor = codec::Decompressor::default();
                        seal::unpack(codec, &mut decompressor, block.bytes, &mut plain).unwrap();
                    }
                }
                back.extend(read_back(&plain));
            };
            entries.iter().for_each(|e| packer.add(&entry(e), &mut emit));
            packer.finish(&mut emit);
            assert_eq!(back, entries);
            let raw: usize = entries.iter().map(|e| e.0.len() + e.3.len()).sum();
            let fill = used as f64 / stored as f64;
            println!("{codec:?} {value_len}: fill {fill:.3}, {raw} bytes in {stored}, {pages} blocks");
            let (fill_min, gain_min) = if value_len == 100 { (0.9, 1.5) } else { (0.8, 1.4) };
            assert!(fill >= fill_min, "{codec:?} {value_len}: fill {fill}");
            assert!(raw as f64 / stored as f64 > gain_min, "{codec:?}: {raw} in {stored}");
        }
    }
}

/// Plain forms fit the cache's frames of 8, 16 and 32 KiB, whatever the ratio: none is larger, and none just over one of them.
#[test]
fn compressed_blocks_fit_their_frames() {
    for random_in_100 in [3usize, 10, 20, 25, 30, 35, 40, 45, 48, 60] {
        let mut packer = Packer::new(PAGE, Compression::Lz4);
        let (mut frames, mut plain, mut stored, mut random) = (0, 0, 0, 1u64);
        let mut emit = |block: super::pack::Packed<'_>| {
            assert!(block.frame_bytes <= pack::PLAIN_MAX);
            frames += block.frame_bytes.next_power_of_two();
            plain += seal::plain_len(block.bytes).unwrap();
            stored += block.bytes.len();
        };
        for i in 0..6000u64 {
            let value: Vec<u8> = (0..100)
                .map(|j| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if j < random_in_100 { (random >> 56) as u8 } else { b'x' }
                })
                .collect();
            packer.add(&entry(&(format!("{i:016}").into_bytes(), i, Kind::Put, value)), &mut emit);
        }
        packer.finish(&mut emit);
        let (frame_fill, gain) = (plain as f64 / frames as f64, plain as f64 / stored as f64);
        println!("{random_in_100} %: {gain:.2} times smaller, frames {frame_fill:.2} full");
        assert!(frame_fill > 0.55, "{random_in_100} %: frames {frame_fill:.2} full");
    }
}

/// What does not compress is stored plain, as dense as without compression.
#[test]
fn incompressible_blocks_are_plain() {
    let mut random = 7u64;
    let mut packer = Packer::new(PAGE, Compression::Lz4);
    let (mut plain, mut blocks, mut count) = (0, 0, 0);
    for i in 0..3000u64 {
        let value: Vec<u8> = (0..100)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 56) as u8
            })
            .collect();
        let e = (i.wrapping_mul(0x0123_4567_89ab_cdef).to_be_bytes().to_vec(), 5, Kind::Put, value);
        let _ = &e;
        let e = (format!("{i:08}").into_bytes(), e.1, e.2, e.3);
        packer.add(&entry(&e), &mut |block| {
            blocks += 1;
            plain += usize::from(block.bytes[format::CODEC_AT] == 0);
            count += usize::from(u16::from_le_bytes([block.bytes[6], block.bytes[7]]));
        });
    }
    assert!(plain * 10 >= blocks * 9, "{plain} of {blocks} plain");
    assert!(count / blocks >= 36, "{count} entries in {blocks} blocks");
}

/// Compressing never makes entries of a page and more take more pages than storing them plain.
#[test]
fn large_entries_compress_alone() {
    let mut packer = Packer::new(PAGE, Compression::Lz4);
    let mut stored = Vec::new();
    for (i, len) in [100usize, 50_000, 3000, 2_000_000, 10].into_iter().enumerate() {
        let e = (vec![i as u8 + 1], 1, Kind::Put, vec![9; len]);
        packer.add(&entry(&e), &mut |block| stored.push((block.bytes.len(), block.frame_bytes)));
    }
    packer.finish(&mut |block| stored.push((block.bytes.len(), block.frame_bytes)));
    assert_eq!(stored.len(), 5, "{stored:?}");
    assert_eq!(stored[1], (PAGE, 53_248));
    assert!(stored[3].0 < 20_000 && stored[3].1 > 2_000_000, "{stored:?}");
}
