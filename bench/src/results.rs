//! What was measured, round by round.

use crate::{
    catalogue::{Entry, Figure, catalogue, entry},
    stats::Spread,
};

/// Whether runner and command shared one processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Setting {
    #[default]
    Free,
    OneCpu,
}

/// The values of one measure.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) entry: &'static Entry,
    pub(crate) setting: Setting,
    pub(crate) ours: Vec<f64>,
    /// Round by round beside `ours`; empty when nothing stands beside it.
    pub(crate) beside: Vec<f64>,
}

#[derive(Debug, Default)]
pub(crate) struct Results {
    series: Vec<Series>,
}

impl Results {
    /// A pair that was measured in one round.
    pub(crate) fn pair(&mut self, id: &str, setting: Setting, ours: f64, beside: f64) {
        let series = self.series_of(id, setting);
        series.ours.push(ours);
        series.beside.push(beside);
    }

    pub(crate) fn value(&mut self, id: &str, setting: Setting, ours: f64) {
        self.series_of(id, setting).ours.push(ours);
    }

    /// What was measured apart; no measure is in both.
    pub(crate) fn extend(&mut self, more: Results) {
        self.series.extend(more.series);
    }

    fn series_of(&mut self, id: &str, setting: Setting) -> &mut Series {
        let same = |series: &Series| series.entry.id == id && series.setting == setting;
        let index = self.series.iter().position(same).unwrap_or_else(|| {
            self.series.push(Series { entry: entry(id), setting, ours: Vec::new(), beside: Vec::new() });
            self.series.len() - 1
        });
        &mut self.series[index]
    }

    /// In the catalogue's order, those on one processor last.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Series> {
        let settings = [Setting::Free, Setting::OneCpu];
        let keys = settings.into_iter().flat_map(|setting| catalogue().map(move |entry| (entry, setting)));
        keys.filter_map(|(entry, setting)| {
            self.series.iter().find(|series| series.entry.id == entry.id && series.setting == setting)
        })
    }
}

impl Series {
    /// As in docs/specification.md.
    pub(crate) fn name(&self) -> String {
        match self.setting {
            Setting::Free => self.entry.id.to_owned(),
            Setting::OneCpu => format!("{}@one-cpu", self.entry.id),
        }
    }

    /// The ratios pair by pair; none when nothing stands beside it.
    pub(crate) fn ratios(&self) -> Option<Spread> {
        let ratios: Vec<_> = self.ours.iter().zip(&self.beside).map(|(ours, beside)| ours / beside).collect();
        (!ratios.is_empty()).then(|| Spread::of(&ratios))
    }

    /// What bounds are for.
    pub(crate) fn figure(&self) -> f64 {
        match (self.entry.figure, self.ratios()) {
            (Figure::Ratio, Some(ratios)) => ratios.median,
            _ => Spread::of(&self.ours).median,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_pair_by_pair() {
        let mut results = Results::default();
        for (ours, beside) in [(10.0, 10.0), (10.0, 20.0), (90.0, 100.0)] {
            results.pair("bulk-text-live", Setting::Free, ours, beside);
        }
        let series = results.in_order().next().expect("one measure");
        assert_eq!(series.figure(), 0.9);
        assert_eq!(series.ratios().map(|ratios| (ratios.min, ratios.max, ratios.n)), Some((0.5, 1.0, 3)));
    }

    #[test]
    fn one_processor_is_a_series_of_its_own() {
        let mut results = Results::default();
        results.value("cpu-text", Setting::OneCpu, 1.0);
        results.value("cpu-text", Setting::Free, 2.0);
        let names: Vec<_> = results.in_order().map(Series::name).collect();
        assert_eq!(names, ["cpu-text", "cpu-text@one-cpu"]);
    }
}
