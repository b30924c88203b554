//! `ringwood bench`: db_bench's benchmarks on a Ringwood store, and a demonstration.
//!
//! | module | what |
//! |---|---|
//! | [`flags`], [`compat`], [`compat_table`] | the options, db_bench's way of writing them, and those that are not ours |
//! | [`plan`] | names of benchmarks and what each changes |
//! | [`session`], [`store_dir`] | the store, its directory, its end |
//! | [`worker`], [`workload`], [`limit`], [`data`] | threads, what they do, when they end, keys and values |
//! | [`latency`], [`counts`], [`syscalls`] | what is measured |
//! | [`header`], [`report`], [`repeat`], [`json`], [`monitor`] | what is shown |
//! | [`timeline`], [`page`] | a page with plots |
//! | [`demo`] | the demonstration |
//!
//! Results go to standard output, progress and notes to standard error.

pub(crate) mod compat;
mod compat_table;
mod counts;
mod data;
mod demo;
pub(crate) mod flags;
mod header;
mod json;
mod latency;
mod limit;
mod monitor;
mod page;
mod plan;
mod repeat;
mod report;
mod session;
mod store_dir;
mod syscalls;
mod timeline;
mod worker;
mod workload;

pub(crate) use report::show_ns;

use crate::cli::Global;
use crate::failure::{Failure, Result};
use crate::out::{Out, note};
use flags::BenchArgs;
use plan::{Bench, Step};
use repeat::Repeats;
use session::Session;

/// Longest key and value, as the store has them.
const KEY_BYTES_MAX: usize = 65_535;
const VALUE_BYTES_MAX: usize = 64 << 20;
/// Many more than the kernel's limits on mappings and processes would stop the run half-way.
const THREADS_MAX: usize = 1024;

/// Runs the command. `line` is how the flags were given.
pub(crate) fn run(args: &BenchArgs, global: &Global, line: &compat::Line) -> Result<()> {
    if global.keyspace.is_some() {
        return Err(Failure::usage("bench works on the default keyspace: --keyspace has no meaning here"));
    }
    for text in &line.notes {
        note(format_args!("ringwood: note: {text}"));
    }
    let mut out = Out::new();
    match &args.benchmarks {
        Some(list) if list == "help" => return out.line_now(plan::help()),
        _ => check(args)?,
    }
    if args.demo_num.is_some() || !line.own_flags {
        return demo::run(args, global, &mut out);
    }
    let steps = plan::parse(args.benchmarks.as_deref().unwrap_or(plan::DEFAULT_LIST))?;
    let mut page = match &args.report {
        Some(path) => Some(page::Report::begin(path, &args.compare)?),
        None => None,
    };
    let mut session = Session::open(args, global)?;
    let done = Run { args, json: global.json, session: &mut session, out: &mut out, page: page.as_mut() }
        .steps(&steps);
    out.flush()?;
    // A run that was stopped has a page of what it came to.
    page.map_or(Ok(()), page::Report::end)?;
    done?;
    session.end()
}

fn check(args: &BenchArgs) -> Result<()> {
    let wrong = |text: &str| Err(Failure::usage(text));
    match () {
        () if !(1..=THREADS_MAX).contains(&args.threads) => wrong("--threads: 1 to 1024 threads"),
        () if args.batch_size == 0 => wrong("--batch_size: a batch has at least one entry"),
        () if !(1..KEY_BYTES_MAX).contains(&args.key_size) => wrong("--key_size: a key has 1 to 65534 bytes"),
        () if args.value_size > VALUE_BYTES_MAX => wrong("--value_size: a value has at most 64 MiB"),
        () if !(0.0..=1.0).contains(&args.compression_ratio) => {
            wrong("--compression_ratio: a fraction from 0 to 1")
        }
        () if args.readwritepercent > 100 => wrong("--readwritepercent: a percentage from 0 to 100"),
        () if !(0.0..=700.0).contains(&args.read_random_exp_range) => {
            wrong("--read_random_exp_range: 0 to 700")
        }
        () if args.report.is_none() && !args.compare.is_empty() => {
            wrong("--compare: say where the page goes, with --report")
        }
        () if args.use_existing_db && args.db.is_none() => {
            wrong("--use_existing_db: say where it is, with --db")
        }
        () => Ok(()),
    }
}

/// A run of benchmarks: what was asked for, on which store, and where what it comes to is shown.
struct Run<'a> {
    args: &'a BenchArgs,
    json: bool,
    session: &'a mut Session,
    out: &'a mut Out,
    page: Option<&'a mut page::Report>,
}

