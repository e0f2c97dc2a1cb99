//! What this side does, and what of it is for the program.

use std::io;

use super::{
    super::detach::{DetachKeys, Typed},
    Left,
    local::{Event, Local},
    typing::Typing,
};

const INTERRUPT: u8 = 0x03;
const END_OF_FILE: u8 = 0x04;
const SIGINT: i32 = 2;

pub(super) struct Input {
    local: Local,
    pub(super) typing: Typing,
    typed: Typed,
    /// The last byte, which tells how to end a line.
    last: Option<u8>,
    interrupted: bool,
}

impl Input {
    pub(super) fn new(reads: bool, keys: DetachKeys) -> io::Result<Input> {
        let local = Local::listen(reads)?;
        Ok(Input { local, typing: Typing::default(), typed: Typed::new(keys), last: None, interrupted: false })
    }

    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Event {
        self.local.next(self.typing.has_room()).await
    }

    /// Keeps what is for the program; whether this side leaves.
    pub(super) fn heard(&mut self, event: &Event) -> Option<Left> {
        match event {
            Event::Typed(bytes) => {
                let passed = self.typed.push(bytes);
                self.last = passed.bytes.last().copied().or(self.last);
                self.typing.push(&passed.bytes);
                passed.detach.then_some(Left::Detached)
            }
            Event::End => {
                // Ends a line, and then the input: one is not enough where a line has begun.
                let ends = if self.last.is_none_or(|last| last == b'\n') { 1 } else { 2 };
                self.typing.push(&[END_OF_FILE; 2][..ends]);
                None
            }
            Event::Interrupted if self.interrupted => Some(Left::Killed(SIGINT)),
            Event::Interrupted => {
                // Where keys do not reach the program by themselves; again for those who want to leave.
                self.interrupted = true;
                self.typing.push(&[INTERRUPT]);
                None
            }
            Event::Killed(signal) => Some(Left::Killed(*signal)),
            Event::Resized => None,
        }
    }
}
