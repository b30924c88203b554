//! YCSB's mixes A to F.
//!
//! Source: Cooper et al., "Benchmarking cloud serving systems with YCSB", SoCC 2010, with its distributions. A record is one entry.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ringwood_benches::Random;

use super::Job;
use super::drive::{Outcome, Seat, drive};
use crate::Result;
use crate::data::{Values, key};
use crate::engines::{Reader, Scan, Sink, Store, View, Writer};
use crate::rows::Mix;
use crate::zipf::Zipf;

/// Longest scan of mix E, in entries.
const SCAN_MAX: u64 = 100;

/// The records of a store, and who is asked for.
pub(crate) struct Records {
    /// Numbers below this were given to inserts.
    next: AtomicU64,
    loaded: u64,
    zipf: Zipf,
}

impl Records {
    /// `loaded` records are there.
    pub(crate) fn new(loaded: u64) -> Self {
        Self { next: AtomicU64::new(loaded), loaded, zipf: Zipf::new(loaded) }
    }
}

/// What one call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Update,
    Insert,
    Scan,
    ReadModifyWrite,
}

/// Draws a call: per cent of each kind.
fn draw(mix: Mix, random: &mut Random) -> Call {
    let at = random.below(100);
    match mix {
        Mix::A if at < 50 => Call::Update,
        Mix::B if at < 5 => Call::Update,
        Mix::D if at < 5 => Call::Insert,
        Mix::E if at < 5 => Call::Insert,
        Mix::E => Call::Scan,
        Mix::F if at < 50 => Call::ReadModifyWrite,
        Mix::A | Mix::B | Mix::C | Mix::D | Mix::F => Call::Read,
    }
}

/// One thread's hands and choices.
struct Client<'a> {
    // Writes come only from mixes that need them: an engine may have no writer of this promise.
    writer: Option<Box<dyn Writer + 'a>>,
    reader: Box<dyn Reader + 'a>,
    values: Values<'a>,
    random: Random,
    records: &'a Records,
    mix: Mix,
}

/// Calls of a mix for the time of a row.
pub(super) fn run(store: &dyn Store, job: Job<'_>, mix: Mix) -> Result<Outcome> {
    drive(job.timed(), |seat| {
        let reads_only = mix == Mix::C;
        let mut client = Client {
            writer: if reads_only { None } else { Some(store.writer()?) },
            reader: store.reader(if reads_only { View::Still } else { View::Live })?,
            values: job.data.values(seat.seed),
            random: Random::new(seat.seed),
            records: job.records,
            mix,
        };
        Ok(move |seat: Seat<'_>| client.call(&mut Sink::new(seat.progress, seat.stop)))
    })
}

impl Client<'_> {
    fn call(&mut self, sink: &mut Sink<'_>) -> Result<u64> {
        match draw(self.mix, &mut self.random) {
            Call::Read => self.read(sink)?,
            Call::Update => {
                let number = self.records.zipf.scattered(&mut self.random);
                self.put(number)?;
            }
            Call::Insert => self.put(self.records.next.fetch_add(1, Relaxed))?,
            Call::Scan => {
                sink.begin(1 + self.random.below(SCAN_MAX));
                let from = key(self.records.zipf.scattered(&mut self.random));
                self.reader.scan(Scan::From(&from), sink)?;
            }
            Call::ReadModifyWrite => {
                let number = self.read_one(sink)?;
                self.put(number)?;
            }
        }
        Ok(1)
    }

    fn read(&mut self, sink: &mut Sink<'_>) -> Result<()> {
        if self.mix != Mix::D {
            return self.read_one(sink).map(|_| ());
        }
        // The newest are the most wanted. One that another thread is just inserting may not be there yet.
        let newest = self.records.next.load(Relaxed) - 1;
        let number = newest - self.records.zipf.rank(&mut self.random).min(newest);
        if !self.reader.get(&key(number), sink)? && number < self.records.loaded {
            return Err(format!("record {number} was not found").into());
        }
        Ok(())
    }

    fn read_one(&mut self, sink: &mut Sink<'_>) -> Result<u64> {
        let number = self.records.zipf.scattered(&mut self.random);
        if self.reader.get(&key(number), sink)? {
            Ok(number)
        } else {
            Err(format!("record {number} was not found").into())
        }
    }

    fn put(&mut self, number: u64) -> Result<()> {
        let writer = self.writer.as_mut().ok_or("a mix of reads does not write")?;
        writer.put(&key(number), self.values.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_are_ycsbs() {
        let share = |mix, call| {
            let mut random = Random::new(5);
            (0..10_000).filter(|_| draw(mix, &mut random) == call).count()
        };
        for (mix, call, low, high) in [
            (Mix::A, Call::Update, 4800, 5200),
            (Mix::B, Call::Update, 400, 600),
            (Mix::C, Call::Read, 10_000, 10_000),
            (Mix::D, Call::Insert, 400, 600),
            (Mix::E, Call::Scan, 9400, 9600),
            (Mix::F, Call::ReadModifyWrite, 4800, 5200),
        ] {
            assert!((low..=high).contains(&share(mix, call)), "{mix:?}");
        }
    }
}
