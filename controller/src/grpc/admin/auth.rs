//! Who is an operator: whoever shows an operator's credential with the scope `admin`, or comes with a certificate of the
//! operators' authority.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use http::HeaderMap;
use podling_daemon::{grpc::Remote, request};
use podling_session::{
    audit::{Action, Actor, Entry},
    principal::{Owner, Principal, Role},
    scopes::Scopes,
    store::StoreError,
};
use sha2::{Digest, Sha256};
use tonic::{Status, service::Routes};

use crate::{core::Core, grpc::error::Error, identity};

/// Services that tell nothing of the deployment: a balancer probes the one, a client reads in the other what there is.
const OPEN: [&str; 3] =
    ["/grpc.health.v1.Health/", "/grpc.reflection.v1.ServerReflection/", "/grpc.reflection.v1alpha.ServerReflection/"];

#[derive(Debug)]
enum Refused {
    /// Nobody knows who calls.
    Unknown(&'static str),
    NotOperator(Principal),
    Store(StoreError),
}

/// Every call but those of [`OPEN`] is an operator's, whatever its method.
pub(super) fn guarded(routes: Routes, core: Core) -> Routes {
    routes.into_axum_router().layer(middleware::from_fn_with_state(core, admit)).into()
}

async fn admit(State(core): State<Core>, request: Request, next: Next) -> Response {
    if OPEN.iter().any(|service| request.uri().path().starts_with(service)) {
        return next.run(request).await;
    }
    match operator(&core, request.headers(), request.extensions().get()).await {
        Ok(operator) => {
            request::identify(operator);
            next.run(request).await
        }
        Err(refused) => status(&core, refused).into_http::<Body>(),
    }
}

async fn operator(core: &Core, headers: &HeaderMap, remote: Option<&Remote>) -> Result<Actor, Refused> {
    match core.identity.principal(headers, None, None, None).await {
        Ok(principal) if principal.role == Role::Operator && principal.scopes.contains(Scopes::ADMIN) => {
            Ok(Actor::from(&principal))
        }
        Ok(principal) => Err(Refused::NotOperator(principal)),
        Err(identity::Refused::Missing) => holder(remote).ok_or(Refused::Unknown("missing-key")),
        Err(identity::Refused::Store(error)) => Err(Refused::Store(error)),
        Err(error @ identity::Refused::Unavailable) => Err(Refused::Store(StoreError::Unavailable(Box::new(error)))),
        Err(_) => Err(Refused::Unknown("invalid-key")),
    }
}

/// Who has the key of the certificate that the connection began with: the handshake has checked it.
fn holder(remote: Option<&Remote>) -> Option<Actor> {
    let certificate = remote?.certificate.as_ref()?;
    let hash: String = Sha256::digest(certificate).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let owner = Owner {
        tenant: "certificate:claim:operators".parse().expect("it is of the form of a tenant"),
        subject: format!("sha256:{hash}").into(),
    };
    Some(Actor { owner, role: Role::Operator, source: "certificate".into() })
}

/// The one answer for whoever is unknown, and the one for whoever is no operator.
fn status(core: &Core, refused: Refused) -> Status {
    match refused {
        Refused::Unknown(kind) => {
            metrics::counter!("podling_auth_failures_total", "reason" => kind).increment(1);
            core.audit.record(Entry::refused(Action::AuthRefuse, kind));
            Status::unauthenticated("an operator's credential is needed")
        }
        Refused::NotOperator(principal) => {
            metrics::counter!("podling_auth_failures_total", "reason" => "not-operator").increment(1);
            core.audit.record(Entry::refused(Action::AccessRefuse, "not-operator").by(&principal));
            Status::permission_denied("for operators with the scope admin alone")
        }
        Refused::Store(error) => Error::from(error).into(),
    }
}
