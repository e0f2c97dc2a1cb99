//! The operators' door, on a port of its own.
//!
//! One layer in front of every method decides who is an operator (`auth`); a method turns its request into domain types, calls
//! one verb, and turns the outcome into an answer (`view`).

mod audit;
mod auth;
mod error;
mod events;
mod gateways;
mod keys;
mod quotas;
mod sessions;
mod signing;
mod stats;
mod view;

use futures_util::stream::BoxStream;
use podling_daemon::grpc::{in_context, server};
use podling_proto::{
    ADMIN_DESCRIPTORS,
    admin::{
        ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, DrainGatewayRequest, Event, Gateway, GetQuotaRequest,
        GetQuotaResponse, GetSessionRequest, ListApiKeysRequest, ListApiKeysResponse, ListAuditRequest,
        ListAuditResponse, ListGatewaysRequest, ListGatewaysResponse, ListSessionsRequest, ListSessionsResponse,
        RevokeApiKeyRequest, RotateApiKeyRequest, RotateKeysRequest, RotateKeysResponse, Session, SetQuotaRequest,
        StatsRequest, StatsResponse, SweepRequest, SweepResponse, TerminateSessionRequest, WatchEventsRequest,
        admin_server::{Admin, AdminServer},
    },
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes, transport::server::Router};

use crate::core::Core;

/// Requests are short: the longest is a quota.
const MAX_FROM_OPERATOR: usize = 64 * 1024;
/// Windows of an operator's connection: answers are pages.
const WINDOW: u32 = 1 << 20;

/// The service, with health and reflection for everybody. Streams that are open at `stop` end with it.
///
/// # Errors
/// When the description of the service cannot be read.
pub(crate) async fn router(core: Core, stop: CancellationToken) -> Result<Router, tonic_reflection::server::Error> {
    let reflection =
        || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(ADMIN_DESCRIPTORS);
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<AdminServer<AdminDoor>>().await;
    let door = AdminDoor { core: core.clone(), stop };
    let routes = Routes::new(AdminServer::new(door).max_decoding_message_size(MAX_FROM_OPERATOR))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(health);
    Ok(server(WINDOW, WINDOW).add_routes(in_context(auth::guarded(routes, core))))
}

struct AdminDoor {
    core: Core,
    stop: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Admin for AdminDoor {
    type WatchEventsStream = BoxStream<'static, Result<Event, Status>>;

    async fn list_sessions(&self, request: Request<ListSessionsRequest>) -> Answer<ListSessionsResponse> {
        Ok(Response::new(sessions::list(&self.core, request.into_inner()).await?))
    }

    async fn get_session(&self, request: Request<GetSessionRequest>) -> Answer<Session> {
        Ok(Response::new(sessions::get(&self.core, &request.into_inner().uid).await?))
    }

    async fn watch_events(&self, request: Request<WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        let events = events::watch(self.core.clone(), self.stop.clone(), request.into_inner());
        Ok(Response::new(events.map_err(error::Error::from)?))
    }

    async fn terminate_session(&self, request: Request<TerminateSessionRequest>) -> Answer<Session> {
        Ok(Response::new(sessions::terminate(&self.core, request.into_inner()).await?))
    }

    async fn create_api_key(&self, request: Request<CreateApiKeyRequest>) -> Answer<CreateApiKeyResponse> {
        Ok(Response::new(keys::create(&self.core, request.into_inner()).await?))
    }

    async fn list_api_keys(&self, request: Request<ListApiKeysRequest>) -> Answer<ListApiKeysResponse> {
        Ok(Response::new(keys::list(&self.core, request.into_inner()).await?))
    }

    async fn rotate_api_key(&self, request: Request<RotateApiKeyRequest>) -> Answer<CreateApiKeyResponse> {
        Ok(Response::new(keys::rotate(&self.core, request.into_inner()).await?))
    }

    async fn revoke_api_key(&self, request: Request<RevokeApiKeyRequest>) -> Answer<ApiKey> {
        Ok(Response::new(keys::revoke(&self.core, &request.into_inner().id).await?))
    }

    async fn get_quota(&self, request: Request<GetQuotaRequest>) -> Answer<GetQuotaResponse> {
        Ok(Response::new(quotas::get(&self.core, request.into_inner()).await?))
    }

    async fn set_quota(&self, request: Request<SetQuotaRequest>) -> Answer<GetQuotaResponse> {
        Ok(Response::new(quotas::set(&self.core, request.into_inner()).await?))
    }

    async fn rotate_keys(&self, _: Request<RotateKeysRequest>) -> Answer<RotateKeysResponse> {
        Ok(Response::new(signing::rotate(&self.core).await?))
    }

    async fn list_gateways(&self, _: Request<ListGatewaysRequest>) -> Answer<ListGatewaysResponse> {
        Ok(Response::new(gateways::list(&self.core).await?))
    }

    async fn drain_gateway(&self, request: Request<DrainGatewayRequest>) -> Answer<Gateway> {
        Ok(Response::new(gateways::drain(&self.core, &request.into_inner().id).await?))
    }

    async fn stats(&self, _: Request<StatsRequest>) -> Answer<StatsResponse> {
        Ok(Response::new(stats::stats(&self.core).await?))
    }

    async fn sweep(&self, _: Request<SweepRequest>) -> Answer<SweepResponse> {
        Ok(Response::new(stats::sweep(&self.core).await?))
    }

    async fn list_audit(&self, request: Request<ListAuditRequest>) -> Answer<ListAuditResponse> {
        Ok(Response::new(audit::list(&self.core, request.into_inner()).await?))
    }
}
