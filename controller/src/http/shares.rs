//! `/api/sessions/{id}/shares`: links that let others attach; and `POST /api/shares/redeem`, which anybody may call who
//! has one.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use jiff::Timestamp;
use podling_session::{
    audit::Actor,
    principal::{MAX_NAME_CHARS, display_name},
    share::{MAX_SHARES, Share, ShareId},
    spec::InvalidField,
    token::Scope,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Door,
    caller::{Reads, Writes},
    create::JsonBody,
    named::Named,
    openapi::{RedeemRefusals, Refusals, ShareRefusals},
    refusal::Refusal,
};
use crate::{
    sessions,
    shares::{self, Wanted},
};

const MAX_USES: u32 = 1_000;
const MIN_LIFE: u64 = 60;
const MAX_LIFE: u64 = 30 * 24 * 3_600;
const DEFAULT_LIFE: u64 = 24 * 3_600;

/// A link that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    /// Whether who comes by it may only watch; true when not given.
    #[serde(default)]
    read_only: Option<bool>,
    /// How many times it may be used; 1 when not given.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    uses: Option<u32>,
    /// Until when it may be used, in seconds from now; a day when not given. Who has come by it stays.
    #[serde(default)]
    #[schema(minimum = 60, maximum = 2592000)]
    expires_in_seconds: Option<u64>,
    /// Who it is for, as the others who are attached see it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    name: Option<String>,
}

impl NewLink {
    fn check(self) -> Result<Wanted, InvalidField> {
        let range = |field: &str, value: u64, min: u64, max: u64| match (min..=max).contains(&value) {
            true => Ok(value),
            false => Err(InvalidField::new(field, format!("{field} must be from {min} to {max}"))),
        };
        let max_uses = self.uses.unwrap_or(1);
        range("uses", max_uses.into(), 1, MAX_USES.into())?;
        let life = self.expires_in_seconds.unwrap_or(DEFAULT_LIFE);
        let life = Duration::from_secs(range("expires_in_seconds", life, MIN_LIFE, MAX_LIFE)?);
        let scope = if self.read_only.unwrap_or(true) { Scope::ReadOnly } else { Scope::ReadWrite };
        Ok(Wanted { scope, name: self.name.map(|name| shown("name", &name)).transpose()?, max_uses, life })
    }
}

fn shown(field: &str, name: &str) -> Result<String, InvalidField> {
    let refused = || InvalidField::new(field, format!("{field} must have 1 to {MAX_NAME_CHARS} visible characters"));
    let shown = display_name(name).filter(|_| name.chars().count() <= MAX_NAME_CHARS);
    shown.map(|name| name.to_string()).ok_or_else(refused)
}

/// A link, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShareView {
    id: String,
    read_only: bool,
    name: Option<String>,
    max_uses: u32,
    uses: u32,
    created_at: Timestamp,
    expires_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl From<Share> for ShareView {
    fn from(share: Share) -> ShareView {
        ShareView {
            id: share.id.to_string(),
            read_only: share.scope == Scope::ReadOnly,
            name: share.name,
            max_uses: share.max_uses,
            uses: share.uses,
            created_at: share.created_at,
            expires_at: share.expires_at,
            revoked_at: share.revoked_at,
        }
    }
}

/// A link that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkView {
    #[serde(flatten)]
    share: ShareView,
    /// The terminal page, which trades the secret behind the # for a token. It is shown this once.
    url: String,
}

/// The links of a session, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SharesView {
    shares: Vec<ShareView>,
}

/// Makes a link to the terminal, for watching or for typing too. At most 256 to a session.
#[utoipa::path(
    post, path = "/api/sessions/{id}/shares", operation_id = "createShare", tag = "shares",
    params(Named), request_body = NewLink,
    responses((status = 201, description = "The link", body = LinkView), ShareRefusals),
)]
pub(super) async fn create(
    State(door): State<Arc<Door>>,
    caller: Writes,
    Named(id): Named,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let wanted = body.read::<NewLink>()?.check()?;
    let session = sessions::get(&door.core, &caller.reach(), &id).await?;
    let made = shares::create(&door.core, Actor::from(caller.principal()), &session, wanted).await;
    let (share, secret) = made.map_err(sessions::Error::from)?.ok_or_else(|| {
        let detail = format!("Too many links: a session may have {MAX_SHARES}, those included that are over");
        Refusal::new(StatusCode::CONFLICT, "too-many-shares", detail)
    })?;
    let base = door.core.settings.public_url.as_str().trim_end_matches('/');
    let url = format!("{base}/ws/{}#share={}", session.uid, secret.expose_secret());
    let view = LinkView { share: share.into(), url };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// The links to a session's terminal, those included that are over. Their secrets are not shown again.
#[utoipa::path(
    get, path = "/api/sessions/{id}/shares", operation_id = "listShares", tag = "shares",
    params(Named),
    responses((status = 200, description = "The links", body = SharesView), Refusals),
)]
pub(super) async fn list(
    State(door): State<Arc<Door>>,
    caller: Reads,
    Named(id): Named,
) -> Result<Json<SharesView>, Refusal> {
    let session = sessions::get(&door.core, &caller.reach(), &id).await?;
    let shares = door.core.shares.shares(session.uid).await.map_err(sessions::Error::from)?;
    Ok(Json(SharesView { shares: shares.into_iter().map(ShareView::from).collect() }))
}

