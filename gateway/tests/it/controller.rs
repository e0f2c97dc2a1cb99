//! The controller's side of Admit and GetKeys, checked as strictly as the real one does.

use std::{
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use jiff::Timestamp;
use podling_proto::{
    control::{
        AdmitRequest, AdmitResponse, Admitted, AtController, AtRunner, GatewayOrder, GatewayReport, GetKeysRequest,
        GetKeysResponse, admit_request::Capability, admit_response::Message, gateways_server::Gateways,
    },
    terminal::Stage,
};
use podling_session::{
    capability::{Grant, Resume, SessionKey},
    id::Uid,
    token::{Expected, verify},
};
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::world::ISSUER;

/// Where the controller says that the session is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    Runner(String),
    Stored,
}

pub(crate) struct ControllerDouble {
    uid: Uid,
    session_key: SessionKey,
    jwks: Mutex<String>,
    pub(crate) fetches: AtomicUsize,
    /// Refuses with this code, if any.
    pub(crate) refuse: Mutex<Option<Code>>,
    /// None while the session starts.
    pub(crate) place: watch::Sender<Option<Place>>,
    pub(crate) stage: watch::Sender<String>,
}

impl ControllerDouble {
    pub(crate) fn new(uid: Uid, session_key: SessionKey, jwks: String, runner: String) -> ControllerDouble {
        ControllerDouble {
            uid,
            session_key,
            jwks: Mutex::new(jwks),
            fetches: AtomicUsize::new(0),
            refuse: Mutex::new(None),
            place: watch::Sender::new(Some(Place::Runner(runner))),
            stage: watch::Sender::new("scheduling".into()),
        }
    }

    pub(crate) fn set_refuse(&self, code: Option<Code>) {
        *self.refuse.lock().expect("no panic") = code;
    }

    pub(crate) fn set_jwks(&self, jwks: String) {
        *self.jwks.lock().expect("no panic") = jwks;
    }

    /// The viewer's next resume token and the grant that stands for what it showed.
    fn check(&self, ask: &AdmitRequest) -> Result<(Resume, Grant), Status> {
        if let Some(code) = *self.refuse.lock().expect("no panic") {
            return Err(Status::new(code, "switched"));
        }
        if ask.uid != self.uid.to_string() {
            return Err(Status::not_found("no such session"));
        }
        let bad = |_| Status::unauthenticated("refused");
        let now = Timestamp::now();
        let (viewer, nonce, generation, scope) = match ask.capability.as_ref().expect("a capability") {
            Capability::SessionToken(token) => {
                let keys = serde_json::from_str(&self.jwks.lock().expect("no panic")).expect("our keys");
                let expected = Expected { issuer: ISSUER, session: self.uid, now, slack: Duration::ZERO };
                let claims = verify(token, &keys, &expected).map_err(|_| Status::unauthenticated("refused"))?;
                let nonce = ask.nonce.parse().map_err(|_| Status::unauthenticated("nonce"))?;
                (claims.jti, nonce, 0, claims.scope)
            }
            Capability::ResumeToken(token) => {
                let resume = self.session_key.resume_key().verify(token).map_err(bad)?;
                (resume.viewer, resume.nonce, resume.generation, resume.scope)
            }
        };
        let grant =
            Grant { session: self.uid, viewer, nonce, generation, issued_at: now, scope, who: Default::default() };
        Ok((
            Resume { session: self.uid, viewer, nonce, generation: generation + 1, scope, who: Default::default() },
            grant,
        ))
    }
}

type Orders = Pin<Box<dyn Stream<Item = Result<GatewayOrder, Status>> + Send>>;
type Answers = Pin<Box<dyn Stream<Item = Result<AdmitResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Gateways for ControllerDouble {
    type AdmitStream = Answers;
    type WatchStream = Orders;

    async fn watch(&self, _: Request<Streaming<GatewayReport>>) -> Result<Response<Orders>, Status> {
        Ok(Response::new(Box::pin(stream::pending())))
    }

    async fn admit(&self, request: Request<AdmitRequest>) -> Result<Response<Answers>, Status> {
        authorized(&request)?;
        let (resume, grant) = self.check(request.get_ref())?;
        let admitted = Message::Admitted(Admitted {
            resume_token: self.session_key.resume_key().sign(&resume),
            generation: resume.generation,
            viewer_id: resume.viewer.to_string(),
            read_only: false,
        });
        let starting = self.place.borrow().is_none();
        let stage = starting.then(|| Message::Stage(Stage { name: self.stage.borrow().clone(), elapsed_millis: 5 }));
        let mut place = self.place.subscribe();
        let grant_key = self.session_key.grant_key();
        let place = stream::once(async move {
            let place = place.wait_for(Option::is_some).await.expect("the double lives").clone();
            let grant = grant_key.sign(&Grant { issued_at: Timestamp::now(), ..grant });
            match place.expect("waited for") {
                Place::Runner(address) => {
                    Message::Runner(AtRunner { grant, address, certificate: [0; 32].to_vec().into() })
                }
                Place::Stored => Message::Stored(AtController { grant }),
            }
        });
        let messages = stream::iter([Some(admitted), stage].into_iter().flatten()).chain(place);
        let answers = messages.map(|message| Ok(AdmitResponse { message: Some(message) }));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn get_keys(&self, request: Request<GetKeysRequest>) -> Result<Response<GetKeysResponse>, Status> {
        authorized(&request)?;
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if let Some(Code::Internal) = *self.refuse.lock().expect("no panic") {
            return Err(Status::internal("switched"));
        }
        Ok(Response::new(GetKeysResponse { jwks: self.jwks.lock().expect("no panic").clone(), life_millis: 0 }))
    }
}

fn authorized<T>(request: &Request<T>) -> Result<(), Status> {
    let shown = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    if shown == Some("Bearer service-credential") { Ok(()) } else { Err(Status::permission_denied("no credential")) }
}
