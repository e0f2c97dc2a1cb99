//! Bars with whiskers, as SVG that reads in light and in dark.

use std::fmt::Write;

use super::table::figure;
use crate::{
    results::{Results, Series, Setting},
    stats::Spread,
};

const WIDTH: f64 = 820.0;
const LABELS: f64 = 310.0;
const PLOT: f64 = 440.0;
const TOP: f64 = 62.0;
const BAR: f64 = 13.0;
const GROUP: f64 = 44.0;
const STYLE: &str = "<style>text{font:13px system-ui,sans-serif;fill:#1f2328}.dim{fill:#59636e;font-size:12px}\
.title{font-size:15px;font-weight:600}.grid{stroke:#d1d9e0;stroke-width:1}.ours{fill:#1a7f64}.beside{fill:#a3b1bf}\
.whisker{stroke:#1f2328;stroke-width:1.3;fill:none}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}\
.grid{stroke:#31373f}.ours{fill:#3fb68b}.beside{fill:#5c6875}.whisker{stroke:#e6edf3}}</style>";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// From 0 to the greatest value.
    Linear { max: f64 },
    /// From one power of ten to another.
    Log { low: i32, high: i32 },
}

/// One measure's two bars; whiskers go from the least to the greatest value.
struct Group {
    label: String,
    note: String,
    ours: Spread,
    beside: Option<Spread>,
}

/// The rates of bulk.
pub(crate) fn bulk(results: &Results) -> String {
    let groups = groups(results, 1.0, |series| series.entry.unit == "MB/s" && !series.beside.is_empty());
    let scale = Scale::linear(&groups);
    chart("Bulk through both hops, MB/s: longer is better", &groups, scale)
}

/// What people wait for, in milliseconds.
pub(crate) fn latency(results: &Results) -> String {
    let mut all = groups(results, 1e-3, |series| series.entry.unit == "us");
    all.extend(groups(results, 1.0, |series| series.entry.unit == "ms"));
    let scale = Scale::log(&all);
    chart("Latency, milliseconds, each mark ten times the one before: shorter is better", &all, scale)
}

fn groups(results: &Results, factor: f64, pick: impl Fn(&Series) -> bool) -> Vec<Group> {
    let spread = |values: &[f64]| Spread::of(&values.iter().map(|value| value * factor).collect::<Vec<_>>());
    let group = |series: &Series| Group {
        label: label(series),
        note: series.entry.beside.map(|beside| format!("and {beside}")).unwrap_or_default(),
        ours: spread(&series.ours),
        beside: (!series.beside.is_empty()).then(|| spread(&series.beside)),
    };
    results.in_order().filter(|series| pick(series)).map(group).collect()
}

/// Without the marks of code, which an image does not know.
fn label(series: &Series) -> String {
    let held = if series.setting == Setting::OneCpu { ", one processor" } else { "" };
    format!("{}{held}", series.entry.title.replace('`', ""))
}

fn spreads(groups: &[Group]) -> impl Iterator<Item = Spread> {
    groups.iter().flat_map(|group| std::iter::once(group.ours).chain(group.beside))
}

impl Scale {
    fn linear(groups: &[Group]) -> Scale {
        Scale::Linear { max: spreads(groups).map(|spread| spread.max).fold(1.0, f64::max) }
    }

    fn log(groups: &[Group]) -> Scale {
        #[expect(clippy::cast_possible_truncation, reason = "the power of a duration is a small number")]
        let power = |value: f64| value.log10().floor() as i32;
        let low = spreads(groups).map(|spread| power(spread.min)).min().unwrap_or(0);
        let high = spreads(groups).map(|spread| power(spread.max) + 1).max().unwrap_or(1);
        Scale::Log { low, high }
    }

    /// How far along the axis a value lies, from 0 to 1.
    fn place(self, value: f64) -> f64 {
        match self {
            Scale::Linear { max } => value / max,
            Scale::Log { low, high } => (value.log10() - f64::from(low)) / f64::from(high - low),
        }
    }