impl Run<'_> {
    fn steps(&mut self, steps: &[Step]) -> Result<()> {
        if self.args.bloom_bits >= 0 {
            note("ringwood: note: --bloom_bits: the store chooses the size of its filters; ignored");
        }
        let header = self.header();
        if let Some(page) = &mut self.page {
            page.facts(&header);
        }
        if !self.json {
            for line in header {
                self.out.line(line)?;
            }
            self.out.flush()?;
        }
        for step in steps {
            self.session.check()?;
            if step.bench.is_report() {
                self.print_store(step)?;
            } else if step.bench.is_fresh() && self.args.use_existing_db {
                self.skipped(step, "--use_existing_db is true")?;
            } else {
                self.step(step)?;
            }
        }
        if self.args.statistics && !self.json {
            self.out.line(format_args!("STATISTICS:\n{}", self.session.stats()))?;
        }
        Ok(())
    }

    /// What is measured and where.
    fn header(&self) -> Vec<String> {
        let session = &self.session;
        let facts = header::Facts {
            dir: &session.dir().display().to_string(),
            seed: session.seed(),
            durability: session::durability(self.args),
            uncounted: session.uncounted(),
            clock_ns: session.clock_ns(),
        };
        header::lines(self.args, &session.stats(), &facts)
    }

    fn skipped(&mut self, step: &Step, why: &str) -> Result<()> {
        let name = step.name;
        if self.json {
            self.out.line_now(serde_json::json!({ "benchmark": name, "skipped": why }))
        } else {
            self.out.line_now(format_args!("{name:<12} : skipped ({why})"))
        }
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        let set = session::settings(self.args, step.bench);
        if step.bench.is_fresh() {
            self.session.make_fresh()?;
        }
        if step.warmups > 0 && !self.json {
            self.out.line_now(format_args!("Warming up benchmark by running {} times", step.warmups))?;
        }
        for _ in 0..step.warmups {
            self.session.run(step.name, self.args, &set)?;
        }
        if step.runs > 1 && !self.json {
            self.out.line_now(format_args!("Running benchmark for {} times", step.runs))?;
        }
        let mut repeats = Repeats::default();
        for _ in 0..step.runs {
            let (outcome, cost) = self.session.run(step.name, self.args, &set)?;
            repeats.add(outcome.rate(), outcome.megabytes());
            if self.json || self.page.is_some() {
                let document = json::benchmark(step.name, &set, &outcome, &cost, &self.session.stats());
                if self.json {
                    self.out.line_now(&document)?;
                }
                if let Some(page) = &mut self.page {
                    page.add(document);
                }
            }
            if self.json {
                continue;
            }
            self.out.line(report::line(step.name, &outcome))?;
            if self.args.histogram {
                for (kind, histogram) in outcome.latencies.kinds() {
                    for line in report::histogram(kind.name(), histogram) {
                        self.out.line(line)?;
                    }
                }
            }
            for line in report::details(&outcome, &cost) {
                self.out.line(line)?;
            }
            if let Some(line) = repeats.line(step.name, self.args.confidence_interval_only) {
                self.out.line(line)?;
            }
            self.out.flush()?;
        }
        if !self.json {
            for line in repeats.last_lines(step.name) {
                self.out.line(line)?;
            }
        }
        self.out.flush()
    }

    /// Benchmarks that print something about the store.
    fn print_store(&mut self, step: &Step) -> Result<()> {
        if step.bench == Bench::ResetStats {
            return self.skipped(step, "the store counts from its opening");
        }
        let stats = self.session.stats();
        if self.json {
            return self.out.line_now(json::store(step.name, &stats));
        }
        self.out.line("")?;
        match step.bench {
            Bench::LevelStats => {
                self.out.line("Level Files Size(MB)\n--------------------")?;
                for keyspace in &stats.keyspaces {
                    for (number, level) in keyspace.levels.iter().enumerate() {
                        let megabytes = level.bytes as f64 / 1_048_576.0;
                        self.out.line(format_args!("{number:>3} {:>8} {megabytes:>8.0}", level.tables))?;
                    }
                }
            }
            Bench::MemStats => {
                let memory = &stats.memory;
                let table = [
                    ("budget", memory.budget),
                    ("cache", memory.cache),
                    ("memtables", memory.memtables),
                    ("tables", memory.tables),
                    ("io-buffers", memory.io_buffers),
                ];
                for (what, bytes) in table {
                    self.out.line(format_args!("{what}: {bytes}"))?;
                }
            }
            _ => self.out.line(&stats)?,
        }
        self.out.flush()
    }
}
