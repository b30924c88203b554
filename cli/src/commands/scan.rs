//! `ringwood scan DB`

use std::ops::Bound;

use serde_json::json;

use crate::cli::{Global, ScanArgs};
use crate::escape::{escape, escape_to};
use crate::failure::Result;
use crate::open::Store;
use crate::out::Out;
use crate::signals::Interrupt;

/// From a key (included) to a key (not included, `None`: to the end).
#[derive(Debug, PartialEq, Eq)]
struct Span {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

pub(crate) fn run(args: &ScanArgs, global: &Global) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let store = Store::open(&args.db, global, false)?;
    let mut out = Out::new();
    let scanned = scan(args, global.json, &store, &mut out, &interrupt);
    // What was found is shown even if the rest was not to be had.
    out.flush()?;
    scanned?;
    store.close()
}

fn scan(args: &ScanArgs, json: bool, store: &Store, out: &mut Out, interrupt: &Interrupt) -> Result<()> {
    let limit = args.limit.unwrap_or(u64::MAX);
    let mut count = 0u64;
    let mut line = String::new();
    if let Some(span) = span(args).filter(|_| limit > 0) {
        let from = if span.from.is_empty() { Bound::Unbounded } else { Bound::Included(span.from) };
        let mut range = store.range((from, span.to.map_or(Bound::Unbounded, Bound::Excluded)))?;
        while count < limit {
            interrupt.check()?;
            let entry = if args.reverse { range.next_back() } else { range.next() };
            let Some(entry) = entry else { break };
            let (key, value) = entry?;
            count += 1;
            if !args.count {
                show(&key, (!args.keys_only).then_some(&value), json, &mut line);
                out.line(&line)?;
            }
        }
    }
    match (args.count, json) {
        (true, true) => out.line(json!({ "count": count })),
        (true, false) => out.line(count),
        (false, _) => Ok(()),
    }
}

fn show(key: &[u8], value: Option<&impl AsRef<[u8]>>, json: bool, line: &mut String) {
    line.clear();
    if json {
        let object = match value {
            Some(value) => json!({ "key": escape(key), "value": escape(value.as_ref()) }),
            None => json!({ "key": escape(key) }),
        };
        *line = object.to_string();
        return;
    }
    escape_to(key, line);
    if let Some(value) = value {
        line.push('\t');
        escape_to(value.as_ref(), line);
    }
}

/// What prefix and bounds leave; `None` if that is nothing.
fn span(args: &ScanArgs) -> Option<Span> {
    let prefix = args.prefix.as_ref().map_or(&[][..], |p| &p.0);
    let from = args.from.as_ref().map_or(&[][..], |k| &k.0);
    let ends = [args.to.as_ref().map(|k| k.0.clone()), after(prefix)];
    let to = ends.into_iter().flatten().min();
    let from = from.max(prefix).to_vec();
    let empty = to.as_ref().is_some_and(|to| *to <= from);
    (!empty).then_some(Span { from, to })
}

/// The first key after all that begin with `prefix`; `None` if there is none.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn spanned(args: &[&str]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let cli = Cli::try_parse_from(["ringwood", "scan", "db"].iter().chain(args)).unwrap();
        let Command::Scan(args) = cli.command else { panic!("not a scan") };
        span(&args).map(|s| (s.from, s.to))
    }

    #[test]
    fn prefix_and_bounds_meet() {
        let some = |from: &[u8], to: Option<&[u8]>| Some((from.to_vec(), to.map(<[u8]>::to_vec)));
        assert_eq!(spanned(&[]), some(b"", None));
        assert_eq!(spanned(&["--prefix", "ab"]), some(b"ab", Some(b"ac")));
        assert_eq!(spanned(&["--prefix", r"a\xff\xff"]), some(b"a\xff\xff", Some(b"b")));
        assert_eq!(spanned(&["--prefix", r"\xff"]), some(b"\xff", None));
        assert_eq!(spanned(&["--prefix", "b", "--from", "a", "--to", "z"]), some(b"b", Some(b"c")));
        assert_eq!(spanned(&["--prefix", "b", "--from", "b5", "--to", "b7"]), some(b"b5", Some(b"b7")));
        assert_eq!(spanned(&["--from", "b", "--to", "b"]), None);
        assert_eq!(spanned(&["--from", "c", "--to", "b"]), None);
        assert_eq!(spanned(&["--prefix", "b", "--to", "a"]), None);
    }
}
