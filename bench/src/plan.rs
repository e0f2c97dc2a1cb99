//! How much is measured: small and quick for CI, a table's worth by default, or all that ten minutes hold.

use std::time::Duration;

use clap::ValueEnum;

use crate::results::Setting;

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Ci,
    Table,
    Long,
}

/// A group of measures that take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Bulk,
    Client,
    Echo,
    Interrupt,
    Create,
    Reconnect,
    Attach,
    Join,
    Stall,
    Memory,
    Ttyd,
    Scale,
}

/// In the order in which they are measured.
pub(crate) const PARTS: [Part; 12] = [
    Part::Client,
    Part::Bulk,
    Part::Echo,
    Part::Interrupt,
    Part::Create,
    Part::Reconnect,
    Part::Attach,
    Part::Join,
    Part::Stall,
    Part::Memory,
    Part::Ttyd,
    Part::Scale,
];

/// How often a round is repeated: until `most` were measured or the time is over, but never less than `least`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rounds {
    pub(crate) least: u32,
    pub(crate) most: u32,
    pub(crate) time: Duration,
}

/// What the long run's rounds may take together; the rest of its ten minutes is for [`Part::Scale`].
const LONG: Duration = Duration::from_secs(400);
/// A median of fewer pairs is noise.
const MEDIAN: u32 = 5;

impl Extent {
    /// Bytes of the files that bulk prints.
    pub(crate) fn bulk_bytes(self) -> u64 {
        if self == Extent::Ci { 12 << 20 } else { 64 << 20 }
    }

    /// Numbers that bulk prints.
    pub(crate) fn seq_lines(self) -> u64 {
        if self == Extent::Ci { 750_000 } else { 5_000_000 }
    }

    /// Keys of one round of echo.
    pub(crate) fn keys(self) -> usize {
        if self == Extent::Ci { 300 } else { 1_000 }
    }

    /// Lines that flood while the connection is cut: a number of seven digits.
    pub(crate) fn lines(self) -> u64 {
        if self == Extent::Ci { 1_000_000 } else { 3_000_000 }
    }

    /// Bytes that each of many viewers gets.
    pub(crate) fn fan_bytes(self) -> u64 {
        if self == Extent::Ci { 1 << 20 } else { 4 << 20 }
    }

    /// Bytes that flood past viewers that take nothing, before and after they come.
    pub(crate) fn flood_bytes(self) -> u64 {
        if self == Extent::Ci { 16 << 20 } else { 64 << 20 }
    }

    /// None: this run leaves it out.
    pub(crate) fn rounds(self, part: Part, setting: Setting) -> Option<Rounds> {
        if setting == Setting::OneCpu && !matches!(part, Part::Bulk | Part::Echo | Part::Interrupt) {
            return None;
        }
        let times = |least, most, time| Some(Rounds { least, most, time });
        match (self, part) {
            (Extent::Long, Part::Scale) => times(1, 1, Duration::ZERO),
            (_, Part::Scale) => None,
            (Extent::Ci, Part::Ttyd) => None,
            (Extent::Ci, Part::Client | Part::Reconnect | Part::Attach | Part::Join | Part::Stall | Part::Memory) => {
                times(1, 1, Duration::ZERO)
            }
            (Extent::Ci | Extent::Table, _) => times(MEDIAN, MEDIAN, Duration::ZERO),
            (Extent::Long, _) => times(MEDIAN, u32::MAX, LONG.mul_f64(share(part, setting))),
        }
    }
}

/// Of the long run's time.
fn share(part: Part, setting: Setting) -> f64 {
    match (part, setting) {
        (Part::Bulk, Setting::Free) => 0.24,
        (Part::Echo, Setting::Free) => 0.12,
        (Part::Interrupt, Setting::Free) | (Part::Create | Part::Reconnect | Part::Attach, _) => 0.05,
        (Part::Client | Part::Join, _) => 0.01,
        (Part::Stall, _) => 0.04,
        (Part::Memory | Part::Ttyd, _) => 0.05,
        (Part::Bulk, Setting::OneCpu) => 0.18,
        (Part::Echo, Setting::OneCpu) => 0.07,
        (Part::Interrupt, Setting::OneCpu) => 0.03,
        (Part::Scale, _) => 0.0,
    }
}

impl Rounds {
    /// Whether one more is measured after so many, which took so long.
    pub(crate) fn another(self, measured: u32, took: Duration) -> bool {
        // As long as those before.
        let next = took.checked_div(measured).unwrap_or_default();
        measured < self.least || (measured < self.most && took + next <= self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_time_for_every_part_and_no_more_than_it_has() {
        let cases = PARTS.iter().flat_map(|part| [(*part, Setting::Free), (*part, Setting::OneCpu)]);
        let times = cases.filter_map(|(part, setting)| Extent::Long.rounds(part, setting));
        let whole: Duration = times.map(|rounds| rounds.time).sum();
        assert!(whole <= LONG && whole > LONG.mul_f64(0.95), "{whole:?}");
    }

    #[test]
    fn rounds_are_at_least_the_least_and_end_with_the_time() {
        let second = Duration::from_secs(1);
        let rounds = Rounds { least: 2, most: 10, time: 5 * second };
        assert!(rounds.another(0, Duration::ZERO) && rounds.another(1, 60 * second));
        assert!(rounds.another(4, 4 * second) && !rounds.another(5, 5 * second));
        assert!(!rounds.another(10, second));
    }

    #[test]
    fn ratios_are_medians_of_five_pairs_or_more() {
        for (extent, part) in [Extent::Ci, Extent::Table]
            .iter()
            .flat_map(|extent| [Part::Bulk, Part::Echo, Part::Interrupt, Part::Create].map(|part| (*extent, part)))
        {
            assert!(extent.rounds(part, Setting::Free).is_some_and(|rounds| rounds.least >= 5), "{part:?}");
        }
    }
}
