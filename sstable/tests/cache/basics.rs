use ringwood_ring::Arena;
use ringwood_sstable::{BlockCache, Claim, Hint};

#[test]
fn fill_then_hit() {
    let arena = Arena::new(1 << 20).unwrap();
    let cache = BlockCache::new(&arena, 64 << 10, None);
    let table = cache.residency(1000);
    for round in 0..5 {
        for b in 0..100u32 {
            match table.claim(b, 4096, Hint::Point).unwrap() {
                Claim::Hit(r) => assert_eq!(r[0], b as u8),
                Claim::Fill(mut f) => {
                    let mut buf = f.take_buf();
                    buf.as_mut_slice().fill(b as u8);
                    let r = f.publish(buf, 4096);
                    assert_eq!(r[0], b as u8);
                }
                Claim::Wait(_) => panic!("alone"),
            }
        }
        println!("{round} {:?}", cache.stats());
    }
    drop(table);
    println!("{:?}", cache.stats());
    drop(cache);
    assert_eq!(arena.allocated(), 0);
}
