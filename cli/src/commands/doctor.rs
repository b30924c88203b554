//! `ringwood doctor [DIR]`

use ringwood::probe::{self, Level, Report};
use serde_json::{Value, json};

use crate::cli::{DoctorArgs, Global};
use crate::failure::{Failure, Result};
use crate::out::Out;

/// Longest value that keeps the column of meanings where it is.
const VALUE_COLUMN_MAX: usize = 34;

pub(crate) fn run(args: &DoctorArgs, global: &Global) -> Result<()> {
    if global.keyspace.is_some() {
        return Err(Failure::usage(
            "doctor looks at a directory, not into a store: --keyspace has no meaning here",
        ));
    }
    let report = probe::report(&args.dir);
    let mut out = Out::new();
    if global.json {
        out.line(as_json(&report))?;
    } else {
        for line in table(&report) {
            out.line(line)?;
        }
    }
    out.flush()?;
    if report.runs { Ok(()) } else { Err(Failure::store(verdict(&report))) }
}

fn verdict(report: &Report) -> String {
    if report.runs {
        format!("Ringwood runs here, with {}.", report.backend)
    } else {
        "Ringwood cannot run here.".into()
    }
}

fn mark(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Ok => ("ok", "ok  "),
        Level::Note => ("note", "note"),
        Level::Degraded => ("degraded", "SLOW"),
        Level::Bad => ("bad", "FAIL"),
    }
}

fn table(report: &Report) -> Vec<String> {
    let names = report.rows.iter().map(|r| r.name.chars().count()).max().unwrap_or(0);
    let short = report.rows.iter().map(|r| r.value.chars().count()).filter(|n| *n <= VALUE_COLUMN_MAX);
    let values = short.max().unwrap_or(0);
    let mut lines = Vec::new();
    for row in &report.rows {
        let mark = mark(row.level).1;
        let line = format!("{mark}  {:names$}  {:values$}  {}", row.name, row.value, row.meaning);
        lines.push(line.trim_end().to_string());
    }
    lines.push(String::new());
    lines.push(verdict(report));
    lines
}

fn as_json(report: &Report) -> Value {
    let rows: Vec<Value> = report
        .rows
        .iter()
        .map(|r| json!({ "name": r.name, "value": r.value, "meaning": r.meaning, "level": mark(r.level).0 }))
        .collect();
    json!({ "runs": report.runs, "backend": report.backend, "rows": rows })
}
