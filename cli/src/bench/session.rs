//! The store that benchmarks run on, from the first opening to the last removal, and one run on it.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;

use ringwood::{Compression, Db, Durability, Options, Stats, SyncMode};

use super::counts::{Cost, Counts};
use super::data::ValueData;
use super::flags::{BenchArgs, SyncKind};
use super::limit::Halt;
use super::monitor::Monitor;
use super::plan::Bench;
use super::store_dir::{self, Holds, TempDir};
use super::syscalls::SyscallCounter;
use super::timeline::Timeline;
use super::worker::{self, Ground, Outcome, Progress, Settings, Streams};
use crate::cli::Global;
use crate::clock;
use crate::failure::{Failure, Result};
use crate::open;
use crate::signals::Interrupt;

/// Bytes of a value in fill100K.
const LARGE_VALUE_BYTES: usize = 100_000;

/// A store to measure. Dropping it closes the store, and removes it if it is a temporary one.
pub(crate) struct Session {
    options: Options,
    dir: PathBuf,
    /// Open, but for moments. Before the directory in this list, so that it is closed before that is removed.
    db: Option<Db>,
    temp: Option<TempDir>,
    /// Whether this run made what is in the directory.
    ours: bool,
    /// Whether it was made fresh and nothing was done on it since.
    untouched: bool,
    data: ValueData,
    halt: Halt,
    seed: u64,
    streams: Streams,
    clock_ns: u64,
    syscalls: Result<SyscallCounter, String>,
}

impl Session {
    /// Prepares directory and store.
    ///
    /// # Errors
    /// If the directory holds what must not be destroyed, or the store cannot be opened.
    pub(crate) fn open(args: &BenchArgs, global: &Global) -> Result<Self> {
        let interrupt = Interrupt::install()?;
        // Before any thread of the store: the counter follows threads from their start.
        let syscalls = SyscallCounter::open();
        let clock_ns = clock::cost_ns();
        let options = options(args, global)?;
        let temp = if args.db.is_none() { Some(TempDir::new()?) } else { None };
        let dir =
            temp.as_ref().map(|t| t.path().to_path_buf()).or_else(|| args.db.clone()).unwrap_or_default();
        if let Some(temp) = &temp {
            let path = temp.path().to_path_buf();
            interrupt.on_second(Some(Box::new(move || store_dir::remove_temp(&path))));
        }
        let seed = if args.seed == 0 { clock::unix_micros() } else { args.seed };
        let value_bytes = args.value_size.max(LARGE_VALUE_BYTES);
        let mut session = Self {
            options,
            dir,
            db: None,
            ours: temp.is_some(),
            temp,
            untouched: false,
            data: ValueData::new(value_bytes, args.compression_ratio),
            halt: Halt::new(interrupt),
            seed,
            streams: Streams::default(),
            clock_ns,
            syscalls,
        };
        if args.use_existing_db {
            session.open_existing()?;
        } else {
            session.make_fresh()?;
        }
        Ok(session)
    }

    fn open_existing(&mut self) -> Result<()> {
        if store_dir::look(&self.dir)? == Holds::Nothing {
            let dir = self.dir.display();
            return Err(Failure::store(format!("--use_existing_db: there is no store in {dir}")));
        }
        let opened = self.options.clone().create_if_missing(false).open(&self.dir);
        self.db = Some(opened.map_err(|e| Failure::store(e.to_string()))?);
        Ok(())
    }

    /// Puts an empty store in place of the one that is there.
    ///
    /// # Errors
    /// If that must not be destroyed.
    pub(crate) fn make_fresh(&mut self) -> Result<()> {
        if self.untouched {
            return Ok(());
        }
        self.close()?;
        store_dir::destroy(&self.dir, &self.options, self.ours)?;
        self.db = Some(self.options.clone().open(&self.dir).map_err(|e| Failure::store(e.to_string()))?);
        (self.ours, self.untouched) = (true, true);
        Ok(())
    }

