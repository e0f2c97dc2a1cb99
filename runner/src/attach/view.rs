//! What one viewer has been told, and what it is told next: the rules of the three modes.
//!
//! Output is contiguous from offset to offset; only `skipped` jumps. After another window size a live viewer gets the
//! screen anew, once its output has come to where that screen was taken.

use std::sync::Arc;

use podling_proto::{
    replay::{Teller, response},
    terminal::{AttachResponse, Skipped, attach_response::Message},
};
use podling_session::{
    log::{Body, Record},
    size::WindowSize,
};

use super::begin::{Beginning, shown};
use crate::terminal::Snapshot;

/// How a viewer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Every byte: it waits, until the log no longer has what it needs.
    Lossless,
    /// Every byte or an exact jump to the newest screen, when it takes too little.
    Live,
    /// Bytes alone; when it takes none it is closed.
    Plain,
}

#[derive(Debug)]
pub(super) struct View {
    pace: Pace,
    teller: Teller,
    /// The end of the log at attach: output below is a replay.
    head: u64,
    /// As the viewer was told.
    size: WindowSize,
    /// The size has changed, and no screen since then was told or is about to be.
    undrawn: bool,
    /// The screen to tell when the output has come to it.
    redraw: Option<Arc<Snapshot>>,
}

impl View {
    /// With the messages that come before the output.
    pub(super) fn new(pace: Pace, beginning: &mut Beginning) -> (View, Vec<AttachResponse>) {
        let start = &beginning.start;
        let mut teller = Teller::new(start.from, start.head);
        let mut told: Vec<_> = beginning.stage.take().map(|stage| teller.tell_stage(stage)).unwrap_or_default();
        for message in std::mem::take(&mut beginning.told) {
            if let Some(Message::Snapshot(snapshot)) = &message.message {
                teller.skip_to(snapshot.offset);
            }
            told.push(message);
        }
        (View { pace, teller, head: start.head, size: start.size, undrawn: false, redraw: None }, told)
    }

    /// The end of the output that was told.
    pub(super) fn told(&self) -> u64 {
        self.teller.told()
    }

    /// Whether output at this offset is a replay.
    pub(super) fn is_replay(&self, offset: u64) -> bool {
        offset < self.head
    }

    /// Tells the records below `next`.
    pub(super) fn tell(&mut self, records: Vec<Record>, next: u64) -> Vec<AttachResponse> {
        let mut told = Vec::new();
        for record in records {
            match (&record.body, self.pace) {
                (Body::Resize(_), Pace::Plain) => {}
                (Body::Resize(size), Pace::Live) if *size == self.size => {}
                (Body::Resize(size), Pace::Live) => {
                    self.size = *size;
                    // A screen that may be older than this size is no use any more.
                    self.redraw = self.redraw.take().filter(|redraw| redraw.index >= next);
                    self.undrawn = self.redraw.is_none();
                    told.extend(self.teller.tell(record));
                }
                _ => self.output(record, &mut told),
            }
        }
        told.extend(self.redraw_now());
        told
    }

    /// Tells a record, and the screen where it is due.
    fn output(&mut self, mut record: Record, told: &mut Vec<AttachResponse>) {
        if let (Some(redraw), Body::Output(bytes)) = (&self.redraw, &mut record.body)
            && redraw.at > record.offset
            && redraw.at < record.offset + bytes.len() as u64
        {
            let before = usize::try_from(redraw.at - record.offset).expect("within the bytes");
            let first = Record { body: Body::Output(bytes.split_to(before)), ..record };
            record.offset = redraw.at;
            told.extend(self.teller.tell(first));
        }
        told.extend(self.redraw_now());
        told.extend(self.teller.tell(record));
    }

    fn redraw_now(&mut self) -> Option<AttachResponse> {
        let redraw = self.redraw.take_if(|redraw| redraw.at <= self.teller.told())?;
        self.size = redraw.size;
        Some(response(Message::Snapshot(shown(&redraw, false))))
    }

    /// Whether the viewer needs a screen of its new size: not before its replay is over.
    pub(super) fn needs_redraw(&self) -> bool {
        self.undrawn && !self.is_replay(self.told())
    }

    /// The screen is told when the output has come to it: at once, perhaps. One that is older than what the viewer was
    /// told is no use.
    pub(super) fn redraw(&mut self, snapshot: Arc<Snapshot>) -> Option<AttachResponse> {
        if snapshot.at < self.told() {
            return None;
        }
        self.undrawn = false;
        self.redraw = Some(snapshot);
        self.redraw_now()
    }

    /// Jumps to a screen, for a viewer that was sent the output below `from` only. The stage may have changed meanwhile.
    pub(super) fn jump(&mut self, from: u64, snapshot: &Snapshot, stage: Option<Record>) -> Vec<AttachResponse> {
        let to = snapshot.at;
        self.teller.skip_to(to);
        (self.size, self.undrawn, self.redraw) = (snapshot.size, false, None);
        let skipped = [Message::Skipped(Skipped { from, to }), Message::Snapshot(shown(snapshot, false))];
        let stage = stage.map(|stage| self.teller.tell_stage(stage)).unwrap_or_default();
        skipped.map(response).into_iter().chain(stage).collect()
    }
}
