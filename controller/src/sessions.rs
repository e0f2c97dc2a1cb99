//! What owners and admins of their tenant do with sessions: create, look, stop, delete, and ask for another token.
//!
//! Nothing here waits for a runner. A create writes a row; everything after that row is driven from the store.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use podling_session::{
    audit::{Action, Entry},
    capability::SessionKey,
    id::{SessionId, TokenId, Uid},
    limit::Unavailable,
    phase::{End, EndReason},
    principal::{Owner, Principal, Reach},
    quota::Quota,
    session::Session,
    share::Who,
    source::Source,
    spec::{Draft, Extension, InvalidField, Secrets, Spec},
    store::{Created, Extended, Filter, Idempotency, NewSession, Page, Sealed, StoreError},
    token::{AUDIENCE, Claims, Scope},
};
use tracing::info;

use crate::{allowance::Allowance, bundles::BundleError, core::Core, grpc::control::assignment, quotas};

/// Why a verb did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// It never was, was deleted, or is somebody else's: callers cannot tell which.
    #[error("no such session")]
    NotFound,
    #[error("the session has ended")]
    Ended,
    #[error("a session with the id {0} exists")]
    IdTaken(SessionId),
    #[error("the idempotency key came with another request before")]
    IdempotencyConflict,
    #[error("{max} sessions are held, as many as may be")]
    QuotaExceeded { max: u32 },
    #[error("{max_bytes} bytes of logs are kept, as many as may be")]
    StorageExceeded { max_bytes: u64 },
    #[error("too many sessions were created")]
    RateLimited { retry_after: Duration },
    #[error("the session store failed")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("the rate limiter failed")]
    Limiter(#[source] Unavailable),
    #[error("the signer failed")]
    Signer(#[source] Unavailable),
}

/// A create as its caller asked for it.
#[derive(Debug)]
pub struct Request {
    /// The uid serves where the caller chose no name.
    pub id: Option<SessionId>,
    pub draft: Draft,
    pub idempotency: Option<Idempotency>,
}

/// A session and a capability to attach to it.
#[derive(Debug)]
pub struct Ticket {
    pub session: Session,
    /// A session token, spent by its first use.
    pub token: String,
    pub origin: Origin,
}

/// Whether a create made its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    New,
    /// The same request, told by its idempotency key, made it before.
    Repeated,
}

/// What became of a create.
#[derive(Debug)]
pub struct Answered {
    /// What the create has left; none of one that was refused before it was counted.
    pub allowance: Option<Allowance>,
    pub outcome: Result<Ticket, Error>,
}

/// Makes a session for who asks. The rules come before the rate limit, so that mistakes cost no allowance, and the
/// token before the row, so that a signer that is down leaves nothing behind.
pub async fn create(core: &Core, caller: &Principal, request: Request) -> Answered {
    let mut allowance = None;
    let began = Instant::now();
    let outcome = try_create(core, caller, request, &mut allowance).await;
    if outcome.is_ok() {
        metrics::histogram!("podling_create_seconds").record(began.elapsed());
    }
    Answered { allowance, outcome }
}

