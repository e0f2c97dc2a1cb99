//! What a viewer sends: keys, sizes and acks. A viewer that may only read is not heard about keys and sizes.

use std::sync::Arc;

use podling_proto::terminal::{AttachRequest, attach_request::Message};
use podling_session::{size::WindowSize, token::Scope};
use tonic::Streaming;

use super::{Stage, registry::Viewer};

/// Listens until the viewer leaves or its stream is over.
pub(super) async fn listen(mut requests: Streaming<AttachRequest>, viewer: Arc<Viewer>, stage: Arc<Stage>) {
    loop {
        let request = tokio::select! {
            biased;
            () = viewer.over() => break,
            request = requests.message() => request,
        };
        match request {
            Ok(Some(AttachRequest { message: Some(message) })) => hear(message, &viewer, &stage).await,
            Ok(Some(_)) => {} // Of a kind that this build does not know.
            Ok(None) | Err(_) => break,
        }
    }
    viewer.leave();
}

async fn hear(message: Message, viewer: &Viewer, stage: &Stage) {
    let writes = viewer.scope == Scope::ReadWrite;
    match message {
        Message::Ack(offset) => viewer.ack(offset),
        Message::ResumeAck(generation) => viewer.confirm(generation),
        Message::Input(bytes) if writes => {
            stage.window.change(|windows| windows.activate(viewer.stream));
            stage.activity.happened();
            tokio::select! {
                () = viewer.over() => {}
                () = stage.keyboard.type_in(bytes) => {}
            }
        }
        Message::Resize(size) if writes => {
            if let Ok(size) = WindowSize::try_from(size) {
                stage.window.change(|windows| windows.tell(viewer.stream, size));
            }
        }
        Message::Focus(_) if writes => stage.window.change(|windows| windows.activate(viewer.stream)),
        Message::Input(_) | Message::Resize(_) | Message::Focus(_) | Message::Open(_) | Message::Fetch(_) => {}
    }
}
