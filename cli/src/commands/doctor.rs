//! `ringwood doctor [DIR]`

use ringwood::probe::{self, Level, Probe};
use serde_json::{Value, json};

use crate::cli::{DoctorArgs, Global};
use crate::failure::{Failure, Result};
use crate::out::Out;

/// Longest value that keeps the column of meanings where it is.
const VALUE_COLUMN_MAX: usize = 40;

pub(crate) fn run(args: &DoctorArgs, global: &Global) -> Result<()> {
    if global.keyspace.is_some() {
        return Err(Failure::usage(
            "doctor looks at a directory, not into a store: --keyspace has no meaning here",
        ));
    }
    let probe = probe::report(&args.dir);
    let verdict = verdict(&probe);
    let mut out = Out::new();
    if global.json {
        out.line(as_json(&probe, &verdict))?;
    } else {
        for line in table(&probe) {
            out.line(line)?;
        }
        if let Ok(text) = &verdict.text {
            out.line(text)?;
        }
    }
    out.flush()?;
    verdict.text.map(drop).map_err(Failure::Store)
}

/// Whether a store can run there, and how.
struct Verdict {
    /// "io_uring" or "system calls".
    backend: Option<String>,
    /// A sentence; an error if it cannot.
    text: Result<String, String>,
}

/// What decides is the trial: a file was written, synced and read back in that very directory.
fn verdict(probe: &Probe) -> Verdict {
    let trials = || probe.findings.iter().filter(|f| f.topic == "file system" && f.name == "trial");
    let backend = trials().find(|f| f.level != Level::Bad && f.value != "failed");
    let backend = backend.map(|f| f.value.split(',').next().unwrap_or(&f.value).to_string());
    let failed = trials().find(|f| f.level == Level::Bad || backend.is_none());
    let text = match (&backend, failed) {
        (None, None) => Err("Ringwood cannot run there: nothing could be tried".into()),
        (_, Some(f)) => Err(format!("Ringwood cannot run there: {}", f.meaning)),
        (Some(backend), None) => Ok(sentence(probe, backend)),
    };
    Verdict { backend, text }
}

fn sentence(probe: &Probe, backend: &str) -> String {
    let refused = |name| probe.get("io_uring", name).filter(|f| f.level == Level::Bad);
    let mut text = match refused("available").or_else(|| refused("in use")) {
        Some(refused) => format!("Ringwood runs there with {backend}, without io_uring: {}", refused.meaning),
        None => format!("Ringwood runs there with {backend}"),
    };
    let marked = probe.findings.iter().filter(|f| f.level != Level::Ok).count();
    text.push_str(match marked {
        0 => ".",
        1 => "; one line above could be better, it is marked.",
        _ => "; the lines above that could be better are marked.",
    });
    text
}

fn mark(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::Ok => ("ok", "    "),
        Level::Warn => ("warn", "warn"),
        Level::Bad => ("bad", "BAD "),
    }
}

/// One line a finding, under the name of its topic.
fn table(probe: &Probe) -> Vec<String> {
    let width = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let names = width(&mut probe.findings.iter().map(|f| f.name.chars().count()));
    let values = probe.findings.iter().map(|f| f.value.chars().count());
    let values = width(&mut values.filter(|n| *n <= VALUE_COLUMN_MAX));
    let mut topics: Vec<&str> = Vec::new();
    for finding in &probe.findings {
        if !topics.contains(&finding.topic) {
            topics.push(finding.topic);
        }
    }
    let mut lines = Vec::new();
    for topic in topics {
        lines.push(topic.to_string());
        for finding in probe.findings.iter().filter(|f| f.topic == topic) {
            let mark = mark(finding.level).1;
            let line =
                format!("{mark}  {:names$}  {:values$}  {}", finding.name, finding.value, finding.meaning);
            lines.push(line.trim_end().to_string());
        }
    }
    lines.push(String::new());
    lines
}

fn as_json(probe: &Probe, verdict: &Verdict) -> Value {
    let findings: Vec<Value> = probe
        .findings
        .iter()
        .map(|f| {
            json!({
                "topic": f.topic, "name": f.name, "value": f.value, "meaning": f.meaning, "level": mark(f.level).0,
            })
        })
        .collect();
    json!({
        "runs": verdict.text.is_ok(),
        "backend": verdict.backend,
        "verdict": verdict.text.as_ref().unwrap_or_else(|e| e),
        "findings": findings,
    })
}
