//! `ringwood scan DB`

use serde_json::json;

use crate::cli::{Global, ScanArgs};
use crate::escape::{escape, escape_to};
use crate::failure::Result;
use crate::open::Store;
use crate::out::Out;
use crate::signals::Interrupt;

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
    if let Some(span) = args.span.span().filter(|_| limit > 0) {
        let mut range = store.range(span.bounds())?;
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
