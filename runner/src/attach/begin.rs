//! Where a viewer's stream begins: with bytes, or with a screen in place of those before it.

use std::{sync::Arc, time::Duration};

use podling_proto::{
    replay::response,
    terminal::{self, AttachResponse, Open, Skipped, attach_response::Message},
};
use podling_session::{
    history::{self, Place},
    log::{Keyframe, Record},
    size::WindowSize,
};
use tokio::time::timeout;
use tonic::Status;
use tracing::error;

use super::{Stage, view::Pace};
use crate::terminal::{NotKept, ReadError, Snapshot, Start};

/// A live viewer that comes back and misses at most this much is sent it.
const MAX_MISSED_BYTES: u64 = 1 << 20;
/// A log that is no longer than this is sent whole: it costs less than finding the screen.
const SHORT_LOG_BYTES: u64 = 64 << 10;
/// How long the emulator may take to show the screen.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(2);
/// The most lines of history that can be asked for.
const MAX_HISTORY_LINES: u32 = 100_000;

/// The first messages of a stream, and where it goes on.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) start: Start,
    /// Before the output.
    pub(super) told: Vec<AttachResponse>,
    /// The stage that began before it.
    pub(super) stage: Option<Record>,
}

impl From<Start> for Beginning {
    fn from(start: Start) -> Beginning {
        Beginning { start, told: Vec::new(), stage: None }
    }
}

/// How a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// With the output from an offset on, or with the first that is kept.
    Output(Option<u64>),
    /// With the newest screen, in place of what the viewer misses from an offset on.
    Screen { missed_from: Option<u64> },
    /// With so many lines before the screen.
    History { lines: u32 },
}

fn way(pace: Pace, open: &Open, first: u64, head: u64) -> Way {
    match (pace, open.from) {
        (Pace::Lossless, from) => Way::Output(from),
        (Pace::Plain, Some(from)) => Way::Output(Some(from)),
        // An offset beyond the end is refused, whatever the mode.
        (Pace::Live, Some(from)) if from > head => Way::Output(Some(from)),
        (Pace::Live, Some(from)) if from >= first && head - from <= MAX_MISSED_BYTES => Way::Output(Some(from)),
        (Pace::Live, Some(from)) => Way::Screen { missed_from: Some(from) },
        (_, None) if first == 0 && head <= SHORT_LOG_BYTES => Way::Output(Some(0)),
        (_, None) if open.history_lines == 0 => Way::Screen { missed_from: None },
        (_, None) => Way::History { lines: open.history_lines.min(MAX_HISTORY_LINES) },
    }
}

/// Refuses what is not kept, before anything is done for it.
pub(super) fn check(stage: &Stage, open: &Open, pace: Pace) -> Result<(), Status> {
    let kept = stage.log.range();
    match way(pace, open, kept.first, kept.end) {
        Way::Output(from) => stage.log.seek(from).map(|_| ()).map_err(not_kept),
        _ => Ok(()),
    }
}

pub(super) async fn begin(stage: &Stage, open: &Open, pace: Pace) -> Result<Beginning, Status> {
    let kept = stage.log.range();
    let way = way(pace, open, kept.first, kept.end);
    if let Way::Output(from) = way {
        return stage.log.seek(from).map(Beginning::from).map_err(not_kept);
    }
    let snapshot = timeout(SNAPSHOT_TIMEOUT, stage.follower.snapshot()).await.ok().flatten();
    let Some(snapshot) = snapshot else { return without_screen(stage, open.from).await };
    match way {
        Way::History { lines } => with_history(stage, &snapshot, lines.into()).await,
        Way::Screen { missed_from } => with_screen(stage, &snapshot, missed_from),
        Way::Output(_) => unreachable!("it has begun"),
    }
}

async fn with_history(stage: &Stage, snapshot: &Arc<Snapshot>, lines: u64) -> Result<Beginning, Status> {
    let head = Place { at: snapshot.at, lines: snapshot.lines };
    let begun = match history::begin(&stage.log.places(), head, lines) {
        Some(place) => at_place(stage, place, None).await?,
        None => None,
    };
    begun.map_or_else(|| with_screen(stage, snapshot, None), Ok)
}

