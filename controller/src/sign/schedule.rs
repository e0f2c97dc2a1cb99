//! Which key of a ring signs, and which are published: rules of the times at which the keys were made, and of nothing
//! else, so that all who see the same keys agree.
//!
//! ```text
//!         made          signs                    the next signs          forgotten
//! key n     |---- lead ----|------------------------|--- token life + slack ---|
//! key n+1                          |---- lead ----|-----
//! ```

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use podling_session::token::GATEWAY_SLACK;

/// What an operator chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How long a key is published before it signs.
    pub lead: Duration,
    /// The longest life of a token.
    pub token_life: Duration,
}

impl Schedule {
    /// When a key that was made then is to sign.
    pub fn signs_at(&self, made_at: Timestamp) -> Timestamp {
        after(made_at, self.lead)
    }

    /// The place of the key that signs, among keys that were made then, the oldest first: the newest that everybody knows,
    /// and where nobody can know any, the oldest. `None` of none.
    pub fn signing(&self, made: &[Timestamp], now: Timestamp) -> Option<usize> {
        let known = made.iter().rposition(|made_at| self.signs_at(*made_at) <= now);
        known.or(if made.is_empty() { None } else { Some(0) })
    }

    /// How many of the oldest keys nobody needs any more: the last token of each has died, by whatever clock.
    pub fn forgotten(&self, made: &[Timestamp], now: Timestamp) -> usize {
        let dead = |next: &Timestamp| after(after(self.signs_at(*next), self.token_life), GATEWAY_SLACK) <= now;
        made.iter().skip(1).take_while(|next| dead(next)).count()
    }
}

/// Saturating: the end of time is late enough.
fn after(time: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Schedule = Schedule { lead: Duration::from_secs(60), token_life: Duration::from_secs(600) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small second")
    }

    fn times(seconds: &[i64]) -> Vec<Timestamp> {
        seconds.iter().map(|second| at(*second)).collect()
    }

    #[test]
    fn a_key_signs_once_everybody_has_had_the_time_to_fetch_it() {
        let check = |made: &[i64], now: i64, signing: Option<usize>| {
            assert_eq!(RULES.signing(&times(made), at(now)), signing, "{made:?} at {now}");
        };
        check(&[], 0, None);
        check(&[100], 100, Some(0));
        check(&[100, 200], 259, Some(0));
        check(&[100, 200], 260, Some(1));
        check(&[100, 110], 120, Some(0));
        check(&[100, 110], 169, Some(0));
        check(&[100, 110, 120], 175, Some(1));
        check(&[500], 100, Some(0));
    }

    #[test]
    fn a_key_is_forgotten_when_its_last_token_has_died() {
        let check = |made: &[i64], now: i64, forgotten: usize| {
            assert_eq!(RULES.forgotten(&times(made), at(now)), forgotten, "{made:?} at {now}");
        };
        check(&[], 10_000, 0);
        check(&[100], 1_000_000, 0);
        let dead = 200 + 60 + 600 + 600;
        check(&[100, 200], dead - 1, 0);
        check(&[100, 200], dead, 1);
        check(&[100, 200, 300], dead, 1);
        check(&[100, 200, 300], dead + 100, 2);
    }

    proptest! {
        /// At whatever moments keys were made, and whenever one looks.
        #[test]
        fn the_key_that_signs_is_never_forgotten_while_a_token_of_it_lives(
            mut made in prop::collection::vec(0_i64..10_000, 1..12), signed in 0_i64..20_000, later in 0_i64..600,
        ) {
            made.sort_unstable();
            let made = times(&made);
            let signing = RULES.signing(&made, at(signed)).expect("there are keys");
            prop_assert!(RULES.forgotten(&made, at(signed + later)) <= signing);
        }
    }
}
