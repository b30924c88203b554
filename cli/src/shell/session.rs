//! What a shell holds: the store, the keyspace in use, a batch, snapshots, settings. One thread uses it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ringwood::{Db, Durability, Keyspace, Range, Snapshot, Value, WriteBatch};

use super::pager::Pager;
use super::show::Mode;
use super::table::{self, Call, Spec};
use super::words::{self, Word};
use crate::cli::Global;
use crate::clock;
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::open::{keyspaces, options};
use crate::out::{Out, note};
use crate::signals::Interrupt;
use crate::span::Span;

pub(crate) struct Session {
    pub(crate) db: Db,
    dir: PathBuf,
    pub(crate) keyspace: Keyspace,
    pub(crate) batch: Option<WriteBatch>,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    /// The snapshot that is read; `None`: now.
    pub(crate) at: Option<String>,
    pub(crate) durability: Durability,
    pub(crate) mode: Mode,
    pub(crate) timing: bool,
    pub(crate) pager: Pager,
    pub(crate) interrupt: Interrupt,
    pub(crate) quit: bool,
}

impl Session {
    pub(crate) fn open(
        dir: &Path,
        global: &Global,
        create: bool,
        durability: Durability,
        interrupt: Interrupt,
    ) -> Result<Self> {
        let db = options(global).create_if_missing(create).open(dir).map_err(Failure::of_store)?;
        let name = global.keyspace.as_deref().unwrap_or("default");
        let known = keyspaces(&db);
        if !known.iter().any(|k| k == name) {
            return Err(Failure::no_keyspace(name, &known));
        }
        let keyspace = db.keyspace(name)?;
        Ok(Self {
            db,
            dir: dir.to_path_buf(),
            keyspace,
            batch: None,
            snapshots: BTreeMap::new(),
            at: None,
            durability,
            mode: Mode::Plain,
            timing: false,
            pager: Pager::default(),
            interrupt,
            quit: false,
        })
    }

    /// Closes the store.
    pub(crate) fn close(mut self) -> Result<()> {
        if let Some(batch) = self.batch.take().filter(|b| !b.is_empty()) {
            note(format_args!("ringwood: note: {} operations of a batch were not committed", batch.len()));
        }
        self.snapshots.clear();
        drop(self.keyspace);
        Ok(self.db.close()?)
    }

    /// What stands before the cursor: the store, what is not as usual, and a sign.
    pub(crate) fn prompt(&self) -> String {
        let name = self.dir.file_name().map(|n| n.to_string_lossy().into_owned());
        let mut text = name.unwrap_or_else(|| self.dir.display().to_string());
        if self.keyspace.name() != "default" {
            text = format!("{text}/{}", escape(self.keyspace.name().as_bytes()));
        }
        if let Some(at) = &self.at {
            text = format!("{text}@{at}");
        }
        if let Some(batch) = &self.batch {
            text = format!("{text} [batch of {}]", batch.len());
        }
        format!("{text}> ")
    }

    /// Runs all commands of a line.
    pub(crate) fn line(&mut self, line: &str, out: &mut Out) -> Result<()> {
        let commands = words::parse(line).map_err(Failure::Usage)?;
        for words in commands {
            let start = clock::now_ns();
            self.pager.begin();
            let done = self.command(&words, out);
            out.flush()?;
            done?;
            if self.timing {
                let took = (clock::now_ns() - start) as f64;
                note(format_args!("({})", crate::bench::show_ns(took)));
            }
            if self.quit {
                break;
            }
        }
        Ok(())
    }

    fn command(&mut self, words: &[Word], out: &mut Out) -> Result<()> {
        let (name, rest) = words.split_first().expect("empty commands are left out");
        let name = name.text();
        let Some(spec) = table::find(&name) else {
            let close =
                table::COMMANDS.iter().find(|s| s.name.starts_with(&name) || name.starts_with(s.name));
            let hint = close.map_or_else(|| ";".to_owned(), |s| format!("; did you mean `{}`?", s.name));
            return Err(Failure::usage(format!("there is no command `{name}`{hint} `help` lists them all")));
        };
        let call = read_call(spec, rest)?;
        (spec.run)(self, &call, out)
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let at = self.at.as_ref().and_then(|name| self.snapshots.get(name));
        at.map(|snapshot| snapshot.keyspace(&self.keyspace))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        Ok(match self.snapshot() {
            Some(snapshot) => snapshot.get(key),
            None => self.keyspace.get(key),
        }?)
    }

    pub(crate) fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        Ok(match self.snapshot() {
            Some(snapshot) => snapshot.multi_get(keys),
            None => self.keyspace.multi_get(keys),
        }?)
    }

    pub(crate) fn range(&self, span: Span) -> Result<Range> {
        Ok(match self.snapshot() {
            Some(snapshot) => snapshot.range(span.bounds()),
            None => self.keyspace.range(span.bounds()),
        }?)
    }

    /// Applies `edit` to the open batch, or to one of its own that is written at once.
    pub(crate) fn write(
        &mut self,
        edit: impl Fn(&mut WriteBatch, &Keyspace) -> ringwood::Result<()>,
    ) -> Result<()> {
        match &mut self.batch {
            // On a copy: a refused word leaves the batch as it was.
            Some(batch) => {
                let mut next = batch.clone();
                edit(&mut next, &self.keyspace)?;
                *batch = next;
            }
            None => {
                let mut batch = WriteBatch::new();
                edit(&mut batch, &self.keyspace)?;
                self.db.write(&batch, self.durability)?;
            }
        }
        Ok(())
    }
}

/// Sorts words and options of a command.
fn read_call<'a>(spec: &'static Spec, words: &'a [Word]) -> Result<Call<'a>> {
    let mut call = Call { words: Vec::new(), options: Vec::new() };
    let usage = |what: String| Failure::Usage(format!("{what}; it is: {} {}", spec.name, spec.usage));
    let mut rest = words.iter();
    let mut options_end = false;
    while let Some(word) = rest.next() {
        let Some(option) = word.option().filter(|_| !options_end) else {
            call.words.push(&word.bytes);
            continue;
        };
        if option == "--" {
            options_end = true;
            continue;
        }
        let found = spec.options.iter().find(|(name, _)| *name == option);
        let Some((name, value)) = found else {
            return Err(usage(format!("`{}` has no option {option}", spec.name)));
        };
        let value = match value {
            Some(what) => Some(rest.next().ok_or_else(|| usage(format!("{name} needs a value, {what}")))?),
            None => None,
        };
        call.options.push((name, value));
    }
    let (least, most) = spec.words;
    match call.words.len() {
        n if n < least => Err(usage(format!("`{}` needs more words", spec.name))),
        n if n > most => Err(usage(format!("`{}` takes fewer words (quote blanks)", spec.name))),
        _ => Ok(call),
    }
}
