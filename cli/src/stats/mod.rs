//! `ringwood stats DB`: levels, cache, memory, I/O; once, again and again, as JSON, for Prometheus.
//!
//! If nobody has the store open, it is opened and asked. If it is open elsewhere, what its files tell is shown ([`outside`]); so is
//! what `--watch` shows, since it must not keep others from the store.

mod inside;
mod outside;
mod prometheus;

pub(crate) use inside::as_json;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ringwood::ErrorKind;
use ringwood::tools::peek;

use crate::cli::Global;
use crate::clock;
use crate::failure::{Failure, Result};
use crate::open::options;
use crate::out::{Out, note};
use crate::signals::Interrupt;

pub(crate) const HELP: &str = r#"Counters count from the opening of the store. A store that is open elsewhere is seen from outside:
its tables and files, not its memory. --watch always looks from outside and refreshes in place
until Ctrl-C; it keeps nobody from the store.

Examples:
  ringwood stats data
  ringwood stats data --watch 2
  ringwood stats data --json | jq '.keyspaces[].levels'
  ringwood stats data --prometheus > /var/lib/node_exporter/ringwood.prom"#;

/// `stats`
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    /// Directory of the store
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// Refresh in place every so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1", conflicts_with = "prometheus", value_parser = seconds)]
    pub(crate) watch: Option<f64>,
    /// Print in Prometheus's text form
    #[arg(long, conflicts_with = "json")]
    pub(crate) prometheus: bool,
}

pub(crate) fn run(args: &StatsArgs, global: &Global) -> Result<()> {
    if global.keyspace.is_some() {
        return Err(Failure::usage("stats tells of all keyspaces: --keyspace has no meaning here"));
    }
    if let Some(seconds) = args.watch {
        return watch(args, global, seconds);
    }
    let mut out = Out::new();
    match options(global).create_if_missing(false).open(&args.db) {
        Ok(db) => {
            let stats = db.stats();
            db.close()?;
            match (args.prometheus, global.json) {
                (true, _) => out.bytes(prometheus::of_store(&stats).as_bytes())?,
                (_, true) => out.line(inside::as_json(&stats))?,
                _ => out.bytes(stats.to_string().as_bytes())?,
            }
        }
        Err(error) if error.kind() == ErrorKind::Busy => {
            note(format_args!("ringwood: note: {error}; seen from outside"));
            let seen = peek(&args.db, global.io.into()).map_err(Failure::of_store)?;
            match (args.prometheus, global.json) {
                (true, _) => out.bytes(prometheus::of_peek(&seen).as_bytes())?,
                (_, true) => out.line(outside::as_json(&seen))?,
                _ => out.bytes(outside::as_text(&seen, None).as_bytes())?,
            }
        }
        Err(error) => return Err(Failure::of_store(error)),
    }
    out.flush()
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.05..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "seconds from 0.05 to 86400 are wanted".into())
}

fn watch(args: &StatsArgs, global: &Global, seconds: f64) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let mut out = Out::new();
    let in_place = crate::terminal::height().is_some();
    let mut before = None;
    loop {
        let seen = peek(&args.db, global.io.into()).map_err(Failure::of_store)?;
        let now = clock::now_ns();
        if global.json {
            out.line(outside::as_json(&seen))?;
        } else {
            let text = outside::as_text(&seen, before.as_ref().map(|(seen, ns)| (seen, now - ns)));
            // Home, then each line over the old one, then clear what is left of it.
            let text =
                if in_place { format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")) } else { text };
            out.bytes(text.as_bytes())?;
        }
        out.flush()?;
        before = Some((seen, now));
        let until = now + (seconds * 1e9) as u64;
        while clock::now_ns() < until {
            interrupt.check()?;
            clock::nap(Duration::from_nanos((until - clock::now_ns().min(until)).min(50_000_000)));
        }
    }
}