async fn try_create(
    core: &Core,
    caller: &Principal,
    request: Request,
    allowance: &mut Option<Allowance>,
) -> Result<Ticket, Error> {
    let owner = &caller.owner;
    let quota = quotas::effective(core, owner).await?;
    let (spec, secrets) = check(core, &request, &quota)?;
    if let Some(Source::Bundle(sum)) = &spec.source
        && !core.bundles.take(&owner.tenant, sum).await?
    {
        let message = "there is no such bundle: upload it first, from POST /api/bundles on, or with podling run";
        return Err(InvalidField::new("code_url", message).into());
    }
    let taken = Allowance::of_create(core, owner, &quota).await.map_err(Error::Limiter)?;
    *allowance = Some(taken);
    if let Some(retry_after) = taken.retry_after() {
        return Err(Error::RateLimited { retry_after });
    }
    let uid = Uid::new();
    let token = mint(core, Claimed::by(caller, uid)).await?;
    let key = SessionKey::random();
    let new = new_session(core, owner, uid, spec, core.seal.seal(uid, &key, &secrets), &request, &quota);
    let id = new.id.clone();
    let made = core.sessions.create(new).await?;
    // Before the disk has the session, which takes as long as the start of a command does. A power failure that undid
    // the session would end its runner, too, and nobody has been told of it.
    if let Created::Claimed(session, runner) = &made {
        core.orders.assign(*runner, session.life(), assignment(session, &key, secrets, core.clock.now()));
    }
    core.sessions.flush().await?;
    match made {
        Created::New(session) => Ok(created(core, session, token, "cold")),
        Created::Claimed(session, _) => Ok(created(core, session, token, "warm")),
        Created::Existing(session) => {
            let token = mint(core, Claimed::by(caller, session.uid)).await?;
            Ok(Ticket { session, token, origin: Origin::Repeated })
        }
        Created::IdTaken => Err(Error::IdTaken(id)),
        Created::IdempotencyConflict => Err(Error::IdempotencyConflict),
        Created::QuotaExceeded { max } => Err(Error::QuotaExceeded { max }),
        Created::StorageExceeded { max_bytes } => Err(Error::StorageExceeded { max_bytes }),
    }
}

fn created(core: &Core, session: Session, token: String, start: &'static str) -> Ticket {
    metrics::counter!("podling_sessions_created_total", "start" => start).increment(1);
    info!(session.id = %session.uid, "session {} was created for a {start} start", session.uid);
    core.audit.record(Entry::done(Action::SessionCreate).on(session.uid).detail(&session.id));
    Ticket { session, token, origin: Origin::New }
}

pub async fn get(core: &Core, reach: &Reach, id: &SessionId) -> Result<Session, Error> {
    core.sessions.get(reach, id).await?.ok_or(Error::NotFound)
}

pub async fn list(core: &Core, reach: &Reach, filter: &Filter, after: Option<Uid>, limit: u32) -> Result<Page, Error> {
    Ok(core.sessions.list(reach, filter, after, limit).await?)
}

/// Ends a session; one that has ended stays as it is.
pub async fn stop(core: &Core, reach: &Reach, id: &SessionId) -> Result<Session, Error> {
    let session = core.sessions.stop(reach, id, End::because(EndReason::Stopped)).await?.ok_or(Error::NotFound)?;
    info!(session.id = %session.uid, "session {} was stopped by request", session.uid);
    core.audit.record(Entry::done(Action::SessionStop).on(session.uid).detail(&session.id));
    Ok(session)
}

/// Gives a session that has not ended another deadline, another idle time, or both, within its owner's maxima. The
/// deadline counts from Running, as ever.
pub async fn extend(core: &Core, reach: &Reach, id: &SessionId, wanted: Extension) -> Result<Session, Error> {
    let session = get(core, reach, id).await?;
    let quota = quotas::effective(core, &session.owner).await?;
    let spans = wanted.check(&quota.policy(&core.settings.policy))?;
    match core.sessions.extend(reach, id, spans).await? {
        Extended::Changed(session) => {
            info!(session.id = %session.uid, "session {} has other deadlines", session.uid);
            core.audit.record(Entry::done(Action::SessionExtend).on(session.uid).detail(&session.id));
            Ok(session)
        }
        Extended::Ended => Err(Error::Ended),
        Extended::NotFound => Err(Error::NotFound),
    }
}

/// Ends a session and hides it; its runner, log and workspace are released behind it.
pub async fn delete(core: &Core, reach: &Reach, id: &SessionId) -> Result<Session, Error> {
    let session = core.sessions.delete(reach, id, End::because(EndReason::Stopped)).await?.ok_or(Error::NotFound)?;
    info!(session.id = %session.uid, "session {} was deleted by request", session.uid);
    core.audit.record(Entry::done(Action::SessionDelete).on(session.uid).detail(&session.id));
    Ok(session)
}

