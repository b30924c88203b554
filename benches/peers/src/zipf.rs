//! YCSB's Zipf distribution: few records are asked for often.
//!
//! Source: Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994; YCSB's `ZipfianGenerator` and
//! `ScrambledZipfianGenerator`, with its constant of 0.99.

use ringwood_benches::Random;

const THETA: f64 = 0.99;

/// Draws ranks below `n`: 0 is the most wanted. One thread or all: it does not change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zipf {
    n: u64,
    alpha: f64,
    zeta: f64,
    eta: f64,
}

impl Zipf {
    /// Sums up `n` terms: about 30 ms a million.
    pub(crate) fn new(n: u64) -> Self {
        let n = n.max(2);
        let term = |i: u64| 1.0 / (i as f64).powf(THETA);
        let zeta: f64 = (1..=n).map(term).sum();
        let zeta_two = term(1) + term(2);
        let eta = (1.0 - (2.0 / n as f64).powf(1.0 - THETA)) / (1.0 - zeta_two / zeta);
        Self { n, alpha: 1.0 / (1.0 - THETA), zeta, eta }
    }

    /// A rank.
    #[inline]
    pub(crate) fn rank(&self, random: &mut Random) -> u64 {
        let u = (random.next() >> 11) as f64 / (1u64 << 53) as f64;
        let scaled = u * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5f64.powf(THETA) {
            return 1;
        }
        let rank = (self.n as f64 * (self.eta * u - self.eta + 1.0).powf(self.alpha)) as u64;
        rank.min(self.n - 1)
    }

    /// A record: the wanted ones are scattered over all.
    #[inline]
    pub(crate) fn scattered(&self, random: &mut Random) -> u64 {
        let rank = self.rank(random);
        Random::new(rank).below(self.n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_records_have_most_of_the_requests() {
        let (n, draws) = (10_000, 200_000);
        let (zipf, mut random) = (Zipf::new(n), Random::new(1));
        let mut counts = vec![0u64; n as usize];
        for _ in 0..draws {
            counts[zipf.rank(&mut random) as usize] += 1;
        }
        // 1 / zeta(10,000, 0.99) is 0.097; the first hundredth of the ranks has just over half.
        assert!((17_000..22_000).contains(&counts[0]), "{}", counts[0]);
        let top: u64 = counts[..100].iter().sum();
        assert!((draws * 48 / 100..draws * 60 / 100).contains(&top), "{top}");
    }

    #[test]
    fn scattered_records_are_not_neighbours() {
        let (zipf, mut random) = (Zipf::new(1_000_000), Random::new(3));
        let drawn: Vec<u64> = (0..1000).map(|_| zipf.scattered(&mut random)).collect();
        assert!(drawn.iter().all(|&record| record < 1_000_000));
        assert!(drawn.iter().any(|&r| r > 900_000) && drawn.iter().any(|&r| r < 100_000));
    }
}
