//! Where a viewer of a stored log begins: at an offset, or where its screen and the history before it can be drawn.

use podling_session::{
    history::{self, MAX_HISTORY_BYTES, Place},
    log::{Body, Keyframe, Record},
    size::WindowSize,
};

use super::{LogError, read::Stored};

/// A live viewer that misses more is shown the screen.
const MAX_MISSING_BYTES: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The offset of the first output.
    pub from: u64,
    /// The window by then.
    pub size: WindowSize,
    /// What is drawn before the output.
    pub keyframe: Option<Keyframe>,
}

/// A keyframe, and the segment that holds it.
#[derive(Clone, Copy, Debug)]
struct Found {
    place: Place,
    index: usize,
}

impl Stored {
    /// Begins at an offset, which is kept.
    ///
    /// # Errors
    /// When the store fails. A log that is broken there is told so to its reader.
    pub async fn begin_at(&self, from: u64) -> Result<Beginning, LogError> {
        Ok(Beginning { from, size: self.size_at(from).await?, keyframe: None })
    }

    /// Begins so that at least so many lines come before the screen, as far as they are kept, near enough and not more
    /// than a replay may hold.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_before(&self, lines: u32) -> Result<Beginning, LogError> {
        let found = self.keyframes(lines.into()).await?;
        // Lines after the last keyframe are not counted: the replay begins a little earlier for it.
        let head = Place { at: self.end(), lines: found.last().map_or(0, |found| found.place.lines) };
        let start = (self.first() == 0).then_some(Place { at: 0, lines: 0 });
        let places: Vec<_> = start.into_iter().chain(found.iter().map(|found| found.place)).collect();
        let Some(place) = history::begin(&places, head, lines.into()) else {
            return self.begin_at(self.first().max(self.end().saturating_sub(MAX_HISTORY_BYTES))).await;
        };
        let Some(Found { index, .. }) = found.into_iter().find(|found| found.place == place) else {
            return self.begin_at(place.at).await;
        };
        let keyframes = self.load(index).await?.records.into_iter().filter_map(keyframe);
        match keyframes.into_iter().find(|keyframe| keyframe.at == place.at) {
            Some(keyframe) => Ok(Beginning { from: keyframe.at, size: keyframe.size, keyframe: Some(keyframe) }),
            None => self.begin_at(place.at).await,
        }
    }

    /// Begins for a live viewer that holds everything below an offset: there, or at the newest screen when that is far.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin_live(&self, held: u64) -> Result<Beginning, LogError> {
        if held >= self.first() && self.end().saturating_sub(held) <= MAX_MISSING_BYTES {
            return self.begin_at(held).await;
        }
        let screen = self.begin_before(0).await?;
        if screen.from > held { Ok(screen) } else { self.begin_at(held).await }
    }

    /// The last keyframes in order, as many as a history of so many lines may need.
    async fn keyframes(&self, lines: u64) -> Result<Vec<Found>, LogError> {
        let mut found = Vec::new();
        for index in self.backwards_from(self.end()) {
            let Some(records) = self.records(index).await? else { break };
            let kept = records.into_iter().filter_map(keyframe).filter(|keyframe| keyframe.at >= self.first());
            let places = kept.map(|Keyframe { at, lines, .. }| Found { place: Place { at, lines }, index });
            found.splice(0..0, places.collect::<Vec<_>>());
            if let (Some(first), Some(last)) = (found.first(), found.last())
                && first.place.lines + lines <= last.place.lines
            {
                break;
            }
        }
        Ok(found)
    }

    /// The window size before the output at an offset.
    async fn size_at(&self, from: u64) -> Result<WindowSize, LogError> {
        for index in self.backwards_from(from) {
            let Some(records) = self.records(index).await? else { break };
            let before = records.into_iter().rev().skip_while(|record| record.offset >= from);
            if let Some(size) = before.into_iter().find_map(|record| size(&record.body)) {
                return Ok(size);
            }
        }
        Ok(WindowSize::DEFAULT)
    }

    /// Segments that hold something below an offset and near it, the last first.
    fn backwards_from(&self, offset: u64) -> impl Iterator<Item = usize> + use<> {
        let near = self.segments.partition_point(|row| row.end_offset + MAX_HISTORY_BYTES < offset);
        let end = self.segments.partition_point(|row| row.first_offset <= offset);
        (near..end).rev()
    }

    /// `None` for a broken segment: whoever reads the log that far is told of it.
    async fn records(&self, index: usize) -> Result<Option<Vec<Record>>, LogError> {
        match self.load(index).await {
            Ok(segment) => Ok(Some(segment.records)),
            Err(LogError::Broken { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn keyframe(record: Record) -> Option<Keyframe> {
    match record.body {
        Body::Keyframe(keyframe) => Some(keyframe),
        _ => None,
    }
}

fn size(body: &Body) -> Option<WindowSize> {
    match body {
        Body::Resize(size) => Some(*size),
        _ => None,
    }
}
