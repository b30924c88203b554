//! A log on a simulated disk, the truth about it, and a seeded workload that may be cut anywhere.

#![allow(clippy::unwrap_used, clippy::should_implement_trait, reason = "test code")]

use std::path::Path;
use std::sync::Arc;

use ringwood_ring::{Arena, Disk, SimConfig, SimDisk};
use ringwood_wal::{Lsn, SyncMode, WalError, WalErrorKind, WalOptions};

use super::{Session, pattern, small};

pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// One batch that was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    pub start: Lsn,
    pub end: Lsn,
    pub tag: u64,
    pub len: usize,
}

/// Whether an error says that the simulated process died.
pub fn is_death(error: &WalError) -> bool {
    match error {
        WalError::Io(e) => SimDisk::is_dead_error(e),
        WalError::Poisoned { reason } => is_death(reason),
        _ => false,
    }
}

/// What became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It ended by itself, closed or not.
    Ended,
    /// The process died in it.
    Died,
}

/// See the module documentation.
pub struct World {
    pub disk: Arc<SimDisk>,
    pub options: WalOptions,
    pub rng: Rng,
    /// All batches that the log must replay: appended, and not before `from`.
    pub appended: Vec<Batch>,
    /// Everything before was called durable.
    pub durable: Lsn,
    /// No power was lost since the last successful opening.
    pub powered: bool,
    /// What the store needs the log from.
    pub from: Lsn,
    pub next_tag: u64,
    pub openings: u64,
}

pub const DIR: &str = "/log";

thread_local! {
    static ARENA: Arc<Arena> = Arena::new(32 << 20).unwrap();
}

/// One arena for all simulated disks of a thread.
pub fn arena() -> Arc<Arena> {
    ARENA.with(Arc::clone)
}

