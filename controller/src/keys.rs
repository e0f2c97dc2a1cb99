//! What is done with API keys: made, listed, revoked, and given another secret.
//!
//! Operators do it with the keys of any tenant, over the admin gRPC; admins of a tenant with its own, over HTTP. A secret is
//! told once, to whoever asked for it, and is not kept.

use std::{ops::RangeInclusive, time::Duration};

use podling_session::{
    audit::{Action, Entry},
    principal::{MAX_NAME_CHARS, Owner, Role, Tenant},
    scopes::Scopes,
    spec::InvalidField,
    store::{KeyRow, MAX_LISTED_KEYS, NewKey, Roster, StoreError},
};
use secrecy::SecretString;
use tracing::info;

use crate::{core::Core, identity::ApiKey};

/// Keys of one tenant that are neither revoked nor expired.
pub const MAX_KEYS_PER_TENANT: u32 = 1_000;
/// The longest subject, in bytes: as long as one of Firebase.
pub const MAX_SUBJECT_BYTES: usize = 128;
/// How long a secret stays good beside the one that replaces it, unless its holder says otherwise.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3_600);

const DAY: Duration = Duration::from_secs(24 * 3_600);
const LIFE: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(3_660 * 24 * 3_600);
const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Why a verb did nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// It never was, was pruned, or is another tenant's.
    #[error("no such key")]
    NotFound,
    #[error("the key is revoked or has expired")]
    Over,
    #[error("the tenant has {MAX_KEYS_PER_TENANT} keys, as many as may be")]
    TooMany,
    #[error("the store of keys failed")]
    Store(#[from] StoreError),
}

/// A key as its maker asked for it.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub tenant: Tenant,
    /// Whose sessions are the key's. A subject of its own when not given.
    pub subject: Option<String>,
    pub role: Role,
    /// All that the role may do when not given.
    pub scopes: Option<Scopes>,
    /// What people call it; at most 64 characters.
    pub name: String,
    /// A minute to ten years; for ever when not given.
    pub life: Option<Duration>,
}

/// A key with a secret that nobody can be told again.
#[derive(Debug)]
pub struct Made {
    pub key: KeyRow,
    pub secret: SecretString,
}

/// Makes a key.
pub async fn create(core: &Core, wanted: Wanted) -> Result<Made, Error> {
    let key = ApiKey::random();
    let new = check(&key, wanted, key.hash(&core.seal))?;
    let row = core.principals.add_key(&new, MAX_KEYS_PER_TENANT).await?.ok_or(Error::TooMany)?;
    info!(key.id = %row.id, tenant = %row.owner.tenant, "API key {} was made", row.id);
    record(core, Action::KeyCreate, &row);
    Ok(Made { key: row, secret: key.expose() })
}

/// One page of the tenant's keys, or of all.
pub async fn list(core: &Core, tenant: Option<&Tenant>, after: Option<&str>, limit: u32) -> Result<Roster, Error> {
    if !(1..=MAX_LISTED_KEYS).contains(&limit) {
        return Err(InvalidField::new("limit", format!("limit must be from 1 to {MAX_LISTED_KEYS}")).into());
    }
    Ok(core.principals.keys(tenant, after, limit).await?)
}

/// Ends a key: from now on it opens nothing.
pub async fn revoke(core: &Core, tenant: Option<&Tenant>, id: &str) -> Result<KeyRow, Error> {
    let key = core.principals.revoke_key(tenant, id).await?.ok_or(Error::NotFound)?;
    info!(key.id = %key.id, "API key {} was revoked", key.id);
    record(core, Action::KeyRevoke, &key);
    Ok(key)
}

/// Gives a key another secret; the one it had stays good for `overlap`.
pub async fn rotate(core: &Core, tenant: Option<&Tenant>, id: &str, overlap: Duration) -> Result<Made, Error> {
    if overlap > MAX_OVERLAP {
        return Err(InvalidField::new("overlap_seconds", "overlap_seconds must be at most 2592000 (30 days)").into());
    }
    let key = ApiKey::renewed(id);
    let Some(row) = core.principals.rotate_key(tenant, id, key.hash(&core.seal), overlap).await? else {
        return Err(why_not(core, tenant, id).await?);
    };
    info!(key.id = %row.id, "API key {} has another secret", row.id);
    record(core, Action::KeyRotate, &row);
    Ok(Made { key: row, secret: key.expose() })
}

