//! The report as one HTML page that needs nothing else.

use super::cells::{DETAILS, RATIOS};
use super::plot::{Bar, bars};
use super::{Report, number};
use crate::engines::OURS;
use crate::parent::DISK;
use crate::rows::{Group, Row, Unit};

const STYLE: &str = "
:root { color-scheme: light dark; --fg: #1d2329; --bg: #fff; --soft: #667079; --line: #d8dde2; --bar: #9aa7b4; --ours: #0b74c9; }
@media (prefers-color-scheme: dark) {
  :root { --fg: #e4e8ec; --bg: #14181c; --soft: #98a3ad; --line: #333a41; --bar: #5b6873; --ours: #4ba3ee; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--fg); background: var(--bg); margin: 2rem auto; max-width: 84rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p.about, td.soft, .soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .18rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
table.facts td { text-align: left; white-space: normal; vertical-align: top; }
td.ours { font-weight: 600; }
svg { max-width: 100%; height: auto; display: block; }
svg text { font-size: 12px; fill: var(--fg); dominant-baseline: middle; } svg text.name { text-anchor: end; }
svg .bar { fill: var(--bar); } svg .ours { fill: var(--ours); } svg .whisker { stroke: var(--fg); fill: none; }
summary { cursor: pointer; color: var(--soft); }
";

/// Text that cannot be taken for markup.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Report<'_> {
    /// The page.
    pub(crate) fn html(&self) -> String {
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>Ringwood and its peers</title>\
             <style>{STYLE}</style></head><body>\n<h1>Ringwood and its peers</h1>\n"
        );
        page += &self.overview_html();
        page += &self.notes_html();
        for (group, rows) in self.groups() {
            page += &format!("<h2>{}</h2>\n<p class=\"about\">{}</p>\n", group.name(), escape(group.about()));
            rows.iter().for_each(|row| page += &self.row_html(row));
        }
        for (title, facts) in
            [("Settings", &self.settings), ("Engines", &self.versions()), ("Machine", &self.machine)]
        {
            page += &format!("<h2>{title}</h2>\n<table class=\"facts\">\n");
            for (name, value) in facts {
                page +=
                    &format!("<tr><td class=\"soft\">{}</td><td>{}</td></tr>\n", escape(name), escape(value));
            }
            page += "</table>\n";
        }
        page + "</body></html>\n"
    }

    fn overview_html(&self) -> String {
        let names: Vec<&str> =
            ["median a second"].into_iter().chain(self.engine_names()).chain(RATIOS).collect();
        let mut html = format!("<div class=\"wide\"><table>\n{}", cells("th", &names, &[]));
        for (group, rows) in self.groups().filter(|(group, _)| *group != Group::Disk) {
            let (name, about) = (group.name(), escape(group.about()));
            html +=
                &format!("<tr><td class=\"soft\" colspan=\"{}\">{name}: {about}</td></tr>\n", names.len());
            for row in rows {
                let figures = self.engine_names().map(|name| self.overview(row, name));
                let line: Vec<String> =
                    [row.name.to_string()].into_iter().chain(figures).chain(self.ratios(row)).collect();
                let ours = self.engine_names().position(|name| name == OURS).map(|at| at + 1);
                html += &cells("td", &line, ours.as_slice());
            }
        }
        html + "</table></div>\n"
    }

    fn notes_html(&self) -> String {
        let notes = self.notes();
        if notes.is_empty() {
            return String::new();
        }
        let items: String = notes.iter().map(|note| format!("<li>{}</li>\n", escape(note))).collect();
        format!("<h2>Notes</h2>\n<ul>\n{items}</ul>\n")
    }

    fn row_html(&self, row: &Row) -> String {
        let engines: Vec<&'static str> = self.engine_names().chain([DISK]).collect();
        let bar = |name: &'static str| {
            let spread = self.spread(row, name)?;
            let (median, min, max) = (spread.median, spread.min, spread.max);
            Some(Bar { name, ours: name == OURS, median, min, max, label: number::value(row.unit(), median) })
        };
        let all: Vec<Bar> = engines.iter().filter_map(|name| bar(name)).collect();
        if all.is_empty() {
            return String::new();
        }
        let less = if row.unit() == Unit::Millis { " (less is better)" } else { "" };
        let threads = if row.threads == 1 { String::new() } else { format!(", {} threads", row.threads) };
        let mut html = format!("<h3>{}{threads}{less}</h3>\n{}\n", row.name, bars(&all));
        let head: Vec<&str> = [""].into_iter().chain(DETAILS).chain(["slowest second"]).collect();
        html += &format!(
            "<details><summary>details</summary><div class=\"wide\"><table>\n{}",
            cells("th", &head, &[])
        );
        for name in engines {
            let Some(details) = self.details(row, name) else { continue };
            let slowest = self.slowest_second(row, name).unwrap_or_default();
            let line: Vec<String> = [name.to_string()].into_iter().chain(details).chain([slowest]).collect();
            html += &cells("td", &line, &[]);
        }
        html + "</table></div></details>\n"
    }
}

/// One line of a table; the cells at `ours` stand out.
fn cells<T: AsRef<str>>(tag: &str, line: &[T], ours: &[usize]) -> String {
    let mut html = String::from("<tr>");
    for (at, cell) in line.iter().enumerate() {
        let class = if ours.contains(&at) { " class=\"ours\"" } else { "" };
        html += &format!("<{tag}{class}>{}</{tag}>", escape(cell.as_ref()));
    }
    html + "</tr>\n"
}
