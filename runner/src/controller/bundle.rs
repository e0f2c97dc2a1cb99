//! The bundle that this runner's session is made from, as it comes from any controller.

use bytes::Bytes;
use futures_util::{Stream, stream};
use podling_proto::control::{BundlePiece, FetchBundleRequest};
use podling_session::id::Incarnation;
use tokio::time::sleep;
use tonic::{Status, Streaming};
use tracing::debug;

use super::{Controller, ControllerError, RunnersClient, backoff::Backoff, is_passing};

/// A bundle on its way.
pub(crate) struct Bundle {
    controller: Controller,
    request: FetchBundleRequest,
    pieces: Streaming<BundlePiece>,
    pub(crate) total_bytes: Option<u64>,
}

impl Controller {
    /// Asks for the bundle, for as long as it takes.
    pub(crate) async fn bundle(&self, life: Incarnation, sha256: &str) -> Result<Bundle, ControllerError> {
        let request = FetchBundleRequest {
            uid: life.uid.to_string(),
            incarnation: life.number,
            sha256: sha256.to_owned(),
            offset: 0,
        };
        let mut pieces = self.pieces(&request).await?;
        // The first piece tells how much it is; whoever breaks off before it does so again below.
        let first = pieces.message().await.ok().flatten();
        Ok(Bundle { controller: self.clone(), request, pieces, total_bytes: first.and_then(|piece| piece.total_bytes) })
    }

    async fn pieces(&self, request: &FetchBundleRequest) -> Result<Streaming<BundlePiece>, ControllerError> {
        let call = async |mut client: RunnersClient<_>, request| client.fetch_bundle(request).await;
        self.call("the bundle", request.clone(), call).await
    }
}

impl Bundle {
    /// Its bytes, through controllers that end.
    pub(crate) fn bytes(self) -> impl Stream<Item = Result<Bytes, ControllerError>> + Send {
        stream::unfold(Some(self), |bundle| async {
            let mut bundle = bundle?;
            match bundle.next().await {
                Ok(bytes) => bytes.map(|bytes| (Ok(bytes), Some(bundle))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ControllerError> {
        loop {
            match self.pieces.message().await {
                Ok(Some(piece)) if piece.data.is_empty() => {}
                Ok(Some(piece)) => {
                    self.request.offset += piece.data.len() as u64;
                    return Ok(Some(piece.data));
                }
                Ok(None) => return Ok(None),
                Err(status) => self.go_on(status).await?,
            }
        }
    }

    async fn go_on(&mut self, status: Status) -> Result<(), ControllerError> {
        if !is_passing(status.code()) {
            return Err(ControllerError::Refused { what: "the bundle", status });
        }
        debug!(%status, "the bundle broke off at {}", self.request.offset);
        sleep(Backoff::new().next()).await; // It may break off again and again.
        self.pieces = self.controller.pieces(&self.request).await?;
        Ok(())
    }
}
