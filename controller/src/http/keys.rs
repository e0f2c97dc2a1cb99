//! The keys of a tenant, for its admins.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequestParts, Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use jiff::Timestamp;
use podling_session::{
    principal::Role,
    scopes::Scopes,
    spec::InvalidField,
    store::{KeyRow, MAX_LISTED_KEYS},
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Door,
    caller::Administers,
    create::JsonBody,
    openapi::{KeyRefusals, KeysRefusals, MakeKeyRefusals},
    query::KeyListing,
    refusal::Refusal,
};
use crate::keys::{self, Made, OVERLAP, Wanted};

/// A key that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// What people call it.
    #[serde(default)]
    #[schema(max_length = 64)]
    name: String,
    /// Whose sessions are the key's: a user's of your tenant, or any name. A subject of its own when not given.
    #[schema(min_length = 1, max_length = 128)]
    subject: Option<String>,
    /// `user` or `tenant-admin`; `user` when not given.
    #[schema(pattern = "^(user|tenant-admin)$")]
    role: Option<String>,
    /// Of `sessions:read`, `sessions:write` and, for a tenant-admin, `admin`. All that the role may do when not given.
    #[schema(min_items = 1)]
    scopes: Option<Vec<String>>,
    /// From a minute to ten years; for ever when not given.
    #[schema(minimum = 60, maximum = 316_224_000)]
    expires_in_seconds: Option<u64>,
}

/// How a key gets another secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateKey {
    /// How long the secret it has now stays good, at most 30 days; a day when not given.
    #[schema(maximum = 2_592_000)]
    overlap_seconds: Option<u64>,
}

/// An API key. Its secret is not kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyView {
    /// The public part.
    id: String,
    name: String,
    /// Whose sessions are the key's.
    subject: String,
    role: &'static str,
    scopes: Vec<&'static str>,
    created_at: Timestamp,
    /// Null of a key that does not expire.
    expires_at: Option<Timestamp>,
    /// To the minute; null of a key that was never used.
    last_used_at: Option<Timestamp>,
    /// Null of a key that was not revoked.
    revoked_at: Option<Timestamp>,
    /// Until when the secret before the last rotation is good; null when there is none.
    old_secret_until: Option<Timestamp>,
}

/// A key and its secret, which is told this once.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeView {
    #[serde(flatten)]
    key: KeyView,
    /// The whole key, for `Authorization: Bearer` or `X-API-Key`.
    api_key: String,
}

/// One page of keys, in the order of their ids.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeysView {
    keys: Vec<KeyView>,
    /// The `cursor` of the next page; null on the last.
    next_cursor: Option<String>,
}

impl From<KeyRow> for KeyView {
    fn from(row: KeyRow) -> KeyView {
        KeyView {
            id: row.id,
            name: row.name,
            subject: row.owner.subject.to_string(),
            role: row.role.as_str(),
            scopes: row.scopes.names().collect(),
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            old_secret_until: row.old.map(|old| old.until),
        }
    }
}

/// No cache keeps a secret.
fn made(status: StatusCode, Made { key, secret }: Made) -> Response {
    let view = MadeView { key: key.into(), api_key: secret.expose_secret().to_owned() };
    (status, [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(view)).into_response()
}

impl CreateKey {
    fn role(&self) -> Result<Role, InvalidField> {
        match self.role.as_deref() {
            None | Some("user") => Ok(Role::User),
            Some("tenant-admin") => Ok(Role::TenantAdmin),
            Some(_) => Err(InvalidField::new("role", "role must be user or tenant-admin")),
        }
    }

    fn scopes(&self) -> Result<Option<Scopes>, InvalidField> {
        let names = self.scopes.as_ref().map(|names| Scopes::parse(names.iter().map(String::as_str)));
        names.transpose().map_err(|error| InvalidField::new("scopes", error.to_string()))
    }
}

/// The `{key}` of a path: a key's public part.
pub(super) struct KeyId(String);

impl<S: Send + Sync> FromRequestParts<S> for KeyId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<KeyId, Refusal> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        let sound = |text: &String| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let id = text.and_then(|Path(text)| Some(text).filter(sound));
        id.map(KeyId).ok_or_else(|| Refusal::bad_request("invalid-id", "A key's id has 16 hexadecimal digits"))
    }
}

/// Makes a key of the caller's tenant. The answer holds its secret, once.
#[utoipa::path(
    post, path = "/api/keys", operation_id = "createKey", tag = "keys", request_body = CreateKey,
    responses((status = 201, description = "The key, and its secret", body = MadeView), MakeKeyRefusals),
)]
pub(super) async fn create(
    State(door): State<Arc<Door>>,
    caller: Administers,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let asked: CreateKey = body.read()?;
    let (role, scopes) = (asked.role()?, asked.scopes()?);
    let wanted = Wanted {
        tenant: caller.owner().tenant.clone(),
        subject: asked.subject,
        role,
        scopes,
        name: asked.name,
        life: asked.expires_in_seconds.map(Duration::from_secs),
    };
    Ok(made(StatusCode::CREATED, keys::create(&door.core, wanted).await?))
}

/// The keys of the caller's tenant; revoked and expired ones too, for a month.
#[utoipa::path(
    get, path = "/api/keys", operation_id = "listKeys", tag = "keys", params(KeyListing),
    responses((status = 200, description = "One page", body = KeysView), KeysRefusals),
)]
pub(super) async fn list(
    State(door): State<Arc<Door>>,
    caller: Administers,
    RawQuery(query): RawQuery,
) -> Result<Json<KeysView>, Refusal> {
    let asked = KeyListing::parse(query.as_deref().unwrap_or_default())?;
    let limit = asked.limit.unwrap_or(MAX_LISTED_KEYS);
    let page = keys::list(&door.core, Some(&caller.owner().tenant), asked.cursor.as_deref(), limit).await?;
    Ok(Json(KeysView { keys: page.keys.into_iter().map(KeyView::from).collect(), next_cursor: page.next }))
}

/// Revokes a key: it opens nothing from now on. One that was revoked stays as it is.
#[utoipa::path(
    delete, path = "/api/keys/{key}", operation_id = "revokeKey", tag = "keys",
    params(("key" = String, Path, description = "The public part of a key: 16 hexadecimal digits", pattern = "^[0-9a-f]{16}$")),
    responses((status = 200, description = "The revoked key", body = KeyView), KeyRefusals),
)]
pub(super) async fn revoke(
    State(door): State<Arc<Door>>,
    caller: Administers,
    KeyId(id): KeyId,
) -> Result<Json<KeyView>, Refusal> {
    Ok(Json(keys::revoke(&door.core, Some(&caller.owner().tenant), &id).await?.into()))
}

/// Gives a key another secret, which the answer holds, once. The one it had stays good for a while.
#[utoipa::path(
    post, path = "/api/keys/{key}/rotate", operation_id = "rotateKey", tag = "keys", request_body = RotateKey,
    params(("key" = String, Path, description = "The public part of a key: 16 hexadecimal digits", pattern = "^[0-9a-f]{16}$")),
    responses((status = 200, description = "The key, and its new secret", body = MadeView), MakeKeyRefusals),
)]
pub(super) async fn rotate(
    State(door): State<Arc<Door>>,
    caller: Administers,
    KeyId(id): KeyId,
    body: JsonBody,
) -> Result<Response, Refusal> {
    let RotateKey { overlap_seconds } = body.read()?;
    let overlap = overlap_seconds.map_or(OVERLAP, Duration::from_secs);
    Ok(made(StatusCode::OK, keys::rotate(&door.core, Some(&caller.owner().tenant), &id, overlap).await?))
}
