//! Bars as inline SVG: medians, with a whisker from the smallest to the largest figure.

use super::html::escape;

const NAME_WIDTH: f64 = 120.0;
const BAR_WIDTH: f64 = 420.0;
const FIGURE_WIDTH: f64 = 110.0;
const LINE: f64 = 22.0;
const BAR: f64 = 14.0;

/// One bar.
pub(super) struct Bar {
    pub(super) name: &'static str,
    pub(super) ours: bool,
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) label: String,
}

/// The picture of some bars; they share a scale that begins at 0.
pub(super) fn bars(bars: &[Bar]) -> String {
    let most = bars.iter().map(|bar| bar.max).fold(f64::MIN_POSITIVE, f64::max);
    let (width, height) = (NAME_WIDTH + BAR_WIDTH + FIGURE_WIDTH, LINE * bars.len() as f64 + 4.0);
    let mut svg =
        format!("<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">");
    for (at, bar) in bars.iter().enumerate() {
        let top = 2.0 + LINE * at as f64;
        let middle = top + LINE / 2.0;
        let x = |value: f64| NAME_WIDTH + BAR_WIDTH * value / most;
        let class = if bar.ours { "bar ours" } else { "bar" };
        svg += &format!(
            "<text class=\"name\" x=\"{:.1}\" y=\"{middle:.1}\">{}</text>\
             <rect class=\"{class}\" x=\"{NAME_WIDTH}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>",
            NAME_WIDTH - 6.0,
            escape(bar.name),
            middle - BAR / 2.0,
            x(bar.median) - NAME_WIDTH,
        );
        if bar.max > bar.min {
            svg += &format!(
                "<path class=\"whisker\" d=\"M{0:.1} {middle:.1}H{1:.1}M{0:.1} {2:.1}v6M{1:.1} {2:.1}v6\"/>",
                x(bar.min),
                x(bar.max),
                middle - 3.0,
            );
        }
        svg +=
            &format!("<text x=\"{:.1}\" y=\"{middle:.1}\">{}</text>", x(bar.max) + 6.0, escape(&bar.label));
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_spread_has_a_whisker() {
        let bar =
            |name, median: f64, max| Bar { name, ours: false, median, min: median, max, label: "1<2".into() };
        let svg = bars(&[bar("a", 10.0, 10.0), bar("b", 5.0, 6.0)]);
        assert!(svg.contains("width=\"420.0\"") && svg.contains("width=\"210.0\""), "{svg}");
        assert_eq!(svg.matches("whisker").count(), 1);
        assert!(svg.contains("1&lt;2") && !svg.contains("1<2"));
    }
}
