//! Tables for people, one JSON document for programs.

use std::io::{Write, stdout};

use serde_json::{Value, json};

use crate::Result;
use crate::args::Args;
use crate::place::Place;
use crate::questions::Question;

/// One table of figures.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) title: String,
    /// Without the first, which has the names.
    pub(crate) columns: Vec<String>,
    /// Name, cells, and the same for programs.
    pub(crate) rows: Vec<(String, Vec<String>, Value)>,
    /// What could not be measured, and why.
    pub(crate) notes: Vec<String>,
}

impl Table {
    /// No figures, but why not.
    pub(crate) fn note(title: impl Into<String>, note: impl Into<String>) -> Self {
        Self { title: title.into(), notes: vec![note.into()], ..Self::default() }
    }

    /// The table as lines of aligned columns.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.title.clone()];
        let name_width = self.rows.iter().map(|r| r.0.chars().count()).max().unwrap_or(0);
        let width = |i: usize| {
            let cells = self.rows.iter().map(|r| r.1[i].chars().count());
            cells.chain([self.columns[i].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |name: &str, cells: &[String]| {
            let cells = cells.iter().zip(&widths).map(|(c, w)| format!("  {c:>w$}"));
            format!("  {name:<name_width$}{}", cells.collect::<String>())
        };
        if !self.rows.is_empty() {
            lines.push(line("", &self.columns));
        }
        lines.extend(self.rows.iter().map(|(name, cells, _)| line(name, cells)));
        lines.extend(self.notes.iter().map(|note| format!("  {note}")));
        lines
    }
}

/// What is printed. Tables come as they are ready, JSON at the end.
pub(crate) struct Report {
    json: Option<Value>,
}

impl Report {
    pub(crate) fn new(args: &Args, place: &Place) -> Result<Self> {
        let (uname, caps) = (rustix::system::uname(), place.uring.caps());
        let kernel = uname.release().to_string_lossy().into_owned();
        let cores = ringwood_ring::machine::cores();
        let mib = args.file_mib;
        if args.json {
            let json = json!({
                "kernel": kernel, "cores": cores, "dir": args.dir.display().to_string(), "file_mib": mib,
                "features": caps.features, "degraded": caps.degraded, "debug_build": cfg!(debug_assertions),
                "seconds": args.seconds(), "rounds": args.rounds(), "questions": [],
            });
            return Ok(Self { json: Some(json) });
        }
        let mut lines = vec![
            format!("Linux {kernel}, {cores} cores; {} in {}", caps.backend, args.dir.display()),
            format!("{mib} MiB are read; {} rounds, {} s a question", args.rounds(), args.seconds()),
            format!("features: {}", caps.features.join(", ")),
        ];
        lines.extend(caps.degraded.iter().map(|why| format!("degraded: {why}")));
        if cfg!(debug_assertions) {
            lines.push("WARNING: this is a debug build; its figures mean nothing".into());
        }
        print(&lines)?;
        Ok(Self { json: None })
    }

    /// Takes one question's tables.
    pub(crate) fn add(&mut self, question: &Question, tables: Vec<Table>) -> Result<()> {
        let Some(json) = &mut self.json else {
            let mut lines = vec![String::new(), format!("== {}: {}", question.name, question.asks)];
            lines.extend(tables.iter().flat_map(Table::lines));
            return print(&lines);
        };
        let table = |t: Table| {
            let rows: Vec<Value> = t.rows.into_iter().map(|r| r.2).collect();
            json!({ "title": t.title, "rows": rows, "notes": t.notes })
        };
        let tables: Vec<Value> = tables.into_iter().map(table).collect();
        let all = json["questions"].as_array_mut().expect("made as an array");
        all.push(json!({ "name": question.name, "asks": question.asks, "tables": tables }));
        Ok(())
    }

    /// Prints what is still to be printed; `ended` says why not everything was measured.
    pub(crate) fn finish(&mut self, ended: Option<&str>) -> Result<()> {
        let Some(mut json) = self.json.take() else { return Ok(()) };
        json["ended_early"] = json!(ended);
        print(&[serde_json::to_string_pretty(&json)?])
    }
}

fn print(lines: &[String]) -> Result<()> {
    let mut out = stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |name: &str, cell: &str| (name.to_string(), vec![cell.to_string()], Value::Null);
        let rows = vec![row("short", "1"), row("much longer", "12345")];
        let table = Table { title: "t".into(), columns: vec!["x".into()], rows, notes: vec!["n".into()] };
        assert_eq!(
            table.lines(),
            ["t", "                   x", "  short            1", "  much longer  12345", "  n"]
        );
    }
}
