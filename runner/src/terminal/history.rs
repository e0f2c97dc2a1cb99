//! Where replays of the log may begin: at its first byte, and at its keyframes.

use std::collections::VecDeque;

use podling_session::{
    history::Place,
    log::{Body, Keyframe, Record},
};

use super::{
    log::Log,
    reader::{Cursor, ReadError},
};

/// The keyframes that are kept, in order.
#[derive(Debug, Default)]
pub(super) struct Keyframes(VecDeque<Kept>);

#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Of its record.
    index: u64,
    place: Place,
}

impl Keyframes {
    /// A record is appended.
    pub(super) fn note(&mut self, index: u64, body: &Body) {
        if let Body::Keyframe(Keyframe { at, lines, .. }) = *body {
            self.0.push_back(Kept { index, place: Place { at, lines } });
        }
    }

    /// Forgets those whose records, or the output behind them, are no longer kept.
    pub(super) fn retain(&mut self, first_offset: u64, first_index: u64) {
        self.0.retain(|kept| kept.place.at >= first_offset && kept.index >= first_index);
    }
}

impl Log {
    /// Where a replay may begin, in order.
    pub(crate) fn places(&self) -> Vec<Place> {
        let state = self.state();
        let start = (state.first_kept() == 0).then_some(Place { at: 0, lines: 0 });
        start.into_iter().chain(state.keyframes.0.iter().map(|kept| kept.place)).collect()
    }

    /// Where the last keyframe stands for.
    pub(crate) fn last_keyframe(&self) -> Option<u64> {
        self.state().keyframes.0.back().map(|kept| kept.place.at)
    }

    /// The keyframe of a place. `None` when it is not kept, or was not stored.
    pub(crate) async fn keyframe(&self, place: Place) -> Result<Option<Keyframe>, ReadError> {
        let kept = self.state().keyframes.0.iter().find(|kept| kept.place == place).copied();
        let Some(Kept { index, .. }) = kept else { return Ok(None) };
        let mut cursor = Cursor::at(index);
        let first = self.read(&mut cursor).await?.into_iter().next();
        Ok(first.and_then(|Record { body, .. }| match body {
            Body::Keyframe(keyframe) if keyframe.at == place.at => Some(keyframe),
            _ => None,
        }))
    }
}
