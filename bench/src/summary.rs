//! Medians, their spread, and the ratio pair by pair.

/// Two sides of one measure, in milliseconds, round by round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pair {
    ours: Vec<f64>,
    baseline: Vec<f64>,
}

impl Pair {
    pub(crate) fn add(&mut self, ours: f64, baseline: f64) {
        self.ours.push(ours);
        self.baseline.push(baseline);
    }
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// What the ratio is to.
    pub(crate) against: &'static str,
    pub(crate) pair: Pair,
}

/// A table for people, then the same as JSON on one line.
#[expect(clippy::print_stdout, reason = "it is what the command is for")]
pub(crate) fn print(rows: &[Row]) -> anyhow::Result<()> {
    println!("{:<22} {:>10} {:>10} {:>24}  against", "measure", "ours", "baseline", "ratio (min, median, max)");
    let mut json = serde_json::Map::new();
    for row in rows {
        let ratios: Vec<_> = row.pair.ours.iter().zip(&row.pair.baseline).map(|(ours, base)| ours / base).collect();
        let ([_, ours, _], [_, baseline, _], [low, ratio, high]) =
            (spread(&row.pair.ours), spread(&row.pair.baseline), spread(&ratios));
        println!(
            "{:<22} {ours:>7.2} {} {baseline:>7.2} {} {:>24}  {}",
            row.name,
            row.unit,
            row.unit,
            format!("{low:.2} {ratio:.2} {high:.2}"),
            row.against
        );
        json.insert(row.name.into(), serde_json::json!({ "ours": ours, "baseline": baseline, "ratio": ratio }));
    }
    println!("{}", serde_json::to_string(&json)?);
    Ok(())
}

/// Minimum, median, maximum.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    [at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_minimum_median_and_maximum() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
    }
}
