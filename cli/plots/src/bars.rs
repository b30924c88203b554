//! Bars as inline SVG: medians, with a whisker from the smallest to the largest figure.

use crate::{SERIES, escape};

const NAME_WIDTH: f64 = 170.0;
const BAR_WIDTH: f64 = 380.0;
const FIGURE_WIDTH: f64 = 110.0;
const LINE: f64 = 22.0;
const BAR: f64 = 14.0;

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar<'a> {
    /// What stands before it.
    pub name: &'a str,
    /// Whether it is the one that the picture is about.
    pub ours: bool,
    /// Its colour, if it is one of a series.
    pub series: Option<usize>,
    /// Its length.
    pub median: f64,
    /// Where its whisker begins.
    pub min: f64,
    /// Where its whisker ends.
    pub max: f64,
    /// What stands behind it.
    pub label: String,
}

/// The picture of some bars, as SVG; they share a scale that begins at 0.
#[must_use]
pub fn bars(bars: &[Bar<'_>]) -> String {
    let most = bars.iter().map(|bar| bar.max).fold(f64::MIN_POSITIVE, f64::max);
    let (width, height) = (NAME_WIDTH + BAR_WIDTH + FIGURE_WIDTH, LINE * bars.len() as f64 + 4.0);
    let mut svg =
        format!("<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">");
    for (at, bar) in bars.iter().enumerate() {
        let top = 2.0 + LINE * at as f64;
        let middle = top + LINE / 2.0;
        let x = |value: f64| NAME_WIDTH + BAR_WIDTH * value / most;
        let mut class = String::from(if bar.ours { "bar ours" } else { "bar" });
        if let Some(series) = bar.series {
            class += &format!(" s{}", series % SERIES);
        }
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
        let bar = |name, median: f64, max| Bar {
            name,
            ours: false,
            series: Some(7),
            median,
            min: median,
            max,
            label: "1<2".into(),
        };
        let svg = bars(&[bar("a", 10.0, 10.0), bar("b", 5.0, 6.0)]);
        assert!(svg.contains("width=\"380.0\"") && svg.contains("width=\"190.0\""), "{svg}");
        assert_eq!(svg.matches("whisker").count(), 1);
        assert_eq!(svg.matches("class=\"bar s1\"").count(), 2, "{svg}");
        assert!(svg.contains("1&lt;2") && !svg.contains("1<2"));
    }
}