    /// Closes the store and opens it anew with other options.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn reopen(&mut self, change: impl FnOnce(Options) -> Options) -> Result<()> {
        self.close()?;
        self.options = change(self.options.clone());
        self.db = Some(self.options.clone().open(&self.dir).map_err(|e| Failure::store(e.to_string()))?);
        Ok(())
    }

    /// Closes the store.
    ///
    /// # Errors
    /// What dropping it would swallow.
    pub(crate) fn close(&mut self) -> Result<()> {
        match self.db.take() {
            Some(db) => Ok(db.close()?),
            None => Ok(()),
        }
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("the store is open from `open` to `close`")
    }

    /// Runs one benchmark once.
    ///
    /// # Errors
    /// The first failure of a thread, or the signal that ended it.
    pub(crate) fn run(&mut self, name: &str, args: &BenchArgs, set: &Settings) -> Result<(Outcome, Cost)> {
        self.untouched = false;
        let monitor = Monitor::new(name, args)?;
        let mut streams = std::mem::take(&mut self.streams);
        let (data, halt) = (&self.data, &self.halt);
        let ground = Ground { args, data, halt, seed: self.seed, clock_ns: self.clock_ns };
        let counter = self.syscalls.as_ref().ok();
        let before = Counts::now(self.db(), counter);
        let mut timeline = Timeline::default();
        let db = self.db();
        let watch = |progress: &Progress, finished: &AtomicUsize| {
            monitor.watch(db, progress, finished, &mut timeline);
        };
        let ended = worker::run(&ground, db, set, &mut streams, watch);
        let cost = Counts::now(self.db(), counter).since(&before);
        self.streams = streams;
        Ok((Outcome { timeline, ..ended? }, cost))
    }

    pub(crate) fn stats(&self) -> Stats {
        self.db().stats()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn clock_ns(&self) -> u64 {
        self.clock_ns
    }

    /// Why system calls cannot be counted, if so.
    pub(crate) fn uncounted(&self) -> Option<&str> {
        self.syscalls.as_ref().err().map(String::as_str)
    }

    /// Fails if a signal came.
    pub(crate) fn check(&self) -> Result<()> {
        self.halt.interrupt.check()
    }

    /// Ends it in good order, so that failures of the end are told too.
    ///
    /// # Errors
    /// If the store cannot be closed.
    pub(crate) fn end(mut self) -> Result<()> {
        self.close()?;
        drop(self.temp.take());
        self.halt.interrupt.on_second(None);
        Ok(())
    }
}

/// The durability that the options ask for.
pub(crate) fn durability(args: &BenchArgs) -> Durability {
    match (args.disable_wal, args.sync) {
        (true, _) => Durability::None,
        (false, true) => Durability::Synced,
        (false, false) => Durability::Buffered,
    }
}

fn options(args: &BenchArgs, global: &Global) -> Result<Options> {
    let mut options = open::options(global).compression(compression(args)?).durability(durability(args));
    options = options.sync_mode(match args.sync_mode {
        SyncKind::Auto => SyncMode::Auto,
        SyncKind::Chain => SyncMode::Chain,
        SyncKind::Dsync => SyncMode::Dsync,
    });
    if let Some(bytes) = args.cache_size {
        options = options.cache_bytes(bytes);
    }
    if let Some(bytes) = args.write_buffer_size {
        options = options.write_buffer_bytes(bytes);
    }
    if let Some(threads) = args.compaction_threads {
        options = options.compaction_threads(threads);
    }
    Ok(options)
}

fn compression(args: &BenchArgs) -> Result<Compression> {
    match args.compression_type.to_ascii_lowercase().as_str() {
        "none" | "no" => Ok(Compression::None),
        "lz4" => Ok(Compression::Lz4),
        "zstd" if cfg!(feature = "zstd") => Ok(Compression::Zstd),
        "zstd" => Err(Failure::usage("this ringwood was built without zstd; build it with --features zstd")),
        other => Err(Failure::usage(format!(
            "--compression_type={other}: Ringwood has no such compression; it has none, lz4 and zstd"
        ))),
    }
}

/// The options as one benchmark changes them.
pub(crate) fn settings(args: &BenchArgs, bench: Bench) -> Settings {
    let num = args.num;
    let mut set = Settings {
        bench,
        write_keys: num,
        reads: args.count(args.reads),
        writes: args.count(args.writes),
        deletes: args.count(args.deletes),
        readwrites: if args.reads < 0 && args.writes < 0 {
            num
        } else {
            args.count(args.reads.max(args.writes))
        },
        key_bytes: args.key_size,
        value_bytes: args.value_size,
        batch: args.batch_size,
        durability: durability(args),
        threads: if bench.is_single() { 1 } else { args.threads },
        cap: None,
    };
    match bench {
        Bench::FillBatch => set.batch = 1000,
        Bench::FillSync => {
            set.write_keys = num / 1000;
            set.durability = Durability::Synced;
        }
        Bench::Fill100K => {
            set.write_keys = num / 1000;
            set.value_bytes = LARGE_VALUE_BYTES;
        }
        Bench::ReadToCache => set.reads = num,
        Bench::ReadRandomSmall => set.reads /= 1000,
        Bench::ReadMissing => set.key_bytes += 1,
        Bench::FillSeekSeq => set.writes = num,
        _ => {}
    }
    set
}
