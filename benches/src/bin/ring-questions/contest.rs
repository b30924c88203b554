//! Contests: rounds in which every contender has a turn.

use std::cell::Cell;
use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::Result;
use crate::args::Args;
use crate::crew::Sample;
use crate::place::Place;
use crate::report::Table;
use crate::stats::Spread;

/// Part of a contest's time that is spent in turns; the rest is for rings that are made and threads that start.
const TURNS: f64 = 0.85;
/// Each contender warms up for so much of a turn, before the first round.
const WARM_UP: f64 = 0.5;

/// What a question works with: a place, and how much time there is.
pub(crate) struct Bench {
    pub(crate) place: Place,
    rounds: usize,
    pub(crate) seconds: f64,
    draws: bool,
    drawn: Cell<bool>,
}

/// One way to do the work.
pub(crate) struct Contender<'a> {
    pub(crate) name: String,
    turn: Box<dyn FnMut(Duration) -> Result<Sample> + 'a>,
}

impl<'a> Contender<'a> {
    /// `turn` works for about the time it is given.
    pub(crate) fn new(name: impl Into<String>, turn: impl FnMut(Duration) -> Result<Sample> + 'a) -> Self {
        Self { name: name.into(), turn: Box::new(turn) }
    }
}

impl Bench {
    pub(crate) fn new(place: Place, args: &Args) -> Self {
        let draws = stderr().is_terminal();
        Self { place, rounds: args.rounds(), seconds: args.seconds(), draws, drawn: Cell::new(false) }
    }

    /// Lets the contenders take turns, for `share` of the question's time. `unit` is what a turn counts, in the plural.
    pub(crate) fn hold(
        &self,
        title: impl Into<String>,
        unit: &'static str,
        share: f64,
        mut contenders: Vec<Contender<'_>>,
    ) -> Result<Table> {
        let title = title.into();
        let turns = contenders.len() as f64 * (self.rounds as f64 + WARM_UP);
        let slot = self.seconds * share * TURNS / turns;
        for contender in &mut contenders {
            self.progress(&format!("{title}: warming up, {}", contender.name));
            (contender.turn)(Duration::from_secs_f64(slot * WARM_UP))?;
        }
        let mut samples: Vec<Vec<Sample>> = contenders.iter().map(|_| Vec::new()).collect();
        for round in 1..=self.rounds {
            for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
                self.progress(&format!("{title}: round {round} of {}, {}", self.rounds, contender.name));
                samples.push((contender.turn)(Duration::from_secs_f64(slot))?);
            }
        }
        let names = contenders.into_iter().map(|c| c.name);
        Ok(table(title, unit, names.zip(samples).collect()))
    }

    /// Says on a terminal what is being done.
    pub(crate) fn progress(&self, text: &str) {
        if self.draws {
            self.drawn.set(true);
            let text: String = text.chars().take(100).collect();
            let _ = write!(stderr(), "\r{text}\x1b[K");
        }
    }

    /// Removes what was said.
    pub(crate) fn clear_progress(&self) {
        if self.drawn.replace(false) {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// Operations a second of one turn.
fn rate(sample: &Sample) -> f64 {
    sample.ops as f64 * 1e9 / sample.ns.max(1) as f64
}

/// The figures of all contenders, each over its rounds. Ratios are taken round by round: what drifts between rounds is not in them.
fn table(title: String, unit: &'static str, results: Vec<(String, Vec<Sample>)>) -> Table {
    let one = unit.trim_end_matches('s');
    let columns = [
        format!("{unit}/s"),
        "min-max".into(),
        "x first".into(),
        "min-max".into(),
        "p50 us".into(),
        "p99 us".into(),
        format!("enters/{one}"),
        format!("SQEs/{one}"),
    ];
    let mut table = Table { title, columns: columns.to_vec(), ..Table::default() };
    let extras = results.iter().flat_map(|(_, s)| s).map(|s| &s.extra).max_by_key(|e| e.len());
    let extras: Vec<&'static str> = extras.map_or(Vec::new(), |e| e.iter().map(|(name, _)| *name).collect());
    table.columns.extend(extras.iter().map(ToString::to_string));
    let firsts: Vec<f64> = results.first().map_or(Vec::new(), |(_, s)| s.iter().map(rate).collect());
    for (name, samples) in results {
        let over = |figure: &dyn Fn(&Sample) -> f64| Spread::of(samples.iter().map(figure));
        let per_op = |count: u64, s: &Sample| count as f64 / s.ops.max(1) as f64;
        let rates = over(&rate);
        let ratio = Spread::of(samples.iter().zip(&firsts).map(|(s, first)| rate(s) / first.max(1e-9)));
        let quantile = |q: f64| over(&|s| s.latency.value_at_quantile(q) as f64 / 1000.0);
        let (p50, p99) = (quantile(0.5), quantile(0.99));
        let enters = over(&|s| per_op(s.counts.enters, s));
        let sqes = over(&|s| per_op(s.counts.sqes, s));
        let mut cells = vec![
            format!("{:.0}", rates.median),
            format!("{:.0}-{:.0}", rates.min, rates.max),
            format!("{:.2}", ratio.median),
            format!("{:.2}-{:.2}", ratio.min, ratio.max),
            format!("{:.0}", p50.median),
            format!("{:.0}", p99.median),
            format!("{:.3}", enters.median),
            format!("{:.3}", sqes.median),
        ];
        for extra in &extras {
            let of = |s: &Sample| s.extra.iter().find(|(name, _)| name == extra).map(|(_, value)| *value);
            let known: Vec<f64> = samples.iter().filter_map(of).collect();
            let shown = format!("{:.1}", Spread::of(known.iter().copied()).median);
            cells.push(if known.is_empty() { "-".into() } else { shown });
        }
        let spread = |s: Spread| json!({ "median": s.median, "min": s.min, "max": s.max });
        let json = json!({
            "name": name, "unit": unit, "per_second": spread(rates), "times_first": spread(ratio),
            "p50_us": spread(p50), "p99_us": spread(p99),
            "enters_per_op": spread(enters), "sqes_per_op": spread(sqes),
            "rounds": samples.iter().map(round).collect::<Vec<Value>>(),
        });
        table.rows.push((name, cells, json));
    }
    table
}

/// One turn, with everything that the disk counted.
fn round(s: &Sample) -> Value {
    let counts: Map<String, Value> = s.counts.iter().map(|(k, v)| (k.to_string(), json!(v))).collect();
    let extra: Map<String, Value> = s.extra.iter().map(|(k, v)| ((*k).to_string(), json!(v))).collect();
    json!({
        "ops": s.ops, "seconds": s.ns as f64 / 1e9, "per_second": rate(s),
        "p50_us": s.latency.value_at_quantile(0.5) as f64 / 1e3,
        "p99_us": s.latency.value_at_quantile(0.99) as f64 / 1e3,
        "max_us": s.latency.max() as f64 / 1e3,
        "counts": counts, "extra": extra,
    })
}
