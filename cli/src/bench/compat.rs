//! db_bench's way of writing flags, turned into ours.
//!
//! `--flag=value` and `--flag value`, one dash or two, underscores or dashes, `--sync`, `--sync=1`, `--nosync`: all become
//! `--flag=value`, which the parser of [`super::flags`] reads. A flag of db_bench that has no meaning here is looked up in
//! [`super::compat_table`]: it is dropped with a note, or refused with a sentence. What neither knows goes to the parser as it
//! is, which complains in its usual way.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, Command, CommandFactory};

use super::compat_table::{GROUPS, Group, Verdict};
use crate::cli::Cli;
use crate::failure::{Failure, Result};

const SUBCOMMAND: &str = "bench";

/// A command line in the parser's form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// All of it, the program's name first.
    pub(crate) args: Vec<OsString>,
    /// What was dropped, each a sentence.
    pub(crate) notes: Vec<String>,
    /// Whether `bench` was given a flag that is not one of every command.
    pub(crate) own_flags: bool,
}

/// What a flag of ours takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Bool,
    Value,
}

/// Rewrites the flags of `bench`; a line of any other command is as it was.
///
/// # Errors
/// [`Failure::Usage`] for a flag of db_bench that would change the measurement.
pub(crate) fn normalize(args: Vec<OsString>) -> Result<Line> {
    let cli = Cli::command();
    match position(&args, &cli) {
        Some(at) => rewrite(args, at, &cli),
        None => Ok(Line { args, notes: Vec::new(), own_flags: false }),
    }
}

/// Where the word `bench` stands, if it is the command.
fn position(args: &[OsString], cli: &Command) -> Option<usize> {
    let mut at = 1;
    while let Some(arg) = args.get(at) {
        let Some(flag) = arg.to_str().and_then(|a| a.strip_prefix("--")) else {
            return (arg == SUBCOMMAND).then_some(at);
        };
        let with_value = cli.get_arguments().any(|a| a.get_long() == Some(flag) && takes(a) == Takes::Value);
        at += if with_value { 2 } else { 1 };
    }
    None
}

fn takes(arg: &Arg) -> Takes {
    let boolean = |names: &[_]| names.iter().any(|n: &clap::builder::Str| n.as_str() == "BOOL");
    match arg.get_value_names() {
        Some(names) if boolean(names) => Takes::Bool,
        _ if arg.get_action().takes_values() => Takes::Value,
        _ => Takes::Nothing,
    }
}

/// The flags that the parser knows after `bench`.
fn known(cli: &Command) -> BTreeMap<String, Takes> {
    let bench = cli.find_subcommand(SUBCOMMAND).into_iter().flat_map(Command::get_arguments);
    let global = cli.get_arguments().filter(|a| a.is_global_set());
    let named = |a: &Arg| Some((a.get_long()?.to_string(), takes(a)));
    let mut known: BTreeMap<_, _> = bench.chain(global).filter_map(named).collect();
    known.insert("help".into(), Takes::Nothing);
    known.insert("version".into(), Takes::Nothing);
    known
}

