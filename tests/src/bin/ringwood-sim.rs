//! Runs the model of the store on the simulated disk for as long as one likes.
//!
//! ```text
//! ringwood-sim --seconds 300 --from 1000000        every mode in turn, five minutes
//! ringwood-sim --mode storm --seeds 5000           one mode
//! ringwood-sim --mode storm --replay 4711          one seed, its trail printed
//! ringwood-sim --mode no_faults --kernel /mnt      its images on a real file system too
//! ```
//!
//! A seed that fails is run again with fewer and fewer operations, and the command that replays what is left is printed. The exit code is 1
//! then; 2 for wrong arguments; 3 for a seed that does not end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ringwood_tests::failure::{self, Failure};
use ringwood_tests::model::{self, Counts, Mode, Plan};
use ringwood_tests::shrink::shrink;

/// Runs that the search for a smaller failure may take.
const SHRINK_TRIES: usize = 200;
/// A seed takes well below a second. One that takes this long hangs.
const HANG: Duration = Duration::from_secs(120);
const PROGRESS: Duration = Duration::from_secs(30);

const USAGE: &str =
    "ringwood-sim [--mode NAME]… [--seeds N] [--seconds S] [--from SEED] [--kernel DIR] [--no-shrink]
ringwood-sim --mode NAME --replay SEED [--only OPERATIONS] [--kernel DIR]

  --mode NAME    a mode; several are run in turn; without it, all of them
  --seeds N      seeds of each mode (default 100, or no bound with --seconds)
  --seconds S    stop after this time
  --from SEED    the first seed (default 0)
  --kernel DIR   open and compare images in DIR too, on the real disk through io_uring
  --no-shrink    leave a failing seed as it is
  --replay SEED  run one seed and print what happens
  --only LIST    of its operations, make these alone: 0-12,15";

#[derive(Default)]
struct Args {
    modes: Vec<Mode>,
    seeds: Option<u64>,
    seconds: Option<u64>,
    from: u64,
    kernel: Option<PathBuf>,
    no_shrink: bool,
    replay: Option<u64>,
    only: Option<model::Operations>,
}

impl Args {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|e| format!("{text:?}: {e}"));
            match word.as_str() {
                "--mode" => args.modes.push(value()?.parse()?),
                "--seeds" => args.seeds = Some(number(value()?)?),
                "--seconds" => args.seconds = Some(number(value()?)?),
                "--from" => args.from = number(value()?)?,
                "--kernel" => args.kernel = Some(value()?.into()),
                "--no-shrink" => args.no_shrink = true,
                "--replay" => args.replay = Some(number(value()?)?),
                "--only" => args.only = Some(value()?.parse()?),
                other => return Err(format!("what is {other:?}?\n\n{USAGE}")),
            }
        }
        if args.replay.is_some() != (args.modes.len() == 1) && (args.replay.is_some() || args.only.is_some())
        {
            return Err("a replay needs its mode".into());
        }
        if args.modes.is_empty() {
            args.modes = Mode::ALL.to_vec();
        }
        Ok(args)
    }

    fn plan(&self, mode: Mode, seed: u64) -> Plan {
        Plan { kernel: self.kernel.clone(), ..Plan::new(mode, seed) }
    }
}

#[allow(clippy::disallowed_methods, reason = "the campaign's own clock; the store has the simulated one")]
fn now() -> Instant {
    Instant::now()
}

/// Runs allocate and free the same large pieces over and over: the allocator is to keep them.
fn keep_memory() {
    for (what, bytes) in [(libc::M_MMAP_THRESHOLD, 1 << 30), (libc::M_TRIM_THRESHOLD, 1 << 30)] {
        // SAFETY: plain integers, before any other thread.
        unsafe { libc::mallopt(what, bytes) };
    }
}

fn main() -> ExitCode {
    keep_memory();
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    match args.replay {
        Some(seed) => replay(&args, seed),
        None => campaign(&args),
    }
}

fn replay(args: &Args, seed: u64) -> ExitCode {
    let plan = Plan { only: args.only.clone(), traced: true, ..args.plan(args.modes[0], seed) };
    match failure::catch(false, || model::run(&plan)) {
        Ok(outcome) => {
            outcome.trail.iter().for_each(|line| println!("{line}"));
            println!("{plan}: no failure; {}", outcome.counts);
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// The seed that runs, for the watchdog: its number plus one, and when it began.
static RUNNING: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

fn watch(start: Instant) {
    std::thread::spawn(move || {
        loop {
            std::thread::park_timeout(HANG / 8);
            let (seed, since) = (RUNNING[0].load(Relaxed), RUNNING[1].load(Relaxed));
            if seed > 0 && now().duration_since(start).as_secs() > since + HANG.as_secs() {
                eprintln!("seed {} does not end", seed - 1);
                std::process::exit(3);
            }
        }
    });
}

fn campaign(args: &Args) -> ExitCode {
    let start = now();
    let is_over = || args.seconds.is_some_and(|s| now().duration_since(start).as_secs() >= s);
    let seeds = args.seeds.unwrap_or(if args.seconds.is_some() { u64::MAX } else { 100 });
    let mut counts = vec![Counts::default(); args.modes.len()];
    let mut failures = 0;
    let mut reported = start;
    watch(start);
    'all: for seed in args.from..args.from.saturating_add(seeds) {
        for (mode, counts) in args.modes.iter().zip(&mut counts) {
            if is_over() {
                break 'all;
            }
            RUNNING[1].store(now().duration_since(start).as_secs(), Relaxed);
            RUNNING[0].store(seed + 1, Relaxed);
            let plan = args.plan(*mode, seed);
            match failure::catch(true, || model::run(&plan)) {
                Ok(outcome) => *counts += outcome.counts,
                Err(failure) => {
                    failures += 1;
                    RUNNING[0].store(0, Relaxed);
                    report(&plan, &failure, args.no_shrink);
                }
            }
        }
        if now().duration_since(reported) >= PROGRESS {
            reported = now();
            eprintln!(
                "{:>6} s: up to seed {seed}: {}",
                now().duration_since(start).as_secs(),
                total(&counts)
            );
        }
    }
    for (mode, counts) in args.modes.iter().zip(&counts) {
        println!("{}: {counts}", mode.name());
    }
    println!(
        "all: {}; {failures} failures; seeds from {}; {} s",
        total(&counts),
        args.from,
        now().duration_since(start).as_secs()
    );
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn total(counts: &[Counts]) -> Counts {
    counts.iter().fold(Counts::default(), |mut sum, c| {
        sum += *c;
        sum
    })
}

fn report(plan: &Plan, failure: &Failure, as_it_is: bool) {
    println!("FAILED {plan}\n    {} at operation {}: {}", failure.place, failure.operation, failure.message);
    if !as_it_is {
        println!("    smaller: ringwood-sim {}", shrink(plan, failure, SHRINK_TRIES));
    }
}
