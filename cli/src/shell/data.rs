//! put, get, mget, delete, scan

use serde_json::json;

use super::session::Session;
use super::show::{Entries, Mode};
use super::table::Call;
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::span::Span;

pub(super) fn put(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    session.write(|batch, keyspace| batch.put_in(keyspace, call.words[0], call.words[1]))
}

pub(super) fn delete(session: &mut Session, call: &Call<'_>, _: &mut Out) -> Result<()> {
    session.write(|batch, keyspace| call.words.iter().try_for_each(|key| batch.delete_in(keyspace, key)))
}

pub(super) fn get(session: &mut Session, call: &Call<'_>, out: &mut Out) -> Result<()> {
    let key = call.words[0];
    let value = session.get(key)?;
    match (&value, session.mode) {
        (Some(value), Mode::Json) => out.line(json!({ "key": escape(key), "value": escape(value) }))?,
        (None, Mode::Json) => out.line(json!({ "key": escape(key), "value": null }))?,
        (Some(value), mode) => out.line(mode.bytes(value))?,
        (None, _) => {}
    }
    match value {
        Some(_) => Ok(()),
        None => Err(Failure::NotFound(format!("there is no key {}", escape(key)))),
    }
}

pub(super) fn mget(session: &mut Session, call: &Call<'_>, out: &mut Out) -> Result<()> {
    let values = session.multi_get(&call.words)?;
    let mut entries = Entries::new(session.mode, &mut session.pager, out);
    let mut missing = Vec::new();
    for (key, value) in call.words.iter().zip(&values) {
        match value {
            Some(value) => drop(entries.put(key, Some(value))?),
            None => missing.push(escape(key)),
        }
    }
    entries.end()?;
    match missing.len() {
        0 => Ok(()),
        _ => Err(Failure::NotFound(format!("there is no key {}", missing.join(", ")))),
    }
}

pub(super) fn scan(session: &mut Session, call: &Call<'_>, out: &mut Out) -> Result<()> {
    let limit = match call.value("--limit") {
        None => u64::MAX,
        Some(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|t| t.parse().ok())
            .ok_or_else(|| Failure::usage(format!("--limit {} is no number", escape(text))))?,
    };
    let span = Span::new(call.words.first().copied(), call.value("--from"), call.value("--to"));
    let (counts, keys) = (call.has("--count"), call.has("--keys"));
    let mut count = 0u64;
    if let Some(span) = span.filter(|_| limit > 0) {
        let mut range = session.range(span)?;
        let interrupt = session.interrupt.clone();
        let mut entries = Entries::new(session.mode, &mut session.pager, out);
        while count < limit {
            if interrupt.is_set() {
                entries.end()?;
                return interrupt.check();
            }
            let entry = if call.has("--reverse") { range.next_back() } else { range.next() };
            let Some(entry) = entry else { break };
            let (key, value) = entry?;
            count += 1;
            if !counts && !entries.put(&key, (!keys).then_some(&value[..]))? {
                // The reader of the page has enough.
                return Ok(());
            }
        }
        entries.end()?;
    }
    match (counts, session.mode) {
        (true, Mode::Json) => out.line(json!({ "count": count })),
        (true, _) => out.line(count),
        (false, _) => Ok(()),
    }
}
