//! The controller, as a runner knows it: it registers there, keeps one control stream open, and reports.
//!
//! Calls are idempotent and repeated until they are answered, or until the controller counts as gone.

mod backoff;
mod bundle;
mod contact;
mod control;
mod orders;
mod report;

use std::{sync::Arc, time::Duration};

use podling_proto::{
    channel::Route,
    control::{RegisterRequest, runners_client::RunnersClient},
};
use podling_session::id::RunnerId;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{sleep, timeout};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};
use tracing::{debug, info};

use backoff::Backoff;

use crate::listen::Serves;

pub(crate) use contact::{Contact, Patience};
pub(crate) use control::{Vitals, attend};
pub(crate) use orders::{Order, Orders, Stop};
pub(crate) use report::{Phase, report_leases, report_phases, report_segments};

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Proves to the controller who this runner is.
#[derive(Debug)]
pub struct Bootstrap {
    pub(crate) runner: RunnerId,
    pub(crate) secret: SecretString,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ControllerError {
    #[error("the controller is gone")]
    Gone,
    /// Repeating would not help.
    #[error("the controller refused {what}")]
    Refused {
        what: &'static str,
        #[source]
        status: Status,
    },
}

/// A registered runner's calls. Clones share one connection.
#[derive(Clone)]
pub(crate) struct Controller {
    client: RunnersClient<Channel>,
    credential: MetadataValue<Ascii>,
    contact: Arc<Contact>,
}

impl Controller {
    /// Registers, for as long as it takes.
    pub(crate) async fn register(
        route: &Route,
        bootstrap: Bootstrap,
        serves: Serves,
        contact: Arc<Contact>,
    ) -> Result<Controller, ControllerError> {
        let client = RunnersClient::new(route.channel());
        let request = RegisterRequest {
            runner_id: bootstrap.runner.to_string(),
            secret: bootstrap.secret.expose_secret().to_owned(),
            certificate: serves.certificate.into(),
            address: serves.address.to_string(),
        };
        let call = || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.register(request).await }
        };
        let response = repeat(&contact, "the registration", call).await?;
        let refused = |_| ControllerError::Refused {
            what: "the registration",
            status: Status::internal("the credential is not a header value"),
        };
        let mut credential: MetadataValue<Ascii> =
            format!("Bearer {}", response.credential).parse().map_err(refused)?;
        credential.set_sensitive(true);
        info!("runner {} is registered", bootstrap.runner);
        Ok(Controller { client, credential, contact })
    }

    /// One call, repeated.
    async fn call<Q, R, F>(&self, what: &'static str, request: Q, call: F) -> Result<R, ControllerError>
    where
        Q: Clone,
        F: AsyncFn(RunnersClient<Channel>, Request<Q>) -> Result<tonic::Response<R>, Status>,
    {
        repeat(&self.contact, what, || call(self.client.clone(), self.signed(request.clone()))).await
    }

    fn signed<Q>(&self, message: Q) -> Request<Q> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.credential.clone());
        request
    }

    pub(crate) fn contact(&self) -> &Contact {
        &self.contact
    }
}

async fn repeat<R, F>(contact: &Contact, what: &'static str, call: impl Fn() -> F) -> Result<R, ControllerError>
where
    F: Future<Output = Result<tonic::Response<R>, Status>>,
{
    let mut backoff = Backoff::new();
    loop {
        let answer = tokio::select! {
            () = contact.gone() => return Err(ControllerError::Gone),
            answer = timeout(CALL_TIMEOUT, call()) => answer,
        };
        let status = match answer {
            Ok(Ok(response)) => {
                contact.heard();
                return Ok(response.into_inner());
            }
            Ok(Err(status)) if !is_passing(status.code()) => return Err(ControllerError::Refused { what, status }),
            Ok(Err(status)) => status,
            Err(elapsed) => Status::from_error(Box::new(elapsed)),
        };
        debug!(%status, "{what} was not answered; trying again");
        contact.failed(&status);
        if contact.check() {
            return Err(ControllerError::Gone);
        }
        sleep(backoff.next()).await;
    }
}

/// Whether trying again may help. `Unknown`, `Internal` and `Cancelled` are what a connection that was cut looks like.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Unknown
            | Code::Internal
            | Code::Cancelled
            | Code::Aborted
            | Code::ResourceExhausted
    )
}
