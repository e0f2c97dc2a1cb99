//! The door of gateways: viewers are admitted here, and here are the keys of their tokens.

use futures_util::stream::BoxStream;
use podling_proto::control::{AdmitRequest, AdmitResponse, GetKeysRequest, GetKeysResponse, gateways_server::Gateways};
use tonic::{Request, Response, Status};

use super::admit;
use crate::core::Core;

pub(super) struct GatewaysDoor {
    pub(super) core: Core,
}

#[tonic::async_trait]
impl Gateways for GatewaysDoor {
    type AdmitStream = BoxStream<'static, Result<AdmitResponse, Status>>;

    async fn admit(&self, request: Request<AdmitRequest>) -> Result<Response<Self::AdmitStream>, Status> {
        Ok(Response::new(admit::admit(self.core.clone(), request.into_inner()).await?))
    }

    async fn get_keys(&self, _: Request<GetKeysRequest>) -> Result<Response<GetKeysResponse>, Status> {
        let jwks = serde_json::to_string(&self.core.signer.keys()).expect("public keys always serialize");
        Ok(Response::new(GetKeysResponse { jwks }))
    }
}
