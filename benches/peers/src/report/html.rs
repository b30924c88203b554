//! The report as one HTML page that needs nothing else.

use ringwood_plots::{Bar, bars, escape, row as cells};

use super::cells::{DETAILS, RATIOS};
use super::{Report, number};
use crate::engines::OURS;
use crate::parent::DISK;
use crate::rows::{Group, Row, Unit};

impl Report<'_> {
    /// The page.
    pub(crate) fn html(&self) -> String {
        let mut page = self.overview_html();
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
        ringwood_plots::page("Ringwood and its peers", &page)
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
            let label = number::value(row.unit(), median);
            Some(Bar { name, ours: name == OURS, series: None, median, min, max, label })
        };
        let all: Vec<Bar<'_>> = engines.iter().filter_map(|name| bar(name)).collect();
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
