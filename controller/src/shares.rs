//! What owners do to let others in: make links, list them, revoke them; and what strangers do with one.

use std::{num::NonZeroU32, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use podling_daemon::request::Context;
use podling_session::{
    audit::{Action, Actor, Entry},
    id::Uid,
    limit::{Decision, Rate},
    principal::display_name,
    session::Session,
    share::{NewShare, Share, ShareId, Who},
    store::StoreError,
    token::Scope,
};
use secrecy::{ExposeSecret, SecretString};
use tracing::info;

use crate::{
    core::Core,
    sessions::{self, Error},
};

/// Links that one address may try.
const REDEEM_RATE: Rate = Rate { burst: NonZeroU32::new(30).expect("not zero"), period: Duration::from_secs(60) };
/// Longer texts are no secrets of links.
const MAX_SECRET_BYTES: usize = 128;

/// A link as its maker asked for it; the values are within their limits.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub scope: Scope,
    pub name: Option<String>,
    pub max_uses: u32,
    pub life: Duration,
}

/// Makes a link to a session; `None` when the session has as many as it may. The secret is shown this once.
///
/// # Errors
/// When the store does not answer.
pub async fn create(
    core: &Core,
    by: Actor,
    session: &Session,
    wanted: Wanted,
) -> Result<Option<(Share, SecretString)>, StoreError> {
    let (id, bytes): (_, [u8; 32]) = (ShareId::random(), rand::random());
    let secret: SecretString = URL_SAFE_NO_PAD.encode(bytes).into();
    let Wanted { scope, name, max_uses, life } = wanted;
    let hash = core.seal.share_hash(id, secret.expose_secret());
    let new = NewShare { id, hash, scope, name, max_uses, life };
    let Some(share) = core.shares.share(session.uid, new).await? else { return Ok(None) };
    record(core, Action::ShareCreate, Some(by), session.uid, id);
    Ok(Some((share, format!("{id}.{}", secret.expose_secret()).into())))
}

/// Ends a link and closes whom it let in, wherever they are. `None` when the session has no such link.
///
/// # Errors
/// When the store does not answer.
pub async fn revoke(core: &Core, by: Actor, session: &Session, id: ShareId) -> Result<Option<Share>, StoreError> {
    let Some(share) = core.shares.revoke_share(session.uid, id).await? else { return Ok(None) };
    info!(session.id = %session.uid, "the link {id} to session {} was revoked", session.uid);
    record(core, Action::ShareRevoke, Some(by), session.uid, id);
    tell_revoked(core, session.uid).await?;
    Ok(Some(share))
}

/// Tells the session's runner, if it is on the line here, and closes whom this controller serves itself.
///
/// # Errors
/// When the store does not answer.
pub(crate) async fn tell_revoked(core: &Core, session: Uid) -> Result<(), StoreError> {
    let revoked = core.shares.revoked_shares(session).await?;
    core.seats.revoke(session, &revoked);
    core.orders.revoke(session, revoked);
    Ok(())
}

/// Trades the secret of a link for a session token. All that is wrong with it is answered alike.
///
/// # Errors
/// [`Error::NotFound`], [`Error::RateLimited`], or what failed.
pub async fn redeem(core: &Core, secret: &str, name: Option<&str>) -> Result<(Uid, Scope, String), Error> {
    let address = Context::current().and_then(|context| context.address);
    let key = format!("redeem\n{}", address.map(|address| address.to_string()).unwrap_or_default());
    if let Decision::Limited { retry_after } = core.limiter.take(&key, REDEEM_RATE).await.map_err(Error::Limiter)? {
        return Err(Error::RateLimited { retry_after });
    }
    let (id, secret) = parse(secret).ok_or(Error::NotFound)?;
    let redeemed = core.shares.redeem(id, core.seal.share_hash(id, secret)).await?.ok_or(Error::NotFound)?;
    let name = name.and_then(display_name).map(|name| name.to_string()).or(redeemed.name);
    let who = Who { name, share: Some(id) };
    let claims = sessions::Claimed { owner: &redeemed.owner, uid: redeemed.session, scope: redeemed.scope, who };
    let token = sessions::sign(core, claims, redeemed.now).await?;
    record(core, Action::ShareRedeem, None, redeemed.session, id);
    Ok((redeemed.session, redeemed.scope, token))
}

fn parse(text: &str) -> Option<(ShareId, &str)> {
    let (id, secret) = text.split_once('.').filter(|_| text.len() <= MAX_SECRET_BYTES)?;
    Some((id.parse().ok()?, secret))
}

fn record(core: &Core, action: Action, by: Option<Actor>, session: Uid, id: ShareId) {
    core.audit.record(Entry { by, session: Some(session), detail: id.to_string().into(), ..Entry::done(action) });
}
