//! Admission of one viewer: its token is checked, then it is led to where the terminal is served, stage by stage.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use podling_daemon::request;
use podling_proto::{
    control::{
        AdmitRequest, AdmitResponse, Admitted, AtController, AtRunner, admit_request::Capability, admit_response,
    },
    terminal,
};
use podling_session::{
    audit::{Action, Actor, Entry},
    capability::{Grant, GrantKey, Resume, SessionKey},
    id::Uid,
    phase::Stage,
    principal::{Owner, Role},
    session::{Release, Session},
    token::{self, Claims, Expected, Scope, TokenError},
};
use tokio::time::Instant;
use tonic::Status;
use tracing::{debug, warn};

use super::error::Error;
use crate::{
    core::Core,
    logs::{
        follow::SETTLE_DEADLINE,
        pace::Pace,
        place::{self, At, Place},
        read::Stored,
    },
    quotas,
};

type Answers = BoxStream<'static, Result<AdmitResponse, Status>>;

/// Admits, or refuses before the first answer. Either is told to the audit, but for viewers that come back.
pub(super) async fn admit(core: Core, request: AdmitRequest) -> Result<Answers, Error> {
    let address = request.client_address.parse().ok();
    let comes_back = matches!(request.capability, Some(Capability::ResumeToken(_)));
    let admitted = decide(core.clone(), request).await;
    match &admitted {
        Ok((session, _)) if !comes_back => {
            core.audit.record(Entry::done(Action::SessionAttach).on(*session).from(address));
        }
        Ok(_) => {}
        Err(error) => core.audit.record(Entry::refused(Action::SessionAttach, kind(error)).from(address)),
    }
    Ok(admitted?.1)
}

/// What an operator has to know of a refusal.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Token => "token",
        Error::NoSession => "no-such-session",
        Error::TooManyViewers => "too-many-viewers",
        Error::Pruned => "log-pruned",
        _ => "unavailable",
    }
}

async fn decide(core: Core, request: AdmitRequest) -> Result<(Uid, Answers), Error> {
    let uid: Uid = request.uid.parse().map_err(|_| Error::NoSession)?;
    let session = visible(&core, uid).await?;
    let key = session_key(&core, uid).await?;
    let shown = check(&core, &session, &key, request).await?;
    refuse_revoked(&core, &shown).await?;
    // A viewer that comes back may be counted already: the runner knows, and decides.
    if shown.generation == 0
        && session.release == Release::Held
        && session.viewers >= quotas::effective(&core, &session.owner).await?.viewers
    {
        return Err(Error::TooManyViewers);
    }
    refuse_pruned(&core, &session).await?;
    let first = admitted(&shown, &key);
    let admission = Admission { core, shown, key: key.grant_key(), stage: None, next: Next::Answer(first) };
    let answers = stream::unfold(admission, |mut admission| async move {
        let answer = admission.next().await?;
        Some((answer.map_err(Status::from), admission))
    });
    Ok((uid, answers.boxed()))
}

async fn visible(core: &Core, uid: Uid) -> Result<Session, Error> {
    let session = core.system.find(uid).await?;
    session.filter(|session| session.deleted_at.is_none()).ok_or(Error::NoSession)
}

async fn session_key(core: &Core, uid: Uid) -> Result<SessionKey, Error> {
    let sealed = core.system.sealed(uid).await?.ok_or(Error::NoSession)?;
    Ok(core.seal.open_key(uid, &sealed)?)
}

/// What the viewer has shown, whichever of the two tokens it was: generation 0 stands for a session token.
async fn check(core: &Core, session: &Session, key: &SessionKey, request: AdmitRequest) -> Result<Resume, Error> {
    match request.capability.ok_or(Error::Token)? {
        Capability::SessionToken(text) => {
            let now = core.system.ping().await?;
            let expected = Expected { issuer: &core.settings.issuer, session: session.uid, now, slack: Duration::ZERO };
            let claims = verify(core, &text, &expected).await.map_err(refused)?;
            if claims.tid != session.owner.tenant.as_str() {
                return Err(Error::Token);
            }
            request::identify(bearer(session, &claims));
            let nonce = request.nonce.parse().map_err(|_| Error::Token)?;
            Ok(Resume {
                session: session.uid,
                viewer: claims.jti,
                nonce,
                generation: 0,
                scope: claims.scope,
                who: claims.who,
            })
        }
        Capability::ResumeToken(text) => {
            let resume = key.resume_key().verify(&text).map_err(|_| Error::Token)?;
            if resume.session == session.uid { Ok(resume) } else { Err(Error::Token) }
        }
    }
}

/// Another controller may have signed with a key that we have not seen yet.
async fn verify(core: &Core, text: &str, expected: &Expected<'_>) -> Result<Claims, TokenError> {
    match token::verify(text, &core.signer.keys(), expected) {
        Err(TokenError::UnknownKey) => {
            if let Err(error) = core.signer.refresh().await {
                warn!(error = &error as &dyn std::error::Error, "the signing keys could not be looked at");
            }
            token::verify(text, &core.signer.keys(), expected)
        }
        verified => verified,
    }
}

