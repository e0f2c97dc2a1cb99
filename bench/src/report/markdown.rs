//! docs/performance.md and docs/replicas.md, each written whole by a run that is told to.

use super::{
    machine::{machine, today},
    table::{figure, verdict},
};
use crate::{
    catalogue::{Group, Page, groups},
    results::{Results, Series, Setting},
    stats::Spread,
};

const HEAD: &str = "\
| | Podling | beside it | ratio: min, median, max | n | goal |
|---|---|---|---|---|---|
";

const FLOORS: &str = "\nThe floors below which CI fails are in [specification.md](specification.md).\n";

/// `command` is what the figures came out of.
pub(crate) fn replicas(results: &Results, command: &str) -> String {
    format!(
        "# Replicas\n\nWritten by `{command}` on {}; {}.\n\n\
         Postgres, Redis, every service and all callers are processes side by side on that machine. One controller and one\n\
         gateway stand beside two of each, each set with a database of its own in one Postgres, and both beside what they\n\
         ask of Postgres and Redis, done by a program that does nothing else. All take turns in one run; figures are\n\
         medians, ratios are taken round by round, and n is how many there were. As all share the same processors, a second\n\
         replica has none of its own to add: the ratio of two to one is what it costs that there are two.\n{}{FLOORS}",
        today(),
        machine(),
        tables(results, Page::Replicas),
    )
}

fn tables(results: &Results, page: Page) -> String {
    let mut text = String::new();
    for group in groups(page) {
        let rows: String = series(results, group, Setting::Free).map(row).collect();
        if !rows.is_empty() {
            text.push_str(&format!("\n## {}\n\n{}\n\n{HEAD}{rows}", group.title, group.about));
        }
    }
    text
}

/// `command` is what the figures came out of.
pub(crate) fn markdown(results: &Results, command: &str) -> String {
    let mut text = format!(
        "# Performance\n\nWritten by `{command}` on {}; {}.\n\nEverything goes through both hops, runner and gateway, to a \
         WebSocket, with default settings and the emulator on.\nEach row was measured in turn with what stands beside it, in \
         one run; figures are medians, ratios are taken\npair by pair, and n is how many there were.\n\n\
         ![Bulk, in MB/s](performance/bulk.svg)\n\n![Latency, in milliseconds](performance/latency.svg)\n",
        today(),
        machine(),
    );
    text.push_str(&tables(results, Page::Terminal));
    let held: String =
        groups(Page::Terminal).flat_map(|group| series(results, group, Setting::OneCpu)).map(row).collect();
    if !held.is_empty() {
        text.push_str(&format!("\n## Runner and command held to one processor together\n\n{HELD}\n\n{HEAD}{held}"));
    }
    text.push('\n');
    text.push_str(LIMITS);
    text.push_str(FLOORS);
    text
}

/// What profiles have shown; written by hand, and anew when they show something else.
const LIMITS: &str = include_str!("limits.md");

/// For readers.
const HELD: &str = "The same once more, and the raw PTY's command and reader on one processor too; gateway and viewer \
                    have the others.";

fn series<'a>(results: &'a Results, group: &'a Group, setting: Setting) -> impl Iterator<Item = &'a Series> {
    results.in_order().filter(move |series| {
        series.setting == setting && group.entries.iter().any(|entry| entry.id == series.entry.id)
    })
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
        None if ours.n > 1 => (format!("{} to {} {}", figure(ours.min), figure(ours.max), entry.unit), ours.n),
        None => (String::new(), ours.n),
    };
    let goal = entry.goal.map(|goal| verdict(goal, series.figure())).unwrap_or_default();
    format!("| {} (`{}`) | {} | {beside} | {ratios} | {n} | {goal} |\n", entry.title, series.name(), value(ours.median))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measure_stands_under_its_heading_and_headings_without_measures_are_left_out() {
        let mut results = Results::default();
        results.pair("bulk-text-live", Setting::Free, 80.0, 100.0);
        results.pair("bulk-text-live", Setting::OneCpu, 40.0, 100.0);
        let page = markdown(&results, "the command");
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing in {page}"));
        assert!(at("## Bulk") < at("| 80 MB/s |") && at("| 80 MB/s |") < at("## Runner and command"));
        assert!(at("## Runner and command") < at("| 40 MB/s |"));
        assert!(at("| 40 MB/s |") < at("## Where a goal is missed"));
        assert!(!page.contains("## Scale"));
    }

    #[test]
    fn each_page_shows_its_own_measures() {
        let mut results = Results::default();
        results.pair("bulk-text-live", Setting::Free, 80.0, 100.0);
        results.pair("creates-one", Setting::Free, 500.0, 1_000.0);
        let page = replicas(&results, "the command");
        assert!(page.contains("## Creates") && page.contains("| 500 1/s |") && !page.contains("## Bulk"), "{page}");
        assert!(!markdown(&results, "the command").contains("## Creates"));
    }
}
