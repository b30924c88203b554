//! The tree as SVG: one file, no script, a tooltip a table.

use std::fmt::Write;

use ringwood::tools::StoreTree;

use super::axis::Axis;
use super::shorten;
use crate::escape::escape;
use crate::size::show_size;

const WIDTH: usize = 1000;
const LEFT: usize = 210;
const ROW: usize = 22;
const COLOURS: [&str; 7] = ["#c98a1b", "#2a9d8f", "#4c956c", "#3a6ea5", "#8e5ea2", "#c44536", "#6c757d"];

pub(super) fn draw(tree: &StoreTree) -> String {
    let mut body = String::new();
    let mut y = 36;
    for keyspace in &tree.keyspaces {
        let axis = Axis::of(keyspace);
        let _ = writeln!(body, r#"<text x="12" y="{y}" class="b">keyspace {}</text>"#, xml(&keyspace.name));
        if let Some((first, last)) = axis.ends() {
            let (first, last) = (xml(&shorten(first)), xml(&shorten(last)));
            let _ = writeln!(body, r#"<text x="{LEFT}" y="{y}">{first}</text>"#);
            let _ = writeln!(body, r#"<text x="{}" y="{y}" text-anchor="end">{last}</text>"#, WIDTH - 12);
        }
        y += 8;
        for (level, tables) in keyspace.levels.iter().enumerate().filter(|(_, t)| !t.is_empty()) {
            let bytes: u64 = tables.iter().map(|t| t.bytes).sum();
            let _ = writeln!(
                body,
                r#"<text x="12" y="{}">level {level}: {} tables, {}</text>"#,
                y + ROW - 6,
                tables.len(),
                show_size(bytes as f64)
            );
            for (i, table) in tables.iter().enumerate() {
                // Tables of level 0 may overlap: a row each.
                let row = if level == 0 { y + i * ROW } else { y };
                let (from, to) = axis.span(table);
                let x = LEFT as f64 + from * (WIDTH - 12 - LEFT) as f64;
                let width = ((to - from) * (WIDTH - 12 - LEFT) as f64 - 1.0).max(1.5);
                let title = format!(
                    "table {}: {}, {} entries, {} tombstones, {} to {}",
                    table.id,
                    show_size(table.bytes as f64),
                    table.entries,
                    table.tombstones,
                    escape(&table.smallest),
                    escape(&table.largest)
                );
                let _ = writeln!(
                    body,
                    r#"<rect x="{x:.1}" y="{}" width="{width:.1}" height="{}" rx="2" fill="{}"><title>{}</title></rect>"#,
                    row + 3,
                    ROW - 6,
                    COLOURS[level % COLOURS.len()],
                    xml(&title)
                );
            }
            y += ROW * if level == 0 { tables.len() } else { 1 };
        }
        y += 30;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" font-family=\"sans-serif\" font-size=\"12\">\n<style>.b{{font-weight:bold}}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"12\" y=\"16\">store {:016x}, manifest {}</text>\n{body}</svg>\n",
        tree.store_id, tree.manifest
    )
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