/// Whom the token was given to.
fn bearer(session: &Session, claims: &Claims) -> Actor {
    let owner = Owner { tenant: session.owner.tenant.clone(), subject: claims.sub.as_str().into() };
    Actor { owner, role: Role::User, source: "session-token".into() }
}

/// Only those whom a share let in are asked about.
async fn refuse_revoked(core: &Core, shown: &Resume) -> Result<(), Error> {
    let Some(share) = shown.who.share else { return Ok(()) };
    let revoked = core.shares.revoked_shares(shown.session).await?;
    if revoked.contains(&share) { Err(Error::Token) } else { Ok(()) }
}

fn refused(why: TokenError) -> Error {
    debug!(%why, "a session token was refused"); // Callers learn only that it was.
    Error::Token
}

/// A log that had bytes and has no segment any more was pruned before its row.
async fn refuse_pruned(core: &Core, session: &Session) -> Result<(), Error> {
    if session.release == Release::Held || session.log.end == 0 {
        return Ok(());
    }
    let stored = Stored::find(&core.logs, core.system.as_ref(), session).await?;
    if stored.is_empty() { Err(Error::Pruned) } else { Ok(()) }
}

fn admitted(shown: &Resume, key: &SessionKey) -> AdmitResponse {
    // Saturating: a viewer that came back four billion times keeps its last token.
    let generation = shown.generation.saturating_add(1);
    let resume_token = key.resume_key().sign(&Resume { generation, ..shown.clone() });
    let admitted = Admitted {
        resume_token,
        generation,
        viewer_id: shown.viewer.to_string(),
        read_only: shown.scope == Scope::ReadOnly,
    };
    answer(admit_response::Message::Admitted(admitted))
}

fn answer(message: admit_response::Message) -> AdmitResponse {
    AdmitResponse { message: Some(message) }
}

struct Admission {
    core: Core,
    shown: Resume,
    key: GrantKey,
    /// The last stage that the viewer was told.
    stage: Option<Stage>,
    next: Next,
}

enum Next {
    Answer(AdmitResponse),
    Look,
    Done,
}

impl Admission {
    async fn next(&mut self) -> Option<Result<AdmitResponse, Error>> {
        match std::mem::replace(&mut self.next, Next::Look) {
            Next::Answer(answer) => Some(Ok(answer)),
            Next::Look => {
                let found = self.look().await;
                if found.is_err() {
                    self.next = Next::Done;
                }
                Some(found)
            }
            Next::Done => {
                self.next = Next::Done;
                None
            }
        }
    }

    /// Waits for something to tell. Bounded: the start deadline ends a session that does not start, and a session that
    /// has ended is released or given up.
    async fn look(&mut self) -> Result<AdmitResponse, Error> {
        let core = self.core.clone();
        let mut pace = Pace::new(core.system.as_ref());
        let deadline = Instant::now() + SETTLE_DEADLINE;
        loop {
            let session = visible(&core, self.shown.session).await?;
            match place::find(&core, &session).await? {
                Place::Starting(stage) if self.stage != Some(stage) => {
                    self.stage = Some(stage);
                    return Ok(stage_answer(stage, session.created_at, core.system.ping().await?));
                }
                Place::Starting(_) => {}
                Place::Runner(at) => return Ok(self.lead(|grant| to_runner(grant, at))),
                Place::Stored => return Ok(self.lead(to_controller)),
                Place::Settling if Instant::now() >= deadline => {
                    return Err(Error::NotReady("the session's log is not settled yet"));
                }
                Place::Settling => {}
            }
            pace.wait().await;
        }
    }

    /// The last answer, with a grant that is made now.
    fn lead(&mut self, to: impl FnOnce(String) -> admit_response::Message) -> AdmitResponse {
        self.next = Next::Done;
        let Resume { session, viewer, nonce, generation, scope, who } = self.shown.clone();
        let grant = Grant { session, viewer, nonce, generation, issued_at: self.core.clock.now(), scope, who };
        answer(to(self.key.sign(&grant)))
    }
}

fn to_runner(grant: String, at: At) -> admit_response::Message {
    admit_response::Message::Runner(AtRunner { grant, address: at.address, certificate: at.certificate.into() })
}

fn to_controller(grant: String) -> admit_response::Message {
    admit_response::Message::Stored(AtController { grant })
}

fn stage_answer(stage: Stage, created: Timestamp, now: Timestamp) -> AdmitResponse {
    let elapsed = now.duration_since(created).as_millis();
    let stage = terminal::Stage {
        name: stage.to_string(),
        elapsed_millis: u64::try_from(elapsed).unwrap_or_default(), // Zero when a clock went back.
    };
    answer(admit_response::Message::Stage(stage))
}
