//! The report as text: an overview with ratios, then the details of each cell.

use super::cells::{DETAILS, RATIOS};
use super::{Report, number};
use crate::parent::DISK;
use crate::rows::Group;

impl Report<'_> {
    /// All of it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut facts = |title: &str, facts: &[(String, String)]| {
            text += &format!("{title}\n");
            for (name, value) in facts {
                text += &format!("  {name:<20} {value}\n");
            }
            text.push('\n');
        };
        facts("machine", &self.machine);
        facts("settings", &self.settings);
        facts("engines", &self.versions());
        text += &self.disk_text();
        text += &self.overview_text();
        text += &self.details_text();
        let notes = self.notes();
        if !notes.is_empty() {
            text += "notes\n";
            notes.iter().for_each(|note| text += &format!("  {note}\n"));
        }
        text
    }

    /// Engines with their versions and settings.
    pub(super) fn versions(&self) -> Vec<(String, String)> {
        let engines = self.plan.columns.iter().filter_map(|column| Some((column.name, column.engine?)));
        let mut versions = Vec::new();
        for (name, engine) in engines {
            versions.push((name.to_string(), engine.version()));
            versions
                .extend(engine.settings().into_iter().map(|setting| (String::new(), setting.to_string())));
        }
        versions
    }

    fn disk_text(&self) -> String {
        let mut lines =
            vec![["bare disk", "median", "min", "max", "p50", "p99", "p99.9"].map(str::to_string).to_vec()];
        for row in self.plan.rows_of(Group::Disk) {
            let Some(details) = self.details(row, DISK) else { continue };
            lines.push([row.name.to_string()].into_iter().chain(details.into_iter().take(6)).collect());
        }
        if lines.len() == 1 { String::new() } else { aligned(&lines) + "\n" }
    }

    fn overview_text(&self) -> String {
        let mut lines = vec![];
        let names = self.engine_names().chain(RATIOS).map(str::to_string);
        lines.push([String::from("median a second")].into_iter().chain(names).collect::<Vec<_>>());
        for (group, rows) in self.groups().filter(|(group, _)| *group != Group::Disk) {
            lines.push(vec![format!("{}: {}", group.name(), group.about())]);
            for row in rows {
                let figures = self.engine_names().map(|name| self.overview(row, name));
                let name = format!("  {}", row.name);
                lines.push([name].into_iter().chain(figures).chain(self.ratios(row)).collect());
            }
        }
        if lines.len() == 1 { String::new() } else { aligned(&lines) + "\n" }
    }

    fn details_text(&self) -> String {
        let mut lines = vec![];
        let names = ["details", ""].into_iter().chain(DETAILS).map(str::to_string);
        lines.push(names.collect::<Vec<_>>());
        for (_, rows) in self.groups().filter(|(group, _)| *group != Group::Disk) {
            for row in rows {
                let mut name = row.name.to_string();
                for engine in self.engine_names() {
                    let Some(details) = self.details(row, engine) else { continue };
                    let head = [std::mem::take(&mut name), engine.to_string()];
                    lines.push(head.into_iter().chain(details).collect());
                }
            }
        }
        if lines.len() == 1 { String::new() } else { aligned(&lines) + "\n" }
    }

    /// The slowest second of a fill, where one was long enough.
    pub(super) fn slowest_second(&self, row: &crate::rows::Row, engine: &'static str) -> Option<String> {
        let rounds = &self.cell(row, engine)?.rounds;
        let slowest = rounds.iter().filter_map(|measure| measure.slowest_second).min()?;
        Some(number::short(slowest as f64))
    }
}

/// Lines with their cells under one another: the first to the left, the others to the right. A line of one cell is a title.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter(|line| line.len() > 1).filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut out = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = if line.len() == 1 { 0 } else { widths[column] };
            match column {
                0 => out += &format!("{cell:<width$}"),
                _ => out += &format!("  {cell:>width$}"),
            }
        }
        text += out.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn cells_stand_under_one_another() {
        let line = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let text =
            aligned(&[line(&["row", "a", "b"]), line(&["a long title of a group"]), line(&["x", "12×", ""])]);
        assert_eq!(text, "row    a  b\na long title of a group\nx    12×\n");
    }
}
