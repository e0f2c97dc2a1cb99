//! Where a replay begins that is to show so many lines before the screen.

/// The most bytes of output that a replay of history holds.
pub const MAX_HISTORY_BYTES: u64 = 16 << 20;

/// A place where a replay may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In bytes of output.
    pub at: u64,
    /// Lines that had scrolled off the screen by then.
    pub lines: u64,
}

/// The place to begin at, of those given in order: the last from which `lines` lines come before the screen of `head`,
/// but none further from `head` than a replay may hold. `None` when no place is near enough: the screen alone is shown.
pub fn begin(places: &[Place], head: Place, lines: u64) -> Option<Place> {
    let near = |place: &&Place| place.at <= head.at && head.at - place.at <= MAX_HISTORY_BYTES;
    let whole = places.iter().rev().filter(near).find(|place| place.lines + lines <= head.lines);
    whole.or_else(|| places.iter().find(near)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_replay_begins_at_the_last_place_that_shows_the_lines_asked_for_within_16_mib() {
        let places: Vec<_> = (0..20).map(|step| Place { at: step * MIB, lines: step * 1_000 }).collect();
        let check = |head_mib: u64, lines, expected: Option<u64>| {
            let head = Place { at: head_mib * MIB, lines: head_mib * 1_000 };
            assert_eq!(begin(&places, head, lines).map(|place| place.at / MIB), expected, "{head_mib} {lines}");
        };
        check(19, 1, Some(18));
        check(19, 1_000, Some(18));
        check(19, 1_001, Some(17));
        check(19, 100_000, Some(3));
        check(5, 100_000, Some(0));
        check(0, 10, Some(0));
        check(40, 10, None);
    }
}
