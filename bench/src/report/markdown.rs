//! docs/performance.md, written whole by each run that is told to.

use std::fmt::Write;

use super::{
    machine::{machine, today},
    table::{figure, verdict},
};
use crate::{
    results::{Results, Series, Setting},
    stats::Spread,
};

const HEAD: &str = "\
| measure | ours | beside it | ratio: min, median, max | n | goal |
|---|---|---|---|---|---|
";

/// `command` is what the figures came out of.
pub(crate) fn markdown(results: &Results, command: &str) -> String {
    let mut text = format!(
        "# Performance\n\nWritten by `{command}` on {}; {}. Each row was measured in turn with what stands\nbeside it, \
         in one run; ratios are taken pair by pair. Through both hops: runner, gateway, WebSocket.\n\n\
         ![Bulk, in MB/s](performance/bulk.svg)\n\n![Latency, in microseconds](performance/latency.svg)\n\n",
        today(),
        machine(),
    );
    for (setting, title) in
        [(Setting::Free, ""), (Setting::OneCpu, "\n## Runner and command held to one processor together\n\n")]
    {
        let rows: Vec<_> = results.in_order().filter(|series| series.setting == setting).map(row).collect();
        if !rows.is_empty() {
            write!(text, "{title}{HEAD}{}", rows.concat()).expect("writing to a string cannot fail");
        }
    }
    text.push_str("\nThe floors below which CI fails are in [specification.md](specification.md).\n");
    text
}

fn row(series: &Series) -> String {
    let (entry, ours) = (series.entry, Spread::of(&series.ours));
    let value = |value: f64| format!("{} {}", figure(value), entry.unit);
    let beside = match entry.beside {
        Some(name) => format!("{}, {name}", value(Spread::of(&series.beside).median)),
        None => String::new(),
    };
    let (ratios, n) = match series.ratios() {
        Some(Spread { min, median, max, n }) => (format!("{}, {}, {}", figure(min), figure(median), figure(max)), n),
        None => (format!("{} to {} {}", figure(ours.min), figure(ours.max), entry.unit), ours.n),
    };
    let goal = entry.goal.map(|goal| verdict(goal, series.figure())).unwrap_or_default();
    format!("| {} (`{}`) | {} | {beside} | {ratios} | {n} | {goal} |\n", entry.title, series.name(), value(ours.median))
}
