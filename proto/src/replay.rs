//! From records of a terminal log to what a viewer is sent: one rule for the runner, which serves the log while it
//! grows, and for the controller, which serves it when it is stored.

use bytes::Bytes;
use podling_session::log::{Body, COMMAND_MARK, Record};

use crate::terminal::{self, AttachResponse, attach_response::Message};

/// Tells one viewer the records of a log, in order.
#[derive(Clone, Debug)]
pub struct Teller {
    /// Output below this offset is not told again.
    from: u64,
    /// The end of the log when the viewer attached: output below it is a replay.
    head: u64,
    /// When the last stage began, in milliseconds since the epoch.
    stage_began: Option<u64>,
}

impl Teller {
    pub fn new(from: u64, head: u64) -> Teller {
        Teller { from, head, stage_began: None }
    }

    /// The end of the output that was told.
    pub fn told(&self) -> u64 {
        self.from
    }

    /// Output below this offset is not told: the viewer gets a screen in its place.
    pub fn skip_to(&mut self, offset: u64) {
        self.from = self.from.max(offset);
    }

    /// A stage that began before the viewer's first record.
    pub fn tell_stage(&mut self, record: Record) -> Vec<AttachResponse> {
        self.tell(Record { offset: self.from, ..record })
    }

    /// What the viewer is sent for this record: two messages when the record crosses the head, none when the viewer
    /// has seen it. A window size is told again, because it holds for the output that follows.
    pub fn tell(&mut self, record: Record) -> Vec<AttachResponse> {
        let Record { offset, time_millis, body } = record;
        match body {
            Body::Output(bytes) => self.output(offset, bytes),
            Body::Gap { to } => self.gap(to).into_iter().collect(),
            Body::Resize(size) => vec![response(Message::Resized(size.into()))],
            Body::Keyframe(_) => Vec::new(), // For those who begin there.
            _ if offset < self.from => Vec::new(),
            Body::Stage(stage) => vec![self.stage(stage.as_str(), time_millis)],
            Body::Mark(text) if text == COMMAND_MARK => vec![self.stage("running", time_millis)],
            Body::Mark(text) => vec![response(Message::Mark(text))],
            Body::Exit(end) => vec![response(Message::Exit(end.into()))],
        }
    }

    fn output(&mut self, offset: u64, mut bytes: Bytes) -> Vec<AttachResponse> {
        let gap = self.gap(offset); // Of a log whose storage refused, what was lost has no record of its own yet.
        let seen = usize::try_from(self.from.saturating_sub(offset)).unwrap_or(usize::MAX).min(bytes.len());
        let offset = offset + seen as u64;
        let live = bytes.split_off(seen);
        let replay = usize::try_from(self.head.saturating_sub(offset)).unwrap_or(usize::MAX).min(live.len());
        self.from = self.from.max(offset + live.len() as u64);
        let parts = [(offset, true, live.slice(..replay)), (offset + replay as u64, false, live.slice(replay..))];
        let told = parts.into_iter().filter(|(_, _, data)| !data.is_empty());
        let told =
            told.map(|(offset, replay, data)| response(Message::Output(terminal::Output { offset, data, replay })));
        gap.into_iter().chain(told).collect()
    }

    fn gap(&mut self, to: u64) -> Option<AttachResponse> {
        let from = self.from;
        (to > from).then(|| {
            self.from = to;
            let lost = to - from;
            response(Message::Mark(format!(
                "{lost} bytes of output from offset {from} on could not be stored and are lost."
            )))
        })
    }

    fn stage(&mut self, name: &str, now: u64) -> AttachResponse {
        let elapsed_millis = self.stage_began.replace(now).map_or(0, |began| now.saturating_sub(began));
        response(Message::Stage(terminal::Stage { name: name.to_owned(), elapsed_millis }))
    }
}

/// A message as the stream carries it.
pub fn response(message: Message) -> AttachResponse {
    AttachResponse { message: Some(message) }
}

#[cfg(test)]
mod tests {
    use podling_session::{
        phase::{End, Stage},
        size::WindowSize,
    };

    use super::*;

    fn record(offset: u64, time_millis: u64, body: Body) -> Record {
        Record { offset, time_millis, body }
    }

    fn output(offset: u64, text: &'static str) -> Record {
        record(offset, 0, Body::Output(Bytes::from_static(text.as_bytes())))
    }

    fn said(teller: &mut Teller, record: Record) -> String {
        let parts = teller.tell(record).into_iter().map(|response| match response.message.expect("a message") {
            Message::Output(output) => {
                let text = String::from_utf8_lossy(&output.data).into_owned();
                format!("{}{}{text}", output.offset, if output.replay { "r" } else { "l" })
            }
            Message::Stage(stage) => format!("{} {}", stage.name, stage.elapsed_millis),
            Message::Resized(size) => format!("{}x{}", size.cols, size.rows),
            Message::Mark(text) => text,
            Message::Exit(exit) => exit.reason,
            other => format!("{other:?}"),
        });
        parts.collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn output_is_told_once_from_the_viewers_offset_and_split_at_the_head() {
        let mut teller = Teller::new(3, 6);
        assert_eq!(said(&mut teller, output(0, "ab")), "");
        assert_eq!(said(&mut teller, output(2, "cdef")), "3rdef");
        assert_eq!(said(&mut teller, output(2, "cdef")), "");
        let mut teller = Teller::new(3, 5);
        assert_eq!(said(&mut teller, output(2, "cdef")), "3rde | 5lf");
        assert_eq!(teller.told(), 6);
    }

    #[test]
    fn beside_output_only_the_window_size_is_told_again() {
        let mut teller = Teller::new(3, 3);
        assert_eq!(said(&mut teller, record(2, 0, Body::Resize(WindowSize::DEFAULT))), "80x24");
        assert_eq!(said(&mut teller, record(2, 0, Body::Mark("seen".into()))), "");
        assert_eq!(said(&mut teller, record(3, 10, Body::Stage(Stage::Fetching))), "fetching 0");
        assert_eq!(said(&mut teller, record(3, 25, Body::Mark(COMMAND_MARK.into()))), "running 15");
        assert_eq!(said(&mut teller, record(3, 30, Body::Exit(End::exit(0)))), "exit");
    }

    #[test]
    fn a_gap_is_told_with_its_exact_bounds() {
        let mut teller = Teller::new(3, 9);
        let told = said(&mut teller, record(2, 0, Body::Gap { to: 7 }));
        assert!(told.starts_with("4 bytes of output from offset 3 on"), "{told}");
        assert_eq!(said(&mut teller, record(2, 0, Body::Gap { to: 7 })), "");
        assert_eq!(said(&mut teller, output(7, "xyz")), "7rxy | 9lz");
        let told = said(&mut teller, output(12, "q"));
        assert!(told.starts_with("2 bytes of output from offset 10 on") && told.ends_with(" | 12lq"), "{told}");
    }
}
