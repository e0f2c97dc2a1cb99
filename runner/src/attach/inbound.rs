//! What a viewer sends: keys, sizes, acks and questions. A viewer that may only read is not heard about keys and sizes.
//!
//! Nothing here waits for the program, so that acks and the interrupt key are heard behind a paste that it does not read.

use std::sync::Arc;

use podling_proto::terminal::{AttachRequest, Range, attach_request::Message};
use podling_session::{attendance::LeaseWish, size::WindowSize, token::Scope};
use tonic::Streaming;
use tracing::debug;

use super::{Stage, registry::Viewer};
use crate::terminal::{BeyondCredit, Hand};

/// Listens until the viewer leaves or its stream is over.
pub(super) async fn listen(mut requests: Streaming<AttachRequest>, viewer: Arc<Viewer>, stage: Arc<Stage>) {
    loop {
        let request = tokio::select! {
            biased;
            () = viewer.over() => break,
            request = requests.message() => request,
        };
        match request {
            Ok(Some(AttachRequest { message: Some(message) })) => hear(message, &viewer, &stage),
            Ok(Some(_)) => {} // Of a kind that this build does not know.
            Ok(None) | Err(_) => break,
        }
    }
    viewer.leave();
}

pub(super) fn hear(message: Message, viewer: &Viewer, stage: &Stage) {
    let writes = viewer.scope == Scope::ReadWrite;
    let turn = viewer.turn();
    match message {
        Message::Ack(offset) => viewer.ack(offset),
        Message::ResumeAck(generation) => viewer.confirm(generation),
        Message::Fetch(Range { from, to }) => viewer.fetch(from, to),
        // Another has the lease: it is gone, and costs no credit.
        Message::Input(bytes) if writes && !turn.types => viewer.hand().give_up(bytes.len()),
        Message::Input(bytes) if writes => {
            stage.window.change(|windows| windows.held_by(turn.holder).activate(viewer.stream));
            stage.activity.happened();
            if stage.type_in(viewer.hand(), &bytes).is_err() {
                viewer.overrun();
            }
        }
        Message::Resize(size) if writes => {
            if let Ok(size) = WindowSize::try_from(size) {
                stage.window.change(|windows| windows.held_by(turn.holder).tell(viewer.stream, size));
            }
        }
        Message::Focus(_) if writes => {
            stage.window.change(|windows| windows.held_by(turn.holder).activate(viewer.stream));
        }
        Message::Lease(raw) => {
            if let Ok(wish) = LeaseWish::try_from(raw) {
                viewer.wish(wish);
                let holder = viewer.turn().holder;
                stage.window.change(|windows| windows.held_by(holder).chosen());
            }
        }
        Message::Input(_) | Message::Resize(_) | Message::Focus(_) | Message::Open(_) => {}
    }
}

impl Stage {
    /// Queues input; an interrupt key in place of all that is queued, as a terminal has it.
    pub(super) fn type_in(&self, hand: &Arc<Hand>, bytes: &[u8]) -> Result<(), BeyondCredit> {
        if let Some(pty) = self.window.interrupts(bytes) {
            self.keyboard.flush();
            if let Err(error) = pty.forget_input() {
                debug!(%error, "the terminal keeps what was typed before an interrupt");
            }
        }
        self.keyboard.type_in(hand, bytes)
    }
}
