//! The door of gateways: viewers are admitted here, and here are the keys of their tokens.

use futures_util::stream::BoxStream;
use podling_proto::control::{
    AdmitRequest, AdmitResponse, GatewayOrder, GatewayReport, GetKeysRequest, GetKeysResponse,
    gateways_server::Gateways,
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::warn;

use super::{admit, reports};
use crate::{core::Core, drain};

pub(super) struct GatewaysDoor {
    pub(super) core: Core,
    pub(super) stop: CancellationToken,
}

#[tonic::async_trait]
impl Gateways for GatewaysDoor {
    type WatchStream = BoxStream<'static, Result<GatewayOrder, Status>>;
    type AdmitStream = BoxStream<'static, Result<AdmitResponse, Status>>;

    async fn admit(&self, request: Request<AdmitRequest>) -> Result<Response<Self::AdmitStream>, Status> {
        let answers = admit::admit(self.core.clone(), request.into_inner()).await?;
        Ok(Response::new(drain::until(self.stop.clone(), answers, Err(drain::draining()))))
    }

    async fn get_keys(&self, _: Request<GetKeysRequest>) -> Result<Response<GetKeysResponse>, Status> {
        let signer = &self.core.signer;
        // Whoever asks may have seen a key of another controller's.
        if let Err(error) = signer.refresh().await {
            warn!(error = &error as &dyn std::error::Error, "the signing keys could not be looked at");
        }
        let jwks = serde_json::to_string(&*signer.keys()).expect("public keys always serialize");
        let life_millis = u64::try_from(signer.keys_life().as_millis()).unwrap_or(u64::MAX);
        Ok(Response::new(GetKeysResponse { jwks, life_millis }))
    }

    async fn watch(&self, request: Request<Streaming<GatewayReport>>) -> Result<Response<Self::WatchStream>, Status> {
        let orders = reports::answer(self.core.clone(), request.into_inner());
        Ok(Response::new(drain::until(self.stop.clone(), orders, Err(drain::draining()))))
    }
}
