//! A file, part by part.

use std::ops::ControlFlow;
use std::path::Path;

use ringwood::tools::{Field, Item, inspect_file};
use serde_json::{Map, Value};

use crate::cli::Global;
use crate::escape::escape;
use crate::failure::{Failure, Result};
use crate::out::Out;
use crate::signals::Interrupt;

pub(super) fn run(path: &Path, records: bool, global: &Global) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let mut out = Out::new();
    let mut failed = Ok(());
    let mut damaged = false;
    let decoded = inspect_file(path, global.io.into(), records, &mut |item| {
        damaged |= item.what == "damage";
        let line = if global.json { as_json(item) } else { as_text(item) };
        failed = interrupt.check().and_then(|()| out.line(line));
        if failed.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    // What was decoded is shown even if the rest was not to be had.
    out.flush()?;
    failed?;
    decoded.map_err(Failure::of_file)?;
    if damaged {
        return Err(Failure::Damaged(format!("{} is damaged, see above", path.display())));
    }
    Ok(())
}

/// How deep a part lies in its file.
fn indent(what: &str) -> &'static str {
    match what {
        "table" | "segment" | "staging" | "manifest" | "current" => "",
        "entry" | "operation" => "    ",
        _ => "  ",
    }
}

fn as_text(item: &Item<'_>) -> String {
    let mut line = format!("{}{}", indent(item.what), item.what.replace('_', " "));
    for (name, field) in &item.fields {
        line.push_str("  ");
        // `table` of a table, `block` of a block: the name is said.
        if *name != item.what {
            line.push_str(&name.replace('_', " "));
            line.push(' ');
        }
        match field {
            Field::Number(n) => line.push_str(&n.to_string()),
            Field::Id(id) => line.push_str(&format!("{id:016x}")),
            Field::Bytes(bytes) => line.push_str(&format!("\"{}\"", escape(bytes))),
            Field::Text(text) => line.push_str(text),
            _ => {}
        }
    }
    line
}

fn as_json(item: &Item<'_>) -> String {
    let mut object = Map::new();
    object.insert("what".into(), item.what.into());
    for (name, field) in &item.fields {
        let value = match field {
            Field::Number(n) => Value::from(*n),
            Field::Id(id) => format!("{id:016x}").into(),
            Field::Bytes(bytes) => escape(bytes).into(),
            Field::Text(text) => text.clone().into(),
            _ => Value::Null,
        };
        // What kind of part it is stands in `what` already; a record's own kind is a field of its own.
        object.insert((*name).into(), value);
    }
    Value::Object(object).to_string()
}