/// The link that a path names.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Link {
    /// The session's id or uid
    #[param(pattern = "^[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$")]
    id: String,
    /// The link's id
    #[param(pattern = "^[0-9a-f]{16}$")]
    share: String,
}

/// Takes a link back, for ever: within a second all who came by it are disconnected.
#[utoipa::path(
    delete, path = "/api/sessions/{id}/shares/{share}", operation_id = "revokeShare", tag = "shares",
    params(Link),
    responses((status = 200, description = "The revoked link", body = ShareView), Refusals),
)]
pub(super) async fn revoke(
    State(door): State<Arc<Door>>,
    caller: Writes,
    path: Option<Path<Link>>,
) -> Result<Json<ShareView>, Refusal> {
    let bad = || Refusal::bad_request("invalid-id", "Invalid session ID or share ID format");
    let Some(Path(link)) = path else { return Err(bad()) };
    let (id, share) = (link.id.parse().map_err(|_| bad())?, link.share.parse::<ShareId>().map_err(|_| bad())?);
    let session = sessions::get(&door.core, &caller.reach(), &id).await?;
    let revoked = shares::revoke(&door.core, Actor::from(caller.principal()), &session, share).await;
    let revoked = revoked.map_err(sessions::Error::from)?.ok_or_else(no_such_link)?;
    Ok(Json(revoked.into()))
}

/// What stands behind the # of a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Redeem {
    /// What follows `#share=`.
    #[schema(max_length = 128)]
    secret: String,
    /// Who comes, for the others to see; else whom the link was made for.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    name: Option<String>,
}

/// What a link is good for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RedeemedView {
    /// The session.
    uid: String,
    read_only: bool,
    /// A session token: attaches once, within minutes.
    token: String,
}

/// Trades a link for a session token; takes one of its uses. Whatever is wrong with the link, the answer is the same.
/// 30 a minute from one address.
#[utoipa::path(
    post, path = "/api/shares/redeem", operation_id = "redeemShare", tag = "shares", security(()),
    request_body = Redeem,
    responses((status = 200, description = "A token to attach with", body = RedeemedView), RedeemRefusals),
)]
pub(super) async fn redeem(State(door): State<Arc<Door>>, body: JsonBody) -> Result<Response, Refusal> {
    let Redeem { secret, name } = body.read()?;
    let name = name.map(|name| shown("name", &name)).transpose()?;
    let redeemed = shares::redeem(&door.core, &secret, name.as_deref()).await;
    let (uid, scope, token) = redeemed.map_err(|error| match error {
        sessions::Error::NotFound => no_such_link(),
        error => error.into(),
    })?;
    let view = RedeemedView { uid: uid.to_string(), read_only: scope == Scope::ReadOnly, token };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

fn no_such_link() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "share-not-found",
        "There is no such link: it may be used up, expired or revoked",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_its_rules() {
        let check = |text: &str, field: Option<&str>| {
            let link: NewLink = serde_json::from_str(text).expect("of its shape");
            assert_eq!(link.check().err().map(|error| error.field).as_deref(), field, "{text}");
        };
        check("{}", None);
        check(r#"{"uses":1000,"expires_in_seconds":2592000,"read_only":false,"name":"Ada"}"#, None);
        check(r#"{"uses":0}"#, Some("uses"));
        check(r#"{"uses":1001}"#, Some("uses"));
        check(r#"{"expires_in_seconds":59}"#, Some("expires_in_seconds"));
        check(r#"{"expires_in_seconds":2592001}"#, Some("expires_in_seconds"));
        check(r#"{"name":""}"#, Some("name"));
        check(&format!(r#"{{"name":"{}"}}"#, "x".repeat(65)), Some("name"));
        let link: NewLink = serde_json::from_str("{}").expect("of its shape");
        let wanted = link.check().expect("good");
        assert_eq!((wanted.scope, wanted.max_uses, wanted.life.as_secs()), (Scope::ReadOnly, 1, 86_400));
    }
}
