//! Lines over a grid, and strips under it that say when something went on.

use crate::{SERIES, Scale, escape};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 26.0;
const STRIP_HEIGHT: f64 = 16.0;
/// What is shorter would not be seen.
const SPAN_WIDTH_MIN: f64 = 1.0;
/// Ticks nearer to each other lose their text.
const TICK_WIDTH: f64 = 40.0;

/// One line.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// What it is of: shown where the pointer rests on it.
    pub name: &'a str,
    /// Its colour.
    pub series: usize,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Stretches of the horizontal axis in which something went on.
#[derive(Debug, Clone)]
pub struct Strip<'a> {
    /// What went on: written before the strip.
    pub name: &'a str,
    /// Its colour.
    pub series: usize,
    /// From where to where, from left to right.
    pub spans: Vec<(f64, f64)>,
}

/// The picture of some lines, as SVG: those given first lie on top. Strips lie below each other under the axis.
#[must_use]
pub fn lines(lines: &[Line<'_>], strips: &[Strip<'_>], x: &Scale, y: &Scale) -> String {
    let height = HEIGHT + strips.len() as f64 * STRIP_HEIGHT;
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let across = |value: f64| LEFT + value * (right - LEFT);
    let up = |value: f64| bottom - value * (bottom - TOP);
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">");
    for (at, text) in y.ticks() {
        let y = up(at);
        svg += &format!(
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text class=\"tick name\" x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            LEFT - 8.0,
            escape(text)
        );
    }
    let mut free = f64::NEG_INFINITY;
    for (at, text) in x.ticks() {
        let x = across(at);
        svg += &format!("<path class=\"grid\" d=\"M{x:.1} {bottom}v4\"/>");
        if x >= free {
            svg += &format!(
                "<text class=\"tick mid\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                bottom + 15.0,
                escape(text)
            );
            free = x + TICK_WIDTH;
        }
    }
    for line in lines.iter().rev().filter(|line| !line.points.is_empty()) {
        let mut path = String::new();
        for (i, (px, py)) in line.points.iter().enumerate() {
            let step = if i == 0 { 'M' } else { 'L' };
            path += &format!("{step}{:.1} {:.1}", across(x.place(*px)), up(y.place(*py)));
        }
        if line.points.len() == 1 {
            // A line of no length is drawn as a dot by its round ends.
            path += "h0.1";
        }
        svg += &format!(
            "<path class=\"series s{}\" stroke-linecap=\"round\" d=\"{path}\"><title>{}</title></path>",
            line.series % SERIES,
            escape(line.name)
        );
    }
    for (row, strip) in strips.iter().enumerate() {
        let top = HEIGHT + row as f64 * STRIP_HEIGHT;
        svg += &format!(
            "<text class=\"tick name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            top + STRIP_HEIGHT / 2.0,
            escape(strip.name)
        );
        for (from, to) in &strip.spans {
            let (from, to) = (across(x.place(*from)), across(x.place(*to)));
            svg += &format!(
                "<rect class=\"bar s{}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                strip.series % SERIES,
                top + 3.0,
                (to - from).max(SPAN_WIDTH_MIN),
                STRIP_HEIGHT - 6.0
            );
        }
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lie_between_their_scales() {
        let text = |v: f64| v.to_string();
        let (x, y) = (Scale::linear(10.0, text), Scale::linear(100.0, text));
        let line = |name, series, points| Line { name, series, points };
        let svg = lines(
            &[line("a<b", 0, vec![(0.0, 0.0), (10.0, 100.0)]), line("dot", 7, vec![(5.0, 50.0)])],
            &[],
            &x,
            &y,
        );
        assert!(
            svg.contains("class=\"series s0\" stroke-linecap=\"round\" d=\"M72.0 214.0L564.0 10.0\""),
            "{svg}"
        );
        assert!(svg.contains("series s1\" stroke-linecap=\"round\" d=\"M318.0 112.0h0.1\""), "{svg}");
        assert!(svg.contains("<title>a&lt;b</title>") && !svg.contains("a<b"));
        assert!(svg.find("dot").unwrap() < svg.find("a&lt;b").unwrap(), "the first lies on top");
        let empty = lines(&[line("none", 0, vec![])], &[], &x, &y);
        assert!(!empty.contains("none") && empty.contains("viewBox=\"0 0 600 240\""));
    }

    #[test]
    fn strips_lie_under_the_axis() {
        let text = |v: f64| v.to_string();
        let (x, y) = (Scale::linear(10.0, text), Scale::linear(1.0, text));
        let strip = |name, spans| Strip { name, series: 1, spans };
        let svg = lines(&[], &[strip("one", vec![(0.0, 5.0), (7.0, 7.0)]), strip("<two>", vec![])], &x, &y);
        assert!(svg.contains("viewBox=\"0 0 600 272\""), "{svg}");
        assert!(
            svg.contains("<rect class=\"bar s1\" x=\"72.0\" y=\"243.0\" width=\"246.0\" height=\"10.0\"/>"),
            "{svg}"
        );
        assert!(svg.contains("x=\"416.4\" y=\"243.0\" width=\"1.0\""), "{svg}");
        assert!(svg.contains(">one</text>") && svg.contains("y=\"264.0\">&lt;two&gt;</text>"), "{svg}");
    }
}