fn rewrite(args: Vec<OsString>, at: usize, cli: &Command) -> Result<Line> {
    let known = known(cli);
    let mut line = Line { args: args[..=at].to_vec(), notes: Vec::new(), own_flags: false };
    let is_global = |name: &str| cli.get_arguments().any(|a| a.is_global_set() && a.get_long() == Some(name));
    let mut dropped: Vec<(&'static Group, Vec<String>)> = Vec::new();
    let undefined_is_fine = undefok(&args);
    let mut rest = args.into_iter().skip(at + 1).peekable();
    while let Some(arg) = rest.next() {
        let Some((name, mut value)) = split(&arg) else {
            line.args.push(arg);
            continue;
        };
        line.own_flags |= !is_global(&name);
        let next_is_bool = rest.peek().is_some_and(|next| boolean(next).is_some());
        let next_is_value = rest.peek().is_some_and(|next| !next.as_bytes().starts_with(b"-"));
        if let Some(takes) = known.get(&name) {
            match takes {
                Takes::Nothing => {}
                Takes::Bool if value.is_none() && !next_is_bool => value = Some("true".into()),
                Takes::Bool | Takes::Value => value = value.or_else(|| rest.next()),
            }
            if *takes == Takes::Bool {
                let word = value.as_deref().and_then(boolean);
                value = word.map(|w| if w { "true".into() } else { "false".into() }).or(value);
            }
            line.args.push(join(&name, value));
        } else if let Some(name) = negated(&name).filter(|n| known.get(*n) == Some(&Takes::Bool)) {
            line.args.push(join(name, Some("false".into())));
        } else if let Some((group, neutral)) = find(&name).or_else(|| find(negated(&name)?)) {
            let value = value.or_else(|| if next_is_value { rest.next() } else { None });
            let off = negated(&name).is_some_and(|n| find(n).is_some());
            drop_or_refuse(group, neutral, &name, value.as_deref(), off, &mut dropped)?;
        } else if name == "undefok" {
            drop(value.or_else(|| if next_is_value { rest.next() } else { None }));
        } else if !undefined_is_fine.contains(&name) {
            line.args.push(arg);
        }
    }
    for (group, flags) in dropped {
        line.notes.push(format!("{}: {}; ignored", flags.join(", "), group.why));
    }
    Ok(line)
}

fn drop_or_refuse(
    group: &'static Group,
    neutral: Option<&str>,
    name: &str,
    value: Option<&OsStr>,
    off: bool,
    dropped: &mut Vec<(&'static Group, Vec<String>)>,
) -> Result<()> {
    let flag = format!("--{name}");
    match group.verdict {
        Verdict::Drop => match dropped.iter_mut().find(|(g, _)| std::ptr::eq(*g, group)) {
            Some((_, flags)) => flags.push(flag),
            None => dropped.push((group, vec![flag])),
        },
        Verdict::Refuse => {
            let text = value.map(|v| v.to_string_lossy().to_lowercase());
            let same = match (&text, neutral) {
                (Some(text), Some(neutral)) => text == neutral,
                (Some(text), None) => matches!(text.as_str(), "" | "0" | "0.0" | "-1" | "false" | "none"),
                (None, _) => false,
            };
            if !same && !off {
                return Err(Failure::usage(format!("{flag}: {}", group.why)));
            }
        }
    }
    Ok(())
}

/// The group of a flag of db_bench, and the value by which it changes nothing if that is not the usual 0, false or none.
fn find(name: &str) -> Option<(&'static Group, Option<&'static str>)> {
    GROUPS.iter().find_map(|group| {
        group.flags.split_whitespace().find_map(|entry| {
            let (flag, neutral) = entry.split_once('=').map_or((entry, None), |(f, n)| (f, Some(n)));
            (flag == name).then_some((group, neutral))
        })
    })
}

fn negated(name: &str) -> Option<&str> {
    name.strip_prefix("no")
}

/// Splits `--some-flag=value` into `some_flag` and `value`; `None` if it is no long flag.
fn split(arg: &OsStr) -> Option<(String, Option<OsString>)> {
    let bytes = arg.as_bytes();
    let flag = bytes.strip_prefix(b"--").or_else(|| bytes.strip_prefix(b"-").filter(|f| f.len() > 1))?;
    let end = flag.iter().position(|b| *b == b'=');
    let name = std::str::from_utf8(&flag[..end.unwrap_or(flag.len())]).ok()?;
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let value = end.map(|end| OsString::from_vec(flag[end + 1..].to_vec()));
    plain.then(|| (name.replace('-', "_"), value))
}

fn join(name: &str, value: Option<OsString>) -> OsString {
    let mut arg = OsString::from(format!("--{name}"));
    if let Some(value) = value {
        arg.push("=");
        arg.push(value);
    }
    arg
}

fn boolean(text: &OsStr) -> Option<bool> {
    match text.to_str()?.to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" => Some(true),
        "0" | "false" | "f" | "no" | "n" => Some(false),
        _ => None,
    }
}

/// The flags that the caller says need not be known (`--undefok=a,b`).
fn undefok(args: &[OsString]) -> Vec<String> {
    let lists = args.iter().enumerate().filter_map(|(i, arg)| match split(arg)? {
        (name, value) if name == "undefok" => value.or_else(|| args.get(i + 1).cloned()),
        _ => None,
    });
    lists
        .flat_map(|l| l.to_string_lossy().split(',').map(|f| f.replace('-', "_")).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
#[path = "compat_tests.rs"]
mod tests;
