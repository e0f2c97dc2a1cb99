//! A time in which a viewer's session cannot be reached: when to try again, when to show it, and when to give up.

use std::time::Duration;

use podling_proto::channel::SILENCE;
use tokio::time::Instant;

use crate::Limits;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Outage {
    began: Instant,
    /// When the controller last admitted the viewer, or the beginning.
    controller_seen: Instant,
    tries: u32,
    /// The other side takes connections and says nothing.
    silent: bool,
    shown: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Tell the viewer, once, how long it has lasted.
    Show(Duration),
    TryAfter(Duration),
    GiveUp,
}

impl Outage {
    pub(crate) fn new(now: Instant) -> Outage {
        Outage { began: now, controller_seen: now, tries: 0, silent: false, shown: false }
    }

    pub(crate) fn is_shown(&self) -> bool {
        self.shown
    }

    /// An attempt was neither taken nor refused: what was lost had been silent until its connection was given up.
    pub(crate) fn unanswered(&mut self) {
        if !std::mem::replace(&mut self.silent, true) {
            self.began = self.began.checked_sub(SILENCE).unwrap_or(self.began);
        }
    }

    /// The controller knows the session, so that only its runner is away.
    pub(crate) fn controller_answered(&mut self, now: Instant) {
        self.controller_seen = now;
    }

    /// A gateway without a controller lets its viewers go soon, for another one may have it; with it, it waits for the
    /// runner until the controller has decided about that.
    pub(crate) fn step(&mut self, limits: &Limits, now: Instant) -> Step {
        let elapsed = now - self.began;
        if !self.shown && elapsed >= limits.unreachable_after {
            self.shown = true;
            return Step::Show(elapsed);
        }
        if now - self.controller_seen >= limits.controller_patience || elapsed >= limits.runner_patience {
            return Step::GiveUp;
        }
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.tries)).min(LONGEST_PAUSE);
        self.tries += 1;
        Step::TryAfter(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second() {
        let now = Instant::now();
        let mut outage = Outage::new(now);
        let pauses: Vec<_> = (0..7).map(|_| outage.step(&Limits::default(), now)).collect();
        let millis = [50, 100, 200, 400, 800, 1000, 1000];
        assert_eq!(pauses, millis.map(|millis| Step::TryAfter(Duration::from_millis(millis))));
    }

    #[test]
    fn a_silence_began_before_it_was_noticed() {
        let (limits, begin) = (Limits::default(), Instant::now() + Duration::from_secs(60));
        let mut outage = Outage::new(begin);
        let noticed = begin + Duration::from_secs(2);
        assert!(matches!(outage.step(&limits, noticed), Step::TryAfter(_)), "a refusal is no silence");
        outage.unanswered();
        outage.unanswered();
        assert_eq!(outage.step(&limits, noticed), Step::Show(SILENCE + Duration::from_secs(2)));
        assert!(matches!(outage.step(&limits, noticed), Step::TryAfter(_)));
    }

    #[test]
    fn without_a_controller_a_viewer_is_let_go_soon_and_with_one_it_waits_for_the_runner() {
        let (limits, begin) = (Limits::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut alone = Outage::new(begin);
        assert!(matches!(alone.step(&limits, at(9)), Step::TryAfter(_)));
        assert_eq!(alone.step(&limits, at(10)), Step::Show(Duration::from_secs(10)));
        assert_eq!(alone.step(&limits, at(10)), Step::GiveUp);

        let mut answered = Outage::new(begin);
        answered.controller_answered(at(70));
        assert_eq!(answered.step(&limits, at(74)), Step::Show(Duration::from_secs(74)));
        assert!(matches!(answered.step(&limits, at(74)), Step::TryAfter(_)));
        assert_eq!(answered.step(&limits, at(75)), Step::GiveUp);
    }
}
