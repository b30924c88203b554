//! Help while typing: completion of commands, options, keyspaces, snapshots and keys, and a hint of what comes next.

use std::borrow::Cow;

use ringwood::Keyspace;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use super::session::Session;
use super::table::{COMMANDS, Spec, Takes, find};
use super::words::{quote, unfinished};
use crate::escape::unescape;
use crate::open::keyspaces;

/// Keys that are offered at most.
const KEYS_MAX: usize = 100;

/// What completion goes by; renewed before each line.
pub(super) struct Assist {
    keyspace: Keyspace,
    /// As they are typed.
    keyspaces: Vec<String>,
    snapshots: Vec<String>,
    colour: bool,
}

impl Assist {
    pub(super) fn of(session: &Session, colour: bool) -> Self {
        Self {
            keyspace: session.keyspace.clone(),
            keyspaces: keyspaces(&session.db).iter().map(|name| quote(name.as_bytes())).collect(),
            snapshots: session.snapshots.keys().cloned().chain(["now".to_owned()]).collect(),
            colour,
        }
    }

    fn candidates(&self, words: &[String]) -> Vec<String> {
        let (typed, before) = words.split_last().expect("the word that is being typed is there");
        let Some(command) = before.first() else {
            return starting(typed, COMMANDS.iter().map(|s| s.name));
        };
        let Some(spec) = find(command) else { return Vec::new() };
        let last = before.last().filter(|_| before.len() > 1);
        let after_key_option =
            spec.options.iter().any(|(name, value)| last.is_some_and(|l| l == name) && *value == Some("KEY"));
        if typed.starts_with('-') && !after_key_option {
            return starting(typed, spec.options.iter().map(|(name, _)| *name));
        }
        let takes = match after_key_option {
            true => Takes::Key,
            false => {
                spec.takes.get(position(spec, before)).or(spec.takes.last()).copied().unwrap_or(Takes::Any)
            }
        };
        match takes {
            Takes::Key => self.keys(typed),
            Takes::Keyspace => starting(typed, self.keyspaces.iter().map(String::as_str)),
            Takes::Snapshot => starting(typed, self.snapshots.iter().map(String::as_str)),
            Takes::Command => starting(typed, COMMANDS.iter().map(|s| s.name)),
            Takes::Words(words) => starting(typed, words.iter().copied()),
            Takes::Any => Vec::new(),
        }
    }

    /// Keys of the store that begin with what is typed.
    fn keys(&self, typed: &str) -> Vec<String> {
        let typed = typed.strip_prefix(['"', '\'']).unwrap_or(typed);
        let Ok(prefix) = unescape(typed.as_bytes()) else { return Vec::new() };
        let Ok(range) = self.keyspace.prefix(&prefix) else { return Vec::new() };
        range.take(KEYS_MAX).map_while(Result::ok).map(|(key, _)| quote(&key)).collect()
    }
}

/// How many words, options left out, stand behind the command.
fn position(spec: &Spec, before: &[String]) -> usize {
    let mut count = 0;
    let mut words = before[1..].iter();
    while let Some(word) = words.next() {
        match spec.options.iter().find(|(name, _)| word == name) {
            Some((_, Some(_))) => drop(words.next()),
            Some((_, None)) => {}
            None => count += 1,
        }
    }
    count
}

fn starting<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.filter(|w| w.starts_with(typed)).map(str::to_owned).collect()
}

impl Completer for Assist {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (words, start) = unfinished(&line[..pos]);
        let pairs = self.candidates(&words).into_iter();
        let pairs: Vec<Pair> = pairs.map(|w| Pair { display: w.clone(), replacement: w }).collect();
        // One that is certain is done with.
        let certain = pairs.len() == 1;
        let end = |p: Pair| Pair { replacement: format!("{} ", p.replacement), ..p };
        Ok((start, if certain { pairs.into_iter().map(end).collect() } else { pairs }))
    }
}

impl Hinter for Assist {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<String> {
        if pos < line.len() {
            return None;
        }
        let (words, _) = unfinished(line);
        let (typed, before) = words.split_last()?;
        let spec = find(before.first()?)?;
        if !typed.is_empty() || !spec.options.is_empty() && before.len() > 1 {
            return None;
        }
        let rest: Vec<&str> = spec.usage.split(' ').skip(position(spec, before)).collect();
        (!rest.is_empty()).then(|| rest.join(" "))
    }
}

impl Highlighter for Assist {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        if self.colour { Cow::Owned(format!("\x1b[1;36m{prompt}\x1b[0m")) } else { Cow::Borrowed(prompt) }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colour { Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")) } else { Cow::Borrowed(hint) }
    }
}

impl Validator for Assist {}
impl Helper for Assist {}
