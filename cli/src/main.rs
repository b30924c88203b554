//! The `ringwood` command: a store from the shell, what the machine gives it, and how fast it is.
//!
//! `main` parses, runs one command on the main thread and turns its end into an exit code ([`failure`]). The page
//! `docs/cli.md` is the user's side of all this.

mod bare;
mod bench;
mod cli;
mod clock;
mod commands;
mod escape;
mod failure;
mod inspect;
mod logger;
mod new_file;
mod open;
mod out;
mod progress;
mod shell;
mod signals;
mod size;
mod span;
mod stats;
mod terminal;
mod transfer;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};
use crate::failure::Result;

fn main() -> ExitCode {
    logger::install();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                out::note(format_args!("ringwood: {message}"));
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<_> = std::env::args_os().collect();
    if version::told(&args)? {
        return Ok(());
    }
    let args = bare::expand(args, &Cli::command());
    let line = bench::compat::normalize(args)?;
    let cli = Cli::parse_from(&line.args);
    match &cli.command {
        Command::Put(args) => commands::put::run(args, &cli.global),
        Command::Get(args) => commands::get::run(args, &cli.global),
        Command::Delete(args) => commands::delete::run(args, &cli.global),
        Command::Scan(args) => commands::scan::run(args, &cli.global),
        Command::Shell(args) => shell::run(args, &cli.global),
        Command::Dump(args) => transfer::dump::run(args, &cli.global),
        Command::Load(args) => transfer::load::run(args, &cli.global),
        Command::Inspect(args) => inspect::run(args, &cli.global),
        Command::Verify(args) => commands::verify::run(args, &cli.global),
        Command::Repair(args) => commands::repair::run(args, &cli.global),
        Command::Generate(args) => commands::generate::run(args),
        Command::Stats(args) => stats::run(args, &cli.global),
        Command::Doctor(args) => commands::doctor::run(args, &cli.global),
        Command::Bench(args) => bench::run(args, &cli.global, &line),
    }
}
