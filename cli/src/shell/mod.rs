//! `ringwood shell DB`: a store, line by line.
//!
//! | module | what |
//! |---|---|
//! | [`table`] | the commands: help, completion and docs come from it |
//! | [`words`] | a line as words |
//! | [`session`] | the store, the batch, snapshots, settings; runs a line |
//! | [`data`], [`batch`], [`keyspaces`], [`snapshots`], [`settings`] | the commands |
//! | [`show`], [`pager`] | how entries are shown |
//! | [`assist`] | completion and hints |
//!
//! Line editing is rustyline's: of the two well-kept libraries the one with a sixth of the other's dependencies.

mod assist;
mod batch;
mod data;
mod keyspaces;
mod pager;
mod session;
mod settings;
mod show;
mod snapshots;
pub(crate) mod table;
mod words;

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use signal_hook::consts::SIGINT;

use crate::cli::{Durable, Global};
use crate::failure::{Failure, Result};
use crate::out::{Out, note};
use crate::signals::Interrupt;
use crate::terminal::has_colour;
use assist::Assist;
use session::Session;
use show::Mode;

pub(crate) const HELP: &str = r#"On a terminal: Tab completes commands, keyspaces and keys of the store, Ctrl-R searches the
history, Ctrl-C stops a result, Ctrl-D leaves. `help` lists the commands. The history is kept in
~/.ringwood_history, or where RINGWOOD_HISTORY says (empty: nowhere).

With -c, or if standard input is no terminal, it is a script: results go to standard output,
errors with their line number to standard error, and the first one ends it with an exit code,
unless --keep-going. A key that is not there ends nothing and makes the exit code 1.

Examples:
  ringwood data                                  the same as: ringwood shell data
  ringwood shell data -c 'put a 1; get a'
  ringwood shell data --keep-going < script.txt
  ringwood shell --create new -c 'create users; use users; put 1 Ada'"#;

/// `shell`
#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    /// Directory of the store
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// Run these commands and leave; may be given several times, each is a line
    #[arg(short = 'c', long, value_name = "COMMANDS", allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
    /// In a script: go on behind an error; the exit code is that of the first
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Make the store if it is not there
    #[arg(long)]
    pub(crate) create: bool,
    /// When writes come back: synced (on the device), buffered (survives kill -9) or none (in memory)
    #[arg(long, value_enum, default_value_t = Durable::Synced, value_name = "LEVEL", hide_possible_values = true)]
    pub(crate) durability: Durable,
}

pub(crate) fn run(args: &ShellArgs, global: &Global) -> Result<()> {
    let interactive = args.command.is_empty() && std::io::stdin().is_terminal();
    // At a prompt only Ctrl-C is ours: it stops a result. What else ends the process leaves nothing behind that a store minds.
    let interrupt = if interactive { Interrupt::install_for(&[SIGINT])? } else { Interrupt::install()? };
    let mut session = Session::open(&args.db, global, args.create, args.durability.into(), interrupt)?;
    session.mode = match (global.json, interactive && std::io::stdout().is_terminal()) {
        (true, _) => Mode::Json,
        (false, true) => Mode::Table,
        (false, false) => Mode::Plain,
    };
    let mut out = Out::new();
    let done = if interactive {
        session.pager.set(true);
        converse(&mut session, &mut out)
    } else if args.command.is_empty() {
        let lines = std::io::stdin().lock().split(b'\n').map(|line| {
            line.map_err(|e| Failure::store(format!("cannot read the script from standard input: {e}")))
        });
        script(lines, args.keep_going, &mut session, &mut out)
    } else {
        let lines = args.command.iter().flat_map(|c| c.split('\n')).map(|c| Ok(c.as_bytes().to_vec()));
        script(lines, args.keep_going, &mut session, &mut out)
    };
    let flushed = out.flush();
    let closed = session.close();
    done.and(flushed).and(closed)
}

/// Runs lines until one fails, or all.
fn script(
    lines: impl Iterator<Item = Result<Vec<u8>>>,
    keep_going: bool,
    session: &mut Session,
    out: &mut Out,
) -> Result<()> {
    let mut first = Ok(());
    for (number, line) in (1..).zip(lines) {
        session.interrupt.check()?;
        let line = line?;
        let done = match std::str::from_utf8(&line) {
            Ok(text) => session.line(text, out),
            Err(_) => Err(Failure::usage("the line is no UTF-8; other bytes are written as \\xNN")),
        };
        let failure = match done {
            Ok(()) => Ok(()),
            Err(failure @ (Failure::Pipe | Failure::Signal(_))) => return Err(failure),
            Err(failure) => Err(failure.in_line(number)),
        };
        match failure {
            Err(failure) if keep_going || matches!(failure, Failure::NotFound(_)) => {
                note(format_args!("ringwood: {}", failure.message().unwrap_or_default()));
                // Told already: what is left is the exit code. An error outweighs a key that is not there.
                if matches!(first, Ok(()) | Err(Failure::Told(1))) {
                    first = Err(Failure::Told(failure.code()));
                }
            }
            other => other?,
        }
        if session.quit {
            break;
        }
    }
    first
}

/// Where the history is kept, if anywhere.
fn history_file() -> Option<PathBuf> {
    match std::env::var_os("RINGWOOD_HISTORY") {
        Some(path) => (!path.is_empty()).then(|| path.into()),
        None => Some(PathBuf::from(std::env::var_os("HOME")?).join(".ringwood_history")),
    }
}

/// Reads lines from a terminal.
fn converse(session: &mut Session, out: &mut Out) -> Result<()> {
    let cannot = |e| Failure::store(format!("cannot use the terminal: {e}"));
    let config = Config::builder()
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .build();
    let mut editor: Editor<Assist, FileHistory> = Editor::with_config(config).map_err(cannot)?;
    let history = history_file();
    if let Some(path) = &history {
        // None yet, or none that can be read: there is nothing to remember then.
        let _ = editor.load_history(path);
    }
    let colour = has_colour();
    out.line("Ringwood; `help` lists the commands, Tab completes, Ctrl-D leaves")?;
    while !session.quit {
        out.flush()?;
        editor.set_helper(Some(Assist::of(session, colour)));
        match editor.readline(&session.prompt()) {
            Ok(line) => {
                if let Some(path) = &history {
                    let _ = editor.append_history(path);
                }
                session.interrupt.take();
                match session.line(&line, out) {
                    Err(Failure::Pipe) => return Err(Failure::Pipe),
                    Err(Failure::Signal(_)) => out.line("(stopped)")?,
                    Err(failure) => {
                        out.flush()?;
                        note(failure.message().unwrap_or_default());
                    }
                    Ok(()) => {}
                }
                session.interrupt.take();
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(cannot(error)),
        }
    }
    // The last of the helpers holds the store open.
    editor.set_helper(None);
    Ok(())
}