/// By its public part.
fn record(core: &Core, action: Action, key: &KeyRow) {
    core.audit.record(Entry::done(action).detail(format_args!("{} of {}", key.id, key.owner.tenant)));
}

async fn why_not(core: &Core, tenant: Option<&Tenant>, id: &str) -> Result<Error, StoreError> {
    let key = core.principals.key(id).await?;
    let known = key.is_some_and(|key| tenant.is_none_or(|tenant| key.owner.tenant == *tenant));
    Ok(if known { Error::Over } else { Error::NotFound })
}

fn check(key: &ApiKey, wanted: Wanted, hash: [u8; 32]) -> Result<NewKey, InvalidField> {
    let Wanted { tenant, subject, role, scopes, name, life } = wanted;
    let subject = subject.unwrap_or_else(|| format!("key:{}", key.id()));
    if subject.is_empty() || subject.len() > MAX_SUBJECT_BYTES || subject.contains(char::is_control) {
        let rule = format!("subject must be 1 to {MAX_SUBJECT_BYTES} bytes without control characters");
        return Err(InvalidField::new("subject", rule));
    }
    if name.chars().count() > MAX_NAME_CHARS || name.contains(char::is_control) {
        let rule = format!("name must be at most {MAX_NAME_CHARS} characters, none of them a control character");
        return Err(InvalidField::new("name", rule));
    }
    let scopes = scopes.unwrap_or(Scopes::of(role));
    if !Scopes::of(role).contains(scopes) {
        return Err(InvalidField::new("scopes", "scopes must not have admin in a key of the role user"));
    }
    if life.is_some_and(|life| !LIFE.contains(&life)) {
        let (from, to) = (LIFE.start().as_secs(), LIFE.end().as_secs());
        let rule = format!("expires_in_seconds must be from {from} to {to} ({} days)", to / DAY.as_secs());
        return Err(InvalidField::new("expires_in_seconds", rule));
    }
    let owner = Owner { tenant, subject: subject.into() };
    Ok(NewKey { id: key.id().to_owned(), hash, owner, role, scopes, name, life })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        let name = "nightly".to_owned();
        Wanted { tenant: Tenant::local(), subject: None, role: Role::User, scopes: None, name, life: None }
    }

    #[test]
    fn a_key_keeps_its_rules() {
        let check = |wanted: Wanted, field: Option<&str>| {
            let made = check(&ApiKey::random(), wanted.clone(), [0; 32]);
            assert_eq!(made.err().map(|error| error.field).as_deref(), field, "{wanted:?}");
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let subject = |text: &str| Wanted { subject: Some(text.to_owned()), ..wanted() };
        check(wanted(), None);
        check(Wanted { scopes: Some(Scopes::READ), life: seconds(60), ..wanted() }, None);
        check(Wanted { role: Role::TenantAdmin, scopes: Some(Scopes::ADMIN), ..wanted() }, None);
        check(subject("ann"), None);
        check(subject(""), Some("subject"));
        check(subject(&"x".repeat(129)), Some("subject"));
        check(subject("a\nb"), Some("subject"));
        check(Wanted { name: "é".repeat(64), ..wanted() }, None);
        check(Wanted { name: "x".repeat(65), ..wanted() }, Some("name"));
        check(Wanted { name: "a\u{0}".to_owned(), ..wanted() }, Some("name"));
        check(Wanted { scopes: Some(Scopes::READ | Scopes::ADMIN), ..wanted() }, Some("scopes"));
        check(Wanted { life: seconds(59), ..wanted() }, Some("expires_in_seconds"));
        check(Wanted { life: seconds(u64::MAX), ..wanted() }, Some("expires_in_seconds"));
    }

    #[test]
    fn a_key_without_a_subject_has_sessions_of_its_own() {
        let subject = || check(&ApiKey::random(), wanted(), [0; 32]).expect("it is sound").owner.subject;
        assert_ne!(subject(), subject());
    }
}
