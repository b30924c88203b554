//! The tree of a keyspace in the terminal.

use ringwood::tools::{KeyspaceTree, TableInfo};

use super::axis::Axis;
use super::{overlaps, shorten};
use crate::escape::escape;
use crate::size::show_size;
use crate::terminal::paint;

/// Columns before the picture, and the most of it.
const LEFT: usize = 52;
const MAX: usize = 120;
/// Lines of level 0 that are drawn.
const ROWS_MAX: usize = 12;

/// Lines of the picture.
pub(super) fn draw(keyspace: &KeyspaceTree, width: usize, colour: bool) -> Vec<String> {
    let title = format!("keyspace {}", escape(keyspace.name.as_bytes()));
    let mut lines = vec![String::new(), paint(colour, "1", &title)];
    let axis = Axis::of(keyspace);
    let Some((first, last)) = axis.ends() else {
        lines.push("  no tables: all there is, if anything, is in the log".into());
        return lines;
    };
    let columns = width.saturating_sub(LEFT + 1).clamp(20, MAX);
    let head = "  level  tables       size     entries  tombstones  ";
    let (first, last) = (shorten(first), shorten(last));
    let gap = columns.saturating_sub(first.chars().count() + last.chars().count()).max(1);
    lines.push(format!("{head}{first}{}{last}", " ".repeat(gap)));
    for (level, tables) in keyspace.levels.iter().enumerate().filter(|(_, tables)| !tables.is_empty()) {
        let sum = |f: fn(&TableInfo) -> u64| tables.iter().map(f).sum::<u64>();
        let figures = format!(
            "  {level:>5} {:>7} {:>10} {:>11} {:>11}  ",
            tables.len(),
            show_size(sum(|t| t.bytes) as f64),
            sum(|t| t.entries),
            sum(|t| t.tombstones)
        );
        // Tables of level 0 may overlap: a line each. A deeper level is one line.
        let rows: Vec<Vec<&TableInfo>> = match level {
            0 => tables.iter().map(|t| vec![t]).collect(),
            _ => vec![tables.iter().collect()],
        };
        for (i, row) in rows.iter().take(ROWS_MAX).enumerate() {
            let left = if i == 0 { figures.clone() } else { " ".repeat(LEFT - 1) };
            lines.push(format!("{left}{}", paint(colour, hue(level), &bar(&axis, row, columns))));
        }
        if rows.len() > ROWS_MAX {
            lines.push(format!("{}… and {} more", " ".repeat(LEFT - 1), rows.len() - ROWS_MAX));
        }
    }
    let all: usize = keyspace
        .levels
        .iter()
        .enumerate()
        .map(|(level, tables)| tables.iter().map(|t| overlaps(keyspace, level, t)).sum::<usize>())
        .sum();
    lines.push(format!("  overlaps between tables: {all}"));
    lines
}

/// Tables side by side, two shades in turn.
fn bar(axis: &Axis<'_>, tables: &[&TableInfo], columns: usize) -> String {
    let mut cells = vec![' '; columns];
    for (i, table) in tables.iter().enumerate() {
        let (from, to) = axis.span(table);
        let from = ((from * columns as f64) as usize).min(columns - 1);
        let to = ((to * columns as f64).ceil() as usize).clamp(from + 1, columns);
        cells[from..to].fill(if i % 2 == 0 { '█' } else { '▓' });
    }
    cells.into_iter().collect::<String>().trim_end().to_owned()
}

fn hue(level: usize) -> &'static str {
    ["33", "36", "32", "34", "35", "31", "37"][level % 7]
}
