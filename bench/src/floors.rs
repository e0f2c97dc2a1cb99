//! The floors in docs/specification.md: below them a run fails. That document is their one place.

use anyhow::{Context, bail};

use crate::{
    catalogue::{Bound, Page, catalogue, groups},
    results::{Results, Series},
};

/// A row of the specification whose last cell is `` `NAME >= NUMBER` `` or `` `NAME <= NUMBER` ``.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Floor {
    /// As of [`Series::name`].
    name: String,
    bound: Bound,
}

/// Every floor of the specification.
///
/// # Errors
/// When a bound is not a number, or its name is not that of a measure.
pub(crate) fn parse(specification: &str) -> anyhow::Result<Vec<Floor>> {
    let rows = specification.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit('|').next());
    rows.filter_map(|cell| floor(cell.trim().trim_matches('`')).transpose()).collect()
}

/// `None`: something else enforces this row.
fn floor(cell: &str) -> anyhow::Result<Option<Floor>> {
    let [name, sign, number] = cell.split(' ').collect::<Vec<_>>()[..] else { return Ok(None) };
    let number: f64 = number.parse().with_context(|| format!("{cell}: not a number"))?;
    let bound = match sign {
        ">=" => Bound::AtLeast(number),
        "<=" => Bound::AtMost(number),
        _ => bail!("{cell}: neither >= nor <="),
    };
    let floor = Floor { name: name.to_owned(), bound };
    if !catalogue().any(|entry| entry.id == floor.id()) {
        bail!("{cell}: no measure has this name");
    }
    Ok(Some(floor))
}

/// What a run fails for, a sentence each: also a floor of the page that was to be measured whole, and was not.
pub(crate) fn broken(floors: &[Floor], results: &Results, whole: Option<Page>) -> Vec<String> {
    let series = |name: &str| results.in_order().find(|series| series.name() == name);
    floors
        .iter()
        .filter_map(|floor| match series(&floor.name) {
            Some(series) => floor.broken_by(series),
            None => (whole == Some(floor.page())).then(|| format!("{} was not measured", floor.name)),
        })
        .collect()
}

impl Floor {
    fn id(&self) -> &str {
        self.name.split('@').next().unwrap_or(&self.name)
    }

    fn page(&self) -> Page {
        let has = |page| groups(page).flat_map(|group| group.entries).any(|entry| entry.id == self.id());
        if has(Page::Terminal) { Page::Terminal } else { Page::Replicas }
    }

    fn broken_by(&self, series: &Series) -> Option<String> {
        let figure = series.figure();
        let must = match self.bound {
            Bound::AtLeast(least) => format!("at least {least}"),
            Bound::AtMost(most) => format!("at most {most}"),
        };
        (!self.bound.holds(figure)).then(|| format!("{} is {figure:.3} and must be {must}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Setting;

    fn specification() -> String {
        std::fs::read_to_string(crate::root().join("docs/specification.md")).expect("the specification")
    }

    #[test]
    fn every_floor_of_the_specification_names_a_measure_and_a_number() {
        let text = specification();
        let rows = text.lines().filter(|line| line.starts_with("| ") && (line.contains(">= ") || line.contains("<= ")));
        let floors = parse(&text).expect("floors");
        assert_eq!(floors.len(), rows.count());
        assert!(floors.len() > 5);
    }

    #[test]
    fn a_floor_that_cannot_be_enforced_is_an_error() {
        let row = |cell: &str| parse(&format!("| a promise | a condition | `{cell}` |"));
        assert_eq!(row("a_test").expect("another kind of row"), []);
        assert_eq!(row("echo-p50@one-cpu <= 3").expect("a floor").len(), 1);
        assert!(row("echo-p50 <= three").is_err());
        assert!(row("echo-p50 < 3").is_err());
        assert!(row("echo-p51 <= 3").is_err());
    }

    #[test]
    fn a_figure_beyond_its_floor_or_missing_fails_the_run() {
        let floors = parse("| a | b | `bulk-text-live >= 0.5` |").expect("a floor");
        let mut results = Results::default();
        assert!(broken(&floors, &results, None).is_empty());
        assert_eq!(broken(&floors, &results, Some(Page::Terminal)), ["bulk-text-live was not measured"]);
        assert!(broken(&floors, &results, Some(Page::Replicas)).is_empty(), "another command measures it");
        results.pair("bulk-text-live", Setting::Free, 49.0, 100.0);
        assert_eq!(
            broken(&floors, &results, Some(Page::Terminal)),
            ["bulk-text-live is 0.490 and must be at least 0.5"]
        );
        results.pair("bulk-text-live", Setting::Free, 90.0, 100.0);
        assert!(broken(&floors, &results, Some(Page::Terminal)).is_empty());
    }
}
