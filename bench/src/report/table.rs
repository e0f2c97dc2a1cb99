//! The table for people.

use std::fmt::Write;

use crate::{
    catalogue::Bound,
    results::{Results, Series},
    stats::Spread,
};

/// One line a measure: ours, what stands beside it, the ratios, the goal.
pub(crate) fn table(results: &Results) -> String {
    let head =
        ["measure", "ours", "beside", "ratio (min median max, n)", "goal", "unit, against"].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(results.in_order().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..6).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            write!(text, "{cell:<width$}  ").expect("writing to a string cannot fail");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn row(series: &Series) -> Vec<String> {
    let entry = series.entry;
    let beside = if series.beside.is_empty() { String::new() } else { figure(Spread::of(&series.beside).median) };
    let ratios = match series.ratios() {
        Some(Spread { min, median, max, n }) => format!("{} {} {}, {n}", figure(min), figure(median), figure(max)),
        None => {
            let Spread { min, max, n, .. } = Spread::of(&series.ours);
            format!("- ({} to {}, {n})", figure(min), figure(max))
        }
    };
    vec![
        series.name(),
        figure(Spread::of(&series.ours).median),
        beside,
        ratios,
        entry.goal.map(|goal| verdict(goal, series.figure())).unwrap_or_default(),
        [Some(entry.unit), entry.beside].into_iter().flatten().collect::<Vec<_>>().join(", "),
    ]
}

/// The goal, and whether it is met.
pub(crate) fn verdict(goal: Bound, value: f64) -> String {
    let (sign, bound) = match goal {
        Bound::AtLeast(bound) => (">=", bound),
        Bound::AtMost(bound) => ("<=", bound),
    };
    format!("{sign} {} {}", figure(bound), if goal.holds(value) { "met" } else { "MISSED" })
}

/// Three digits that matter, and no more than are there.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_the_digits_that_matter() {
        let check = |value: f64, text: &str| assert_eq!(figure(value), text);
        check(0.954, "0.95");
        check(12.34, "12.3");
        check(512.7, "513");
        check(0.0, "0");
    }

    #[test]
    fn a_verdict_says_the_goal_and_whether_it_is_met() {
        assert_eq!(verdict(Bound::AtLeast(0.95), 0.96), ">= 0.95 met");
        assert_eq!(verdict(Bound::AtMost(3.0), 3.1), "<= 3 MISSED");
    }
}
