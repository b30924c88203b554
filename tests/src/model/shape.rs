//! What keys and values look like in one run.

use crate::reference::Bytes;
use crate::rng::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// One to three letters of a few: many overwrites.
    Short,
    /// A long prefix that most keys share, then a number.
    SharedPrefix { len: usize },
    /// Any bytes, zeros and 255s more often than others.
    Binary,
    /// Very few keys: long version chains.
    Hot,
    /// Eight digits, mostly ascending.
    Ascending,
    /// Numbers over a wide range: hardly any overwrites.
    Wide,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Tiny,
    Mixed,
    /// Around the sizes where blocks and log fragments end.
    Edges,
    /// Up to half a megabyte, now and then.
    Huge,
}

/// The shapes of one run.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    keys: Vec<Keys>,
    values: Values,
    next: u64,
}

impl Shape {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let long = [20, 200, 2000][rng.index(3)];
        let all = [
            Keys::Short,
            Keys::SharedPrefix { len: long },
            Keys::Binary,
            Keys::Hot,
            Keys::Ascending,
            Keys::Wide,
        ];
        let keys = (0..rng.within(1..=3)).map(|_| *rng.pick(&all)).collect();
        let values = match rng.below(16) {
            0..=2 => Values::Tiny,
            3..=10 => Values::Mixed,
            11..=14 => Values::Edges,
            _ => Values::Huge,
        };
        Self { keys, values, next: 0 }
    }

    pub(super) fn key(&mut self, rng: &mut Rng) -> Bytes {
        if rng.one_in(3000) {
            let mut longest = vec![b'k'; 65_535];
            longest[65_534] = rng.below(3) as u8;
            return longest;
        }
        match *rng.pick(&self.keys) {
            Keys::Short => (0..rng.within(1..=3)).map(|_| b'a' + rng.below(6) as u8).collect(),
            Keys::SharedPrefix { len } => {
                let mut key = vec![b'p'; len - 8 * usize::from(rng.one_in(8))];
                key.extend(format!("{:05}", rng.below(2000)).bytes());
                key
            }
            Keys::Binary => {
                let byte = |rng: &mut Rng| *rng.pick(&[0, 0, 1, 127, 254, 255, 255, 42]);
                (0..rng.within(1..=5)).map(|_| byte(rng)).collect()
            }
            Keys::Hot => format!("hot{}", rng.below(5)).into_bytes(),
            Keys::Ascending => {
                self.next += rng.below(3);
                let number = if rng.one_in(10) { rng.below(self.next + 1) } else { self.next };
                format!("{number:08}").into_bytes()
            }
            Keys::Wide => rng.below(1 << 40).to_be_bytes()[3..].to_vec(),
        }
    }

    /// A value that says which write it is from, where it is long enough.
    pub(super) fn value(&self, rng: &mut Rng, tag: u64) -> Bytes {
        let len = match self.values {
            Values::Tiny => rng.below(30),
            Values::Mixed => match rng.below(20) {
                0 => 0,
                1 => rng.within(1000..=5000),
                _ => rng.within(10..=300),
            },
            Values::Edges => match rng.below(24) {
                0 => rng.within(4000..=4100),
                1 => rng.within(8100..=8200),
                2 => rng.within(65_450..=65_560),
                _ => rng.within(10..=600),
            },
            Values::Huge => match rng.below(60) {
                0 => rng.within(100_000..=600_000),
                1..=4 => rng.within(10_000..=80_000),
                _ => rng.within(10..=300),
            },
        };
        let mut value = format!("{tag}:").into_bytes();
        let filler = rng.next();
        // Half compressible.
        let mut random = Rng::new(filler);
        let noise = random.bytes(256.min(len as usize));
        while value.len() < len as usize {
            value.extend_from_slice(&noise);
            value.extend_from_slice(&[filler as u8; 256]);
        }
        value.truncate(len as usize);
        value
    }
}