/// A fresh token for a session, which names who asked. Ended sessions have them too: their stored log can be attached to.
pub async fn token(core: &Core, caller: &Principal, id: &SessionId) -> Result<Ticket, Error> {
    let session = get(core, &caller.reach(), id).await?;
    let token = mint(core, Claimed::by(caller, session.uid)).await?;
    Ok(Ticket { session, token, origin: Origin::Repeated })
}

fn check(core: &Core, request: &Request, quota: &Quota) -> Result<(Spec, Secrets), InvalidField> {
    // A name that looks like another session's uid would make that session hard to name.
    if request.id.as_ref().is_some_and(|id| id.as_str().parse::<Uid>().is_ok()) {
        return Err(InvalidField::new("id", "id must not have the form of a uid (UUIDv7)"));
    }
    let (spec, secrets) = Spec::check(request.draft.clone(), &quota.policy(&core.settings.policy))?;
    if let Some(url) = spec.source.as_ref().and_then(Source::url) {
        core.settings.code_hosts.check(&url)?;
    }
    Ok((spec, secrets))
}

fn new_session(
    core: &Core,
    owner: &Owner,
    uid: Uid,
    spec: Spec,
    sealed: Sealed,
    request: &Request,
    quota: &Quota,
) -> NewSession {
    NewSession {
        uid,
        id: request.id.clone().unwrap_or_else(|| uid.into()),
        owner: owner.clone(),
        spec,
        sealed,
        idempotency: request.idempotency.clone(),
        max_per_owner: quota.sessions,
        max_per_tenant: quota.tenant_sessions,
        max_stored_bytes: quota.stored_bytes,
        max_tenant_stored_bytes: quota.tenant_stored_bytes,
        warm: core.orders.waiting(),
    }
}

/// What a session token is for.
pub(crate) struct Claimed<'a> {
    /// Who asked for it; of a link, the session's owner.
    pub(crate) owner: &'a Owner,
    pub(crate) uid: Uid,
    pub(crate) scope: Scope,
    pub(crate) who: Who,
}

impl<'a> Claimed<'a> {
    /// For who may do everything with a session. It names who asked.
    fn by(caller: &'a Principal, uid: Uid) -> Claimed<'a> {
        let who = Who { name: caller.name.as_deref().map(str::to_owned), share: None };
        Claimed { owner: &caller.owner, uid, scope: Scope::ReadWrite, who }
    }
}

async fn mint(core: &Core, claimed: Claimed<'_>) -> Result<String, Error> {
    // The store's clock, because Admit checks the token by it.
    let now = core.system.ping().await?;
    sign(core, claimed, now).await
}

/// A session token. `now` is in the store's clock.
pub(crate) async fn sign(core: &Core, claimed: Claimed<'_>, now: Timestamp) -> Result<String, Error> {
    let claims = claims(&core.settings.issuer, claimed, now, core.settings.token_life);
    core.signer.sign(&claims).await.map_err(Error::Signer)
}

fn claims(issuer: &str, claimed: Claimed<'_>, now: Timestamp, life: Duration) -> Claims {
    let (iat, Claimed { owner, uid, scope, who }) = (now.as_second(), claimed);
    Claims {
        iss: issuer.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: owner.subject.to_string(),
        sid: uid,
        tid: owner.tenant.to_string(),
        jti: TokenId::new(),
        iat,
        exp: iat.saturating_add_unsigned(life.as_secs()),
        scope,
        who,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_one_session_and_one_life_and_names_who_asked() {
        let (caller, uid) = (Principal { name: Some("Ann".into()), ..Principal::local_owner() }, Uid::new());
        let now = Timestamp::from_second(1_000).expect("a small second");
        let one = claims("podling", Claimed::by(&caller, uid), now, Duration::from_secs(300));
        let two = claims("podling", Claimed::by(&caller, uid), now, Duration::from_secs(300));
        assert_eq!((one.iat, one.exp, one.sid, one.aud.as_str()), (1_000, 1_300, uid, "ws"));
        assert_eq!((one.sub.as_str(), one.tid.as_str()), ("owner", "local:user:owner"));
        assert_eq!((one.who.name.as_deref(), one.who.is_owner()), (Some("Ann"), true));
        assert_ne!(one.jti, two.jti);
    }
}