pub fn sim_disk(seed: u64, config: SimConfig) -> Arc<SimDisk> {
    let disk = SimDisk::new(seed, config, arena());
    disk.create_dir(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

impl World {
    pub fn new(seed: u64, config: SimConfig) -> Self {
        let mut rng = Rng::new(seed);
        let mut options = small();
        options.staging_bytes = 128 << (10 + rng.below(2));
        options.drain_bytes = [1, 4 << 10, 32 << 10][rng.below(3) as usize];
        options.unsynced_bytes_max = [16 << 10, 256 << 10][rng.below(2) as usize];
        options.drain_ns = [0, 1_000_000, 50_000_000][rng.below(3) as usize];
        options.sync_mode = [SyncMode::Auto, SyncMode::Chain, SyncMode::Dsync][rng.below(3) as usize];
        Self {
            disk: sim_disk(seed, config),
            options,
            rng,
            appended: Vec::new(),
            durable: 0,
            powered: true,
            from: 0,
            next_tag: 1,
            openings: 0,
        }
    }

    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk) as Arc<dyn Disk>
    }

    /// Opens the log and checks what it replays against the truth; from then on the truth is what was replayed.
    pub fn open(&mut self) -> Result<Session, WalError> {
        let session = Session::open(&self.disk(), Path::new(DIR), self.options.clone(), self.from)?;
        self.openings += 1;
        self.check(&session);
        self.appended.truncate(session.replayed.len());
        self.durable = self.durable.max(session.appender.position());
        self.powered = true;
        assert!(session.appender.position() >= self.from, "positions went back");
        assert_eq!(session.log.durable(), session.log.appended(), "something replayed is not durable");
        Ok(session)
    }

    fn check(&self, session: &Session) {
        let replayed = &session.replayed;
        assert!(
            replayed.len() <= self.appended.len(),
            "{} batches appended, {} replayed, the first extra at {}",
            self.appended.len(),
            replayed.len(),
            replayed[self.appended.len()].0
        );
        for ((lsn, bytes), batch) in replayed.iter().zip(&self.appended) {
            assert_eq!((*lsn, bytes.len()), (batch.start, batch.len), "not what was appended there");
            assert!(*bytes == pattern(batch.tag, batch.len), "wrong bytes at {lsn}");
        }
        if let Some(lost) = self.appended.get(replayed.len()) {
            assert!(!self.powered, "without a power loss {lost:?} was lost; {:?}", session.report);
            assert!(
                lost.end > self.durable,
                "{lost:?} was lost, but all before {} was durable; {:?}",
                self.durable,
                session.report
            );
        }
    }

    /// A size that is mostly small and sometimes awkward.
    pub fn size(&mut self) -> usize {
        let r = self.rng.next() as usize;
        match self.rng.below(40) {
            0 => 0,
            1 => 65_519 + r % 4,
            2 => 60_000 + r % 150_000,
            3..8 => r % 9_000,
            _ => r % 300,
        }
    }

    /// One session: opens, does about `count` random things, and ends in some way, or dies.
    pub fn session(&mut self, count: u64) -> Fate {
        let mut session = match self.open() {
            Ok(session) => session,
            Err(error) if is_death(&error) => return Fate::Died,
            Err(error) => panic!("cannot open: {error}"),
        };
        for _ in 0..count {
            if let Err(error) = self.act(&mut session) {
                self.note_durable(&session);
                assert!(is_death(&error), "unexpected: {error}");
                return Fate::Died;
            }
        }
        self.note_durable(&session);
        if self.rng.one_in(3) {
            match session.appender.close() {
                Ok(()) => {
                    self.note_durable(&session);
                    assert!(session.log.durable() == session.log.appended());
                }
                Err(error) => {
                    assert!(is_death(&error), "unexpected: {error}");
                    return Fate::Died;
                }
            }
        }
        Fate::Ended
    }

    pub fn note_durable(&mut self, session: &Session) {
        self.durable = self.durable.max(session.log.durable());
    }

    pub fn append(&mut self, session: &mut Session, len: usize) -> Result<(), WalError> {
        let tag = self.next_tag;
        let bytes = pattern(tag, len);
        let cut = (self.rng.next() as usize) % (len + 1);
        let start = session.appender.position();
        let result = session.appender.append(&[&bytes[..cut], &bytes[cut..]]);
        match result {
            Ok(end) => {
                self.next_tag += 1;
                self.appended.push(Batch { start, end, tag, len });
                Ok(())
            }
            Err(error) if error.kind() == WalErrorKind::Full => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn act(&mut self, session: &mut Session) -> Result<(), WalError> {
        match self.rng.below(16) {
            0..8 => {
                let len = self.size();
                self.append(session, len)?;
            }
            8 | 9 => {
                let end = session.log.appended();
                session.log.wait_durable(end)?;
                assert!(session.log.durable() >= end);
            }
            10 => session.log.want_durable(session.log.appended()),
            11 => {
                // Some batch in the middle, durable or not: the store says that it is elsewhere.
                if !self.appended.is_empty() && self.rng.one_in(4) {
                    let upto = self.rng.below(self.appended.len() as u64) as usize;
                    self.from = self.appended[upto].end;
                    self.appended.drain(..=upto);
                    session.log.release(self.from);
                }
            }
            12 => self.disk.advance(self.rng.below(30_000_000)),
            13 => self.lead(session)?,
            _ => {
                for _ in 0..self.rng.below(6) {
                    session.step()?;
                }
            }
        }
        self.note_durable(session);
        Ok(())
    }

    /// Leads by hand, while the log thread makes its steps and others append; or drops it half-way.
    fn lead(&mut self, session: &mut Session) -> Result<(), WalError> {
        let log = Arc::clone(&session.log);
        let end = log.appended();
        let Some(mut lead) = log.lead(end) else { return Ok(()) };
        for _ in 0..self.rng.below(8) {
            match self.rng.below(4) {
                // As long as there is room: who waits for it waits for us.
                0 if log.appended() - log.durable() < 50_000 => {
                    let len = self.rng.below(2000) as usize;
                    self.append(session, len)?;
                }
                1 if lead.step(self.rng.one_in(2))? => break,
                _ => drop(session.step()?),
            }
        }
        if self.rng.one_in(4) {
            return Ok(());
        }
        lead.run()?;
        assert!(log.durable() >= end);
        Ok(())
    }

    /// Ends the process or the power.
    pub fn crash(&mut self) {
        if self.rng.one_in(2) {
            self.disk.process_death();
        } else {
            self.lose_power();
        }
    }

    pub fn lose_power(&mut self) {
        let seed = self.rng.next();
        self.disk.power_loss(seed);
        self.powered = false;
    }
}

/// Number of seeds: a default that keeps the tests short, or what `RINGWOOD_SEEDS` says; and where they begin.
pub fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let first = number("RINGWOOD_SEED").unwrap_or(0);
    first..first + number("RINGWOOD_SEEDS").unwrap_or(default)
}

/// Runs `test` for each seed, naming the seed that fails.
pub fn for_each_seed(default: u64, test: impl Fn(u64)) {
    for seed in seeds(default) {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(seed)));
        if let Err(panic) = result {
            eprintln!("seed {seed} fails: run again with RINGWOOD_SEED={seed} RINGWOOD_SEEDS=1");
            std::panic::resume_unwind(panic);
        }
    }
}
