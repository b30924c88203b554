//! `ringwood generate man|bash|zsh|fish`: pages and completions, from the table of commands.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::{Failure, Result};
use crate::out::Out;

pub(crate) const HELP: &str = r#"Examples:
  ringwood generate bash > ~/.local/share/bash-completion/completions/ringwood
  ringwood generate zsh > ~/.zfunc/_ringwood
  ringwood generate fish > ~/.config/fish/completions/ringwood.fish
  ringwood generate man --dir ~/.local/share/man/man1     ringwood.1, ringwood-put.1, …
  ringwood generate man | man -l -"#;

/// What can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Man pages
    Man,
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
}

/// `generate`
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// man, bash, zsh or fish
    #[arg(value_enum, value_name = "WHAT", hide_possible_values = true)]
    pub(crate) what: What,
    /// man: write a page for each command into this directory, instead of the main page to standard output
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

pub(crate) fn run(args: &GenerateArgs) -> Result<()> {
    let shell = match args.what {
        What::Bash => Shell::Bash,
        What::Zsh => Shell::Zsh,
        What::Fish => Shell::Fish,
        What::Man => return man(args.dir.as_deref()),
    };
    if args.dir.is_some() {
        return Err(Failure::usage("--dir: completions are one file, on standard output"));
    }
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ringwood", &mut text);
    put(&text)
}

fn put(text: &[u8]) -> Result<()> {
    let mut out = Out::new();
    out.bytes(text)?;
    out.flush()
}

fn man(dir: Option<&Path>) -> Result<()> {
    let command = Cli::command().disable_help_subcommand(true);
    if let Some(dir) = dir {
        let made = clap_mangen::generate_to(command, dir);
        return made.map_err(|e| Failure::store(format!("cannot write pages into {}: {e}", dir.display())));
    }
    let mut text = Vec::new();
    let made = clap_mangen::Man::new(command).render(&mut text);
    made.map_err(|e| Failure::store(format!("cannot make the page: {e}")))?;
    put(&text)
}
