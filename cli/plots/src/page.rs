//! The page, and what it is made of besides plots.

const STYLE: &str = "
:root { color-scheme: light dark; --fg: #1d2329; --bg: #fff; --soft: #667079; --line: #d8dde2; --bar: #9aa7b4; --ours: #0b74c9;
  --s0: #0b74c9; --s1: #c4570b; --s2: #0f8a5f; --s3: #a3408f; --s4: #8a6d00; --s5: #5b6873; }
@media (prefers-color-scheme: dark) {
  :root { --fg: #e4e8ec; --bg: #14181c; --soft: #98a3ad; --line: #333a41; --bar: #5b6873; --ours: #4ba3ee;
    --s0: #4ba3ee; --s1: #f0904a; --s2: #4cc38a; --s3: #d98acb; --s4: #d9b949; --s5: #98a3ad; }
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
svg text.tick { fill: var(--soft); font-size: 11px; } svg text.mid { text-anchor: middle; }
svg .grid { stroke: var(--line); } svg .series { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); } .s3 { stroke: var(--s3); } .s4 { stroke: var(--s4); } .s5 { stroke: var(--s5); }
svg .bar.s0 { fill: var(--s0); } svg .bar.s1 { fill: var(--s1); } svg .bar.s2 { fill: var(--s2); } svg .bar.s3 { fill: var(--s3); }
svg .bar.s4 { fill: var(--s4); } svg .bar.s5 { fill: var(--s5); } svg .bar { stroke: none; }
.plots { display: flex; flex-wrap: wrap; gap: .4rem 2rem; } .plots figure { margin: .4rem 0; flex: 0 1 38rem; min-width: 0; }
figcaption { color: var(--soft); }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; } .key svg { display: inline-block; vertical-align: middle; }
summary { cursor: pointer; color: var(--soft); }
";

/// Text that cannot be taken for markup.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A whole page: its title, as text, and what is in it, as HTML.
#[must_use]
pub fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n{body}</body></html>\n"
    )
}

/// A row of a table, from the texts of its cells (`tag` is `th` or `td`); those at `strong` stand out.
#[must_use]
pub fn row<T: AsRef<str>>(tag: &str, cells: &[T], strong: &[usize]) -> String {
    let mut html = String::from("<tr>");
    for (at, cell) in cells.iter().enumerate() {
        let class = if strong.contains(&at) { " class=\"ours\"" } else { "" };
        html += &format!("<{tag}{class}>{}</{tag}>", escape(cell.as_ref()));
    }
    html + "</tr>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_the_page_needs_nothing_else() {
        let page = page("a<b", &row("td", &["<x>", "y&z"], &[1]));
        assert!(page.contains("<h1>a&lt;b</h1>"), "{page}");
        assert!(page.contains("<tr><td>&lt;x&gt;</td><td class=\"ours\">y&amp;z</td></tr>"), "{page}");
        assert!(!page.contains("http") && !page.contains("<script") && !page.contains("@import"));
    }
}
