//! Streams that would outlast the server: when it drains, each ends with a last word.

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// The stream, or what of it comes until `stop`, and then `last`.
pub(crate) fn until<T: Send + 'static>(
    stop: CancellationToken,
    stream: BoxStream<'static, T>,
    last: T,
) -> BoxStream<'static, T> {
    let state = Some((stop, stream, last));
    stream::unfold(state, |state| async move {
        let (stop, mut stream, last) = state?;
        tokio::select! {
            biased;
            () = stop.cancelled() => Some((last, None)),
            item = stream.next() => Some((item?, Some((stop, stream, last)))),
        }
    })
    .boxed()
}

/// For callers that come again, here or at another controller.
pub(crate) fn draining() -> Status {
    Status::unavailable("the controller is draining")
}
