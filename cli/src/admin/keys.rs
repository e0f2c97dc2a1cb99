//! API keys of all tenants.

use podling_proto::admin::{CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest, RotateApiKeyRequest};

use super::{
    args::KeysCommand,
    connect::{Admin, AdminError, answered},
    quota::span,
    shown::Output,
};

pub(super) async fn perform(admin: &mut Admin, out: &Output, command: KeysCommand) -> Result<(), AdminError> {
    match command {
        KeysCommand::Create { tenant, subject, role, scope, name, life } => {
            let (subject, life) = (subject.unwrap_or_default(), life.map(span).transpose()?);
            let request = CreateApiKeyRequest { tenant, subject, role, scopes: scope, name, life };
            out.one("CreateApiKeyResponse", &answered(admin.create_api_key(request)).await?)
        }
        KeysCommand::List { tenant } => list(admin, out, tenant).await,
        KeysCommand::Rotate { id, overlap } => {
            let request = RotateApiKeyRequest { id, overlap: Some(span(overlap)?) };
            out.one("CreateApiKeyResponse", &answered(admin.rotate_api_key(request)).await?)
        }
        KeysCommand::Revoke { id } => {
            out.one("ApiKey", &answered(admin.revoke_api_key(RevokeApiKeyRequest { id })).await?)
        }
    }
}

/// All pages.
async fn list(admin: &mut Admin, out: &Output, tenant: Option<String>) -> Result<(), AdminError> {
    let tenant = tenant.unwrap_or_default();
    let (mut keys, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListApiKeysRequest { tenant: tenant.clone(), page_size: 1_000, page_token };
        let page = answered(admin.list_api_keys(request)).await?;
        keys.extend(page.keys);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    out.many("ApiKey", &keys, &["id", "tenant", "subject", "role", "name", "last_used_at", "expires_at", "revoked_at"])
}