    /// Round values along the axis.
    fn ticks(self) -> Vec<f64> {
        match self {
            Scale::Linear { max } => {
                let power = 10_f64.powf((max / 5.0).log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| max / step <= 6.0);
                let step = step.unwrap_or(max);
                (0..=6).map(|tick| f64::from(tick) * step).filter(|tick| *tick <= max).collect()
            }
            Scale::Log { low, high } => (low..=high).map(|power| 10_f64.powi(power)).collect(),
        }
    }
}

fn chart(title: &str, groups: &[Group], scale: Scale) -> String {
    let height = TOP + GROUP * groups.len() as f64 + 30.0;
    let mut body = String::new();
    axis(&mut body, scale, height - 30.0);
    for (number, group) in groups.iter().enumerate() {
        draw(&mut body, group, scale, TOP + GROUP * number as f64);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">{STYLE}<text class=\"title\" x=\"12\" y=\"24\">{title}\
         </text><rect class=\"ours\" x=\"12\" y=\"37\" width=\"12\" height=\"12\"/><text class=\"dim\" x=\"30\" y=\"48\">\
         Podling</text><rect class=\"beside\" x=\"92\" y=\"37\" width=\"12\" height=\"12\"/><text class=\"dim\" x=\"110\" \
         y=\"48\">beside it; whiskers from least to greatest</text>{body}</svg>\n"
    )
}

fn axis(out: &mut String, scale: Scale, bottom: f64) {
    for tick in scale.ticks() {
        let x = LABELS + PLOT * scale.place(tick);
        write!(
            out,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/><text class=\"dim\" \
             text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            bottom + 17.0,
            tick,
        )
        .expect("writing to a string cannot fail");
    }
}

fn draw(out: &mut String, group: &Group, scale: Scale, top: f64) {
    let right = LABELS - 12.0;
    write!(
        out,
        "<text text-anchor=\"end\" x=\"{right}\" y=\"{:.1}\">{}</text><text class=\"dim\" text-anchor=\"end\" \
         x=\"{right}\" y=\"{:.1}\">{}</text>",
        top + 17.0,
        group.label,
        top + 32.0,
        group.note,
    )
    .expect("writing to a string cannot fail");
    bar(out, "ours", group.ours, scale, top + 6.0);
    if let Some(beside) = group.beside {
        bar(out, "beside", beside, scale, top + 8.0 + BAR);
    }
}

fn bar(out: &mut String, class: &str, spread: Spread, scale: Scale, top: f64) {
    let along = |value: f64| LABELS + PLOT * scale.place(value).clamp(0.0, 1.0);
    let (low, end, high, middle) = (along(spread.min), along(spread.median), along(spread.max), top + BAR / 2.0);
    write!(
        out,
        "<rect class=\"{class}\" x=\"{LABELS}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>\
         <path class=\"whisker\" d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {:.1}v6M{high:.1} {:.1}v6\"/>\
         <text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        end - LABELS,
        middle - 3.0,
        middle - 3.0,
        high.max(end) + 8.0,
        middle + 4.0,
        figure(spread.median),
    )
    .expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(Scale::Linear { max: 107.0 }.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(Scale::Log { low: -1, high: 2 }.ticks(), [0.1, 1.0, 10.0, 100.0]);
    }

    #[test]
    fn a_logarithmic_scale_gives_each_power_the_same_room() {
        let scale = Scale::Log { low: -2, high: 2 };
        assert!((scale.place(1.0) - 0.5).abs() < 1e-9 && (scale.place(10.0) - 0.75).abs() < 1e-9);
    }

    #[test]
    fn a_chart_shows_each_measure_with_both_sides() {
        let mut results = Results::default();
        results.pair("bulk-text-live", Setting::Free, 50.0, 60.0);
        let chart = bulk(&results);
        assert!(chart.contains("text, live") && chart.contains(">50<") && chart.contains(">60<"));
        assert!(!latency(&results).contains("text, live"));
    }
}
