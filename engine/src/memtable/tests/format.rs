use super::super::Kind;
use super::super::tree::{SLOTS, Tree};
use super::walk::target;
#[test]
fn shapes() {
    for n in [100_000u64, 500_000] {
        for (name, order) in
            [("random", 0), ("ascending", 1), ("descending", 2), ("one", 3), ("dense", 4), ("text", 5)]
        {
            let tree = Tree::<SLOTS>::new(1 << 28);
            let mut writer = tree.writer();
            let mut s = 0x1234567u64;
            let mut rng = || {
                s ^= s << 13;
                s ^= s >> 7;
                s ^= s << 17;
                s
            };
            for i in 0..n {
                let mut k = [b'0'; 16];
                match order {
                    0 => {
                        k[..8].copy_from_slice(&rng().to_be_bytes());
                    }
                    1 => k[..8].copy_from_slice(&i.to_be_bytes()),
                    2 => k[..8].copy_from_slice(&(n - i).to_be_bytes()),
                    4 => k[..8].copy_from_slice(&(rng() % 1_000_000).to_be_bytes()),
                    5 => k.copy_from_slice(format!("user{:012}", rng() % 10_000_000).as_bytes()),
                    _ => {}
                }
                writer.insert(target(&k, i + 1), Kind::Put, &[0; 100]);
            }
            drop(writer);
            let s = tree.shape();
            println!(
                "{name:10} {n} {:?} leaf fill {:.2} inner fill {:.2} bytes {:.1}",
                s,
                s.leaf_entries as f64 / s.leaves as f64,
                s.inner_entries as f64 / s.inner as f64,
                tree.bytes() as f64 / n as f64
            );
        }
    }
}
