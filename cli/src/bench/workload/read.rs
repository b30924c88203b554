//! Benchmarks that get keys.

use crate::bench::data::{Random, write_key};
use crate::bench::latency::OpKind;
use crate::bench::worker::{Note, Run, Worker};
use crate::failure::Result;

/// Reads are paced this many at a time.
const PACE_READS: u64 = 256;

/// Gets keys drawn at random, one at a time.
pub(super) fn random(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    let set = run.set;
    let mut limit = run.limit(set.reads, true);
    let mut key = run.key();
    let (mut found, mut asked) = (0, 0u64);
    let mut draw = Draw::new(run, set.batch);
    while run.args.num > 0 && !limit.done(1) {
        write_key(draw.one(&mut worker.random), &mut key);
        asked += 1;
        if let Some(value) = worker.time(OpKind::Read, 1, || run.db.get(&key))? {
            found += 1;
            worker.bytes += (key.len() + value.len()) as u64;
        }
        if asked.is_multiple_of(PACE_READS) {
            run.pace_reads(PACE_READS);
        }
    }
    worker.note = Note::Found { found, asked };
    Ok(())
}

/// Gets `--batch_size` keys at a time. Each key counts.
pub(super) fn multi(run: &Run<'_>, worker: &mut Worker<'_>) -> Result<()> {
    let set = run.set;
    let mut limit = run.limit(set.reads, true);
    let mut keys: Vec<Vec<u8>> = (0..set.batch).map(|_| run.key()).collect();
    let (mut found, mut asked) = (0, 0);
    let mut draw = Draw::new(run, set.batch);
    while run.args.num > 0 && !limit.done(set.batch) {
        draw.group(&mut worker.random, &mut keys);
        asked += set.batch;
        for value in worker.time(OpKind::Read, set.batch, || run.db.multi_get(&keys))?.into_iter().flatten() {
            found += 1;
            worker.bytes += (set.key_bytes + value.len()) as u64;
        }
        run.pace_reads(set.batch);
    }
    worker.note = Note::Found { found, asked };
    Ok(())
}

/// Draws the keys to read: uniform or skewed, single or in groups with a stride.
struct Draw {
    keys: u64,
    skew: f64,
    stride: u64,
    group: u64,
    /// Where the group stands, for reads one at a time.
    last: u64,
    left: u64,
}

impl Draw {
    fn new(run: &Run<'_>, group: u64) -> Self {
        Self {
            keys: run.args.num,
            skew: run.args.read_random_exp_range,
            stride: run.args.multiread_stride,
            group,
            last: 0,
            left: 0,
        }
    }

    /// The next key of single reads.
    fn one(&mut self, random: &mut Random) -> u64 {
        if self.group <= 1 || self.stride == 0 {
            return self.any(random);
        }
        if self.left == 0 {
            self.last = self.start(random);
            self.left = self.group;
        } else {
            self.last += self.stride;
        }
        self.left -= 1;
        self.last
    }

    /// The keys of a multi-get.
    fn group(&mut self, random: &mut Random, keys: &mut [Vec<u8>]) {
        let start = if self.stride > 0 { self.start(random) } else { 0 };
        for (i, key) in (0..).zip(keys) {
            let number = if self.stride > 0 { start + i * self.stride } else { self.any(random) };
            write_key(number, key);
        }
    }

    /// The first key of a group that ends before the last one, if there are that many.
    fn start(&self, random: &mut Random) -> u64 {
        let first = self.any(random);
        let fits = first + self.group.saturating_sub(1).saturating_mul(self.stride) < self.keys;
        if fits { first } else { self.keys.saturating_sub(self.group.saturating_mul(self.stride)) }
    }

    fn any(&self, random: &mut Random) -> u64 {
        if self.skew == 0.0 {
            return random.below(self.keys);
        }
        const BIG_PRIME: u64 = 0x5bd1_e995;
        let uniform = (random.next() >> 2) as f64 / (1u64 << 62) as f64;
        let rank = ((-uniform * self.skew).exp() * self.keys as f64) as u64;
        // Another number for each, so that neighbours in rank are not neighbours in the store.
        rank.wrapping_mul(BIG_PRIME) % self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(skew: f64, stride: u64, group: u64) -> Draw {
        Draw { keys: 1000, skew, stride, group, last: 0, left: 0 }
    }

    #[test]
    fn groups_step_by_the_stride_and_stay_inside() {
        let mut random = Random::new(1, 1);
        let mut d = draw(0.0, 10, 8);
        for _ in 0..1000 {
            let group: Vec<u64> = (0..8).map(|_| d.one(&mut random)).collect();
            assert!(group.windows(2).all(|w| w[1] == w[0] + 10) && group[7] < 1000, "{group:?}");
        }
        let mut keys = vec![vec![0; 8]; 8];
        d.group(&mut random, &mut keys);
        let numbers: Vec<u64> = keys.iter().map(|k| u64::from_be_bytes(k[..].try_into().unwrap())).collect();
        assert!(numbers.windows(2).all(|w| w[1] == w[0] + 10) && numbers[7] < 1000);
    }

    #[test]
    fn skew_prefers_some_keys() {
        let mut random = Random::new(1, 1);
        let mut counts = vec![0u32; 1000];
        let d = draw(10.0, 0, 1);
        for _ in 0..100_000 {
            counts[d.any(&mut random) as usize] += 1;
        }
        counts.sort_unstable();
        assert!(counts[990..].iter().sum::<u32>() > 20_000, "the ten favourites have more than a fifth");
        let mut flat = vec![0u32; 1000];
        (0..100_000).for_each(|_| flat[draw(0.0, 0, 1).any(&mut random) as usize] += 1);
        assert!(flat.iter().all(|c| (50..200).contains(c)));
    }
}
