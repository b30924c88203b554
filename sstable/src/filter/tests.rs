use super::*;

fn hashes(range: std::ops::Range<u64>) -> impl Iterator<Item = KeyHash> {
    range.map(|i| KeyHash::of(&i.to_be_bytes()))
}

fn build(keys: impl Iterator<Item = KeyHash>) -> Vec<u8> {
    let mut builder = FilterBuilder::default();
    keys.for_each(|h| builder.add(h));
    let mut bytes = Vec::new();
    assert!(builder.into_parts().finish(&mut bytes));
    bytes
}

#[test]
fn no_key_is_missed_at_any_size() {
    for n in (0..200).chain([1000, 4095, 10_000]) {
        let filter = Filter::parse(&build(hashes(0..n))).unwrap();
        assert!(hashes(0..n).all(|h| filter.may_contain(h)), "false negative among {n}");
    }
}

#[test]
fn under_one_percent_false_positives_at_under_ten_bits() {
    for n in [20_000u64, 131_072, 131_073, 400_000] {
        let bytes = build(hashes(0..n));
        let filter = Filter::parse(&bytes).unwrap();
        assert!(hashes(0..n).all(|h| filter.may_contain(h)));
        let probes = 200_000;
        let hits = hashes(n..n + probes).filter(|&h| filter.may_contain(h)).count();
        let (rate, bits) = (hits as f64 / probes as f64, 8.0 * filter.memory_bytes() as f64 / n as f64);
        println!("{n} keys: {bits:.2} bits a key, {:.3} % false positives", 100.0 * rate);
        assert!(rate < 0.006, "{rate} of {n}");
        assert!(bits < 10.0, "{bits} bits of {n}");
        assert_eq!(filter.parts.len(), (n as usize).div_ceil(PART_KEYS).next_power_of_two());
    }
}

/// Two keys of one 64-bit hash cannot be peeled apart: they are one key to the filter.
#[test]
fn equal_hashes_are_taken_once() {
    let bytes = build(hashes(0..500).chain(hashes(0..300)).chain(hashes(0..300)));
    let filter = Filter::parse(&bytes).unwrap();
    assert!(hashes(0..500).all(|h| filter.may_contain(h)));
}

/// More copies than a place's count has room for: it must not take them for none.
#[test]
fn hundreds_of_equal_hashes_are_taken_once() {
    for copies in [63u64, 64, 65, 128, 1000] {
        let bytes = build((0..copies).flat_map(|_| hashes(0..70)));
        let filter = Filter::parse(&bytes).unwrap();
        assert!(hashes(0..70).all(|h| filter.may_contain(h)), "{copies} copies");
    }
}

/// Bytes follow from the keys alone: two builds are the same.
#[test]
fn building_is_deterministic() {
    assert_eq!(build(hashes(0..5000)), build(hashes(0..5000)));
}

#[test]
fn damaged_filters_are_refused_or_say_maybe() {
    let bytes = build(hashes(0..300));
    for len in 0..bytes.len() {
        assert!(Filter::parse(&bytes[..len]).is_err(), "cut to {len}");
    }
    for bit in 0..(HEADER + PART) * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(filter) = Filter::parse(&bad) {
            hashes(0..300).for_each(|h| {
                filter.may_contain(h);
            });
        }
    }
}

#[test]
fn several_threads_build_the_same_bytes() {
    for n in [0u64, 1, 70_000, 300_000] {
        let mut builder = FilterBuilder::default();
        hashes(0..n).for_each(|h| builder.add(h));
        let parts = builder.into_parts();
        let bytes = std::thread::scope(|scope| {
            let helpers: Vec<_> = (0..3).map(|_| scope.spawn(|| parts.build())).collect();
            // While others are at it.
            let mut bytes = Vec::new();
            assert!(parts.finish(&mut bytes));
            helpers.into_iter().for_each(|helper| helper.join().unwrap());
            bytes
        });
        assert!(bytes == build(hashes(0..n)), "{n} keys");
    }
}