/// Without an emulator that could show the screen: what is missed as it is, or the output from the last keyframe on.
async fn without_screen(stage: &Stage, missed_from: Option<u64>) -> Result<Beginning, Status> {
    let missed = missed_from.map(|from| stage.log.seek(Some(from)));
    if let Some(Ok(start)) = missed {
        return Ok(start.into());
    }
    let last = stage.log.places().pop();
    let begun = match last {
        Some(place) => at_place(stage, place, missed_from).await?,
        None => None,
    };
    begun.map_or_else(|| stage.log.seek(None).map(Beginning::from).map_err(not_kept), Ok)
}

/// `None` when what is there cannot be read.
async fn at_place(stage: &Stage, place: Place, missed_from: Option<u64>) -> Result<Option<Beginning>, Status> {
    if place.at == 0 {
        return stage.log.seek(Some(0)).map(|start| Some(start.into())).map_err(not_kept);
    }
    match stage.log.keyframe(place).await {
        Ok(Some(Keyframe { at, size, data, .. })) => {
            let snapshot = terminal::Snapshot { offset: at, data, size: Some(size.into()), replay: true };
            let start = stage.log.seek(Some(at)).map_err(not_kept)?;
            Ok(Some(screen(stage, start, snapshot, size, missed_from)))
        }
        Ok(None) | Err(ReadError::FellOff(_)) => Ok(None),
        Err(ReadError::Segment(source)) => {
            error!(%source, "a keyframe of the terminal log cannot be read");
            Ok(None)
        }
    }
}

fn with_screen(stage: &Stage, snapshot: &Snapshot, missed_from: Option<u64>) -> Result<Beginning, Status> {
    let start = stage.log.seek_behind(snapshot.at, snapshot.index).map_err(not_kept)?;
    Ok(screen(stage, start, shown(snapshot, true), snapshot.size, missed_from))
}

fn screen(
    stage: &Stage,
    mut start: Start,
    screen: terminal::Snapshot,
    size: WindowSize,
    missed_from: Option<u64>,
) -> Beginning {
    let to = screen.offset;
    let stage = stage.log.stage_between(0, start.cursor.index());
    let missed = missed_from.filter(|from| *from < to);
    (start.size, start.from) = (size, missed.unwrap_or(to));
    let skipped = missed.map(|from| response(Message::Skipped(Skipped { from, to })));
    let told = skipped.into_iter().chain([response(Message::Snapshot(screen))]).collect();
    Beginning { start, told, stage }
}

/// A snapshot as the stream carries it.
pub(super) fn shown(snapshot: &Snapshot, replay: bool) -> terminal::Snapshot {
    let Snapshot { at, size, ref data, .. } = *snapshot;
    terminal::Snapshot { offset: at, data: data.clone(), size: Some(size.into()), replay }
}

fn not_kept(not_kept: NotKept) -> Status {
    Status::out_of_range(not_kept.first.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_with_output_or_with_a_screen_as_its_mode_has_it() {
        let check = |pace, from, history_lines, (first, head), expected| {
            let open = Open { from, history_lines, ..Open::default() };
            assert_eq!(way(pace, &open, first, head), expected, "{pace:?} {from:?} {history_lines} {first} {head}");
        };
        const MIB: u64 = 1 << 20;
        let long = (0, 9 * MIB);
        check(Pace::Lossless, None, 10, long, Way::Output(None));
        check(Pace::Lossless, Some(5), 0, long, Way::Output(Some(5)));
        check(Pace::Plain, Some(5), 0, long, Way::Output(Some(5)));
        for pace in [Pace::Live, Pace::Plain] {
            check(pace, None, 0, (0, 65_536), Way::Output(Some(0)));
            check(pace, None, 0, (0, 65_537), Way::Screen { missed_from: None });
            check(pace, None, 0, (1, 100), Way::Screen { missed_from: None });
            check(pace, None, 7, long, Way::History { lines: 7 });
            check(pace, None, u32::MAX, long, Way::History { lines: 100_000 });
        }
        check(Pace::Live, Some(8 * MIB), 0, long, Way::Output(Some(8 * MIB)));
        check(Pace::Live, Some(8 * MIB - 1), 0, long, Way::Screen { missed_from: Some(8 * MIB - 1) });
        check(Pace::Live, Some(5), 0, (6, 100), Way::Screen { missed_from: Some(5) });
        check(Pace::Live, Some(101), 0, (6, 100), Way::Output(Some(101)));
    }
}
