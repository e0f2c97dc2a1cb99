//! API keys of all tenants.

use podling_proto::admin::{
    self, CreateApiKeyRequest, CreateApiKeyResponse, ListApiKeysRequest, ListApiKeysResponse, RotateApiKeyRequest,
};
use podling_session::{
    principal::{Role, Tenant},
    scopes::Scopes,
    spec::InvalidField,
    store::KeyRow,
};
use secrecy::ExposeSecret;

use super::{
    error::Error,
    view::{self, given, parsed, timestamp},
};
use crate::{
    core::Core,
    keys::{self, Made, OVERLAP, Wanted},
};

const TENANT: &str = "{issuer}:{claim|user}:{value}, at most 512 bytes";

pub(super) async fn create(core: &Core, request: CreateApiKeyRequest) -> Result<CreateApiKeyResponse, Error> {
    let made = keys::create(core, wanted(request)?).await?;
    Ok(told(made))
}

fn wanted(request: CreateApiKeyRequest) -> Result<Wanted, InvalidField> {
    let required = || InvalidField::new("tenant", format!("tenant must be {TENANT}"));
    let scopes: Vec<_> = request.scopes.iter().map(String::as_str).collect();
    let unknown = |_| InvalidField::new("scopes", format!("scopes must be of {}", Scopes::NAMES.join(", ")));
    Ok(Wanted {
        tenant: tenant(&request.tenant)?.ok_or_else(required)?,
        subject: given(request.subject),
        role: parsed("role", "user, tenant-admin or operator", &request.role)?.unwrap_or(Role::User),
        scopes: (!scopes.is_empty()).then(|| Scopes::parse(scopes)).transpose().map_err(unknown)?,
        name: request.name,
        life: view::span("life", request.life)?,
    })
}

pub(super) async fn list(core: &Core, request: ListApiKeysRequest) -> Result<ListApiKeysResponse, Error> {
    let limit = view::page_size(request.page_size)?;
    let tenant = tenant(&request.tenant)?;
    let page = keys::list(core, tenant.as_ref(), given(request.page_token).as_deref(), limit).await?;
    Ok(ListApiKeysResponse {
        keys: page.keys.into_iter().map(shown).collect(),
        next_page_token: page.next.unwrap_or_default(),
    })
}

pub(super) async fn rotate(core: &Core, request: RotateApiKeyRequest) -> Result<CreateApiKeyResponse, Error> {
    let overlap = view::span("overlap", request.overlap)?.unwrap_or(OVERLAP);
    let made = keys::rotate(core, None, &request.id, overlap).await?;
    Ok(told(made))
}

pub(super) async fn revoke(core: &Core, id: &str) -> Result<admin::ApiKey, Error> {
    let key = keys::revoke(core, None, id).await?;
    Ok(shown(key))
}

fn tenant(text: &str) -> Result<Option<Tenant>, InvalidField> {
    parsed("tenant", TENANT, text)
}

fn told(made: Made) -> CreateApiKeyResponse {
    let secret = made.secret.expose_secret().to_owned();
    CreateApiKeyResponse { key: Some(shown(made.key)), secret }
}

fn shown(key: KeyRow) -> admin::ApiKey {
    admin::ApiKey {
        id: key.id,
        tenant: key.owner.tenant.to_string(),
        subject: key.owner.subject.to_string(),
        role: key.role.as_str().to_owned(),
        scopes: key.scopes.names().map(str::to_owned).collect(),
        name: key.name,
        created_at: Some(timestamp(key.created_at)),
        expires_at: key.expires_at.map(timestamp),
        last_used_at: key.last_used_at.map(timestamp),
        revoked_at: key.revoked_at.map(timestamp),
    }
}

impl From<keys::Error> for Error {
    fn from(error: keys::Error) -> Error {
        let told = error.to_string();
        match error {
            keys::Error::Invalid(invalid) => Error::Invalid(invalid),
            keys::Error::NotFound => Error::NotFound("key"),
            keys::Error::Over => Error::Precondition("the key is revoked or has expired"),
            keys::Error::TooMany => Error::Exhausted(told),
            keys::Error::Store(source) => Error::Store(source),
        }
    }
}
