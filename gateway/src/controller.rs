//! Calls to the controller, with this gateway's credential.

use std::time::Duration;

use podling_daemon::service_key::ServiceKeys;
use podling_proto::{
    channel::Route,
    control::{AdmitRequest, AdmitResponse, GetKeysRequest, GetKeysResponse, gateways_client::GatewaysClient},
};
use secrecy::ExposeSecret;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};

use crate::admitting::Admitting;

/// How long the controller may take to a first answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Controller {
    channel: Channel,
    credential: ServiceKeys,
    /// Calls that nobody listens to any more.
    pub(crate) leftovers: TaskTracker,
}

impl Controller {
    pub(crate) fn new(route: &Route, credential: ServiceKeys) -> Controller {
        Controller { channel: route.channel(), credential, leftovers: TaskTracker::new() }
    }

    /// Where the logs of ended sessions are served.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A call to `Gateways`, with the credential.
    pub(crate) fn authorized<T>(&self, message: T) -> Request<T> {
        let value = format!("Bearer {}", self.credential.shown().expose_secret());
        let mut authorization = MetadataValue::try_from(value).expect("keys are visible ASCII");
        authorization.set_sensitive(true);
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", authorization);
        podling_daemon::request::carry(request.metadata_mut());
        request
    }

    /// The stream and its first answer.
    pub(crate) async fn admit(&self, ask: AdmitRequest) -> Result<(AdmitResponse, Admitting), Status> {
        let mut client = GatewaysClient::new(self.channel.clone());
        let answered = timeout(ANSWER_TIMEOUT, async {
            let stream = client.admit(self.authorized(ask)).await?.into_inner();
            let mut stream = Admitting::new(stream, self.leftovers.clone());
            let first = stream.message().await?;
            Ok((first.ok_or_else(|| Status::unavailable("the call ended without an answer"))?, stream))
        });
        answered.await.unwrap_or_else(|_| Err(Status::unavailable("no answer in time")))
    }

    /// The keys of session tokens, and how long they may be kept.
    pub(crate) async fn keys(&self) -> Result<GetKeysResponse, Status> {
        let mut client = GatewaysClient::new(self.channel.clone());
        let answered = timeout(ANSWER_TIMEOUT, client.get_keys(self.authorized(GetKeysRequest {})));
        let response = answered.await.map_err(|_| Status::unavailable("no answer in time"))??;
        Ok(response.into_inner())
    }
}

/// The code that the peer itself gave. A connection that broke gives codes of its own, which say nothing of the viewer:
/// HTTP/2's ENHANCE_YOUR_CALM, for one, reads as "resource exhausted".
pub(crate) fn code(status: &Status) -> Code {
    match std::error::Error::source(status) {
        Some(_) => Code::Unavailable,
        None => status.code(),
    }
}
