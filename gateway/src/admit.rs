//! The decision: a token is checked here, then by the controller, and only then spent. So 404, 429 and 503 spend
//! nothing.

use std::time::Duration;

use podling_daemon::request::Context;
use podling_proto::control::{AdmitRequest, Admitted, admit_request, admit_response};
use podling_session::{
    id::{AttachNonce, Uid},
    refusal::Refusal,
    replay::{Claim, ReplayGuard},
    token::{Claims, GATEWAY_SLACK},
};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tracing::{error, warn};

use crate::{
    Inner,
    admitting::Admitting,
    attach::{Ask, Capability, Dialect},
    controller::{self, Controller},
    verify,
};

/// How long the replay guard may take. It has a shorter deadline of its own.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(1);

/// An admitted viewer: where its session is comes from `stream`.
pub(crate) struct Admission {
    pub(crate) admitted: Admitted,
    pub(crate) stream: Admitting,
}

/// Admits a new request to attach.
pub(crate) async fn admit(gateway: &Inner, ask: &Ask) -> Result<Admission, Refusal> {
    match &ask.capability {
        Capability::Resume { token } => resume(&gateway.controller, ask.uid, token.clone()).await,
        Capability::Session { token, nonce } => {
            let claims = verify::session_token(token, ask.uid, &gateway.config.issuer, &gateway.keys).await?;
            if ask.dialect == Dialect::Framed {
                return fresh(gateway, ask.uid, token, &claims, *nonce).await;
            }
            let nonce = gateway.unsettled.take(claims.jti).unwrap_or(*nonce);
            let admitted = fresh(gateway, ask.uid, token, &claims, nonce).await;
            if !matches!(admitted, Ok(_) | Err(Refusal::Token)) {
                gateway.unsettled.keep(claims.jti, nonce, Instant::now() + life(&claims));
            }
            admitted
        }
    }
}

async fn fresh(
    gateway: &Inner,
    uid: Uid,
    token: &str,
    claims: &Claims,
    nonce: AttachNonce,
) -> Result<Admission, Refusal> {
    let capability = admit_request::Capability::SessionToken(token.to_owned());
    let admission = call(&gateway.controller, uid, capability, nonce.to_string()).await?;
    spend(gateway.config.guard.as_ref(), claims, nonce).await?;
    Ok(admission)
}

async fn spend(guard: &dyn ReplayGuard, claims: &Claims, nonce: AttachNonce) -> Result<(), Refusal> {
    match timeout(CLAIM_TIMEOUT, guard.claim(claims.jti, nonce, life(claims))).await {
        Ok(Ok(Claim::First | Claim::Again)) => Ok(()),
        Ok(Ok(Claim::Spent)) => Err(Refusal::Token),
        Ok(Err(cause)) => {
            error!(?cause, "the replay guard cannot be asked");
            Err(Refusal::Unavailable)
        }
        Err(_) => {
            error!("the replay guard does not answer");
            Err(Refusal::Unavailable)
        }
    }
}

/// Admits a viewer that comes back. Needs neither keys nor the replay guard.
pub(crate) async fn resume(controller: &Controller, uid: Uid, token: String) -> Result<Admission, Refusal> {
    call(controller, uid, admit_request::Capability::ResumeToken(token), String::new()).await
}

async fn call(
    controller: &Controller,
    uid: Uid,
    capability: admit_request::Capability,
    nonce: String,
) -> Result<Admission, Refusal> {
    let address = Context::current().and_then(|context| context.address);
    let client_address = address.map(|address| address.to_string()).unwrap_or_default();
    let ask = AdmitRequest { uid: uid.to_string(), capability: Some(capability), nonce, client_address };
    let (first, stream) = controller.admit(ask).await.map_err(|status| refusal(&status))?;
    match first.message {
        Some(admit_response::Message::Admitted(admitted)) => Ok(Admission { admitted, stream }),
        _ => {
            error!(session.uid = %uid, "the controller's first answer to Admit is not `admitted`");
            Err(Refusal::Unavailable)
        }
    }
}

/// What a refusal of the controller means to a viewer.
fn refusal(status: &Status) -> Refusal {
    match controller::code(status) {
        Code::Unauthenticated => Refusal::Token,
        Code::NotFound => Refusal::NoSuchSession,
        Code::FailedPrecondition => Refusal::Pruned,
        Code::ResourceExhausted => Refusal::TooManyViewers,
        code => {
            warn!(?code, message = status.message(), "the controller cannot admit");
            Refusal::Unavailable
        }
    }
}

/// How long a claim must be remembered: the token's whole life, and what our clock may be off.
fn life(claims: &Claims) -> Duration {
    let seconds = u64::try_from(claims.exp.saturating_sub(claims.iat)).unwrap_or(0);
    Duration::from_secs(seconds) + GATEWAY_SLACK
}
