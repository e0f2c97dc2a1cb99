//! API keys: `podling_<id>_<secret>`. The id finds the row; of the secret only a keyed hash is stored.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use podling_session::{
    principal::{Principal, Source, display_name},
    scopes::Scopes,
    store::KeyRow,
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Refused;
use crate::seal::Seal;

const PREFIX: &str = "podling_";
/// Longer texts are refused unread.
const MAX_BYTES: usize = 256;

/// A well-formed key, whether or not anybody has it.
#[derive(Clone, Debug)]
pub struct ApiKey {
    id: String,
    secret: SecretString,
}

impl ApiKey {
    /// A new key with 256 random bits.
    pub fn random() -> ApiKey {
        let (id, secret): (u64, [u8; 32]) = (rand::random(), rand::random());
        ApiKey { id: format!("{id:016x}"), secret: URL_SAFE_NO_PAD.encode(secret).into() }
    }

    /// Another secret for the same id.
    pub fn renewed(id: &str) -> ApiKey {
        ApiKey { id: id.to_owned(), ..ApiKey::random() }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the store keeps of the secret.
    pub fn hash(&self, seal: &Seal) -> [u8; 32] {
        seal.key_hash(&self.id, self.secret.expose_secret())
    }

    /// The text that its holder presents.
    pub fn expose(&self) -> SecretString {
        format!("{PREFIX}{}_{}", self.id, self.secret.expose_secret()).into()
    }
}

/// The text is not of the form of a key. It is not repeated: it may be a secret of another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an API key has the form podling_<id>_<secret>")
    }
}

impl std::error::Error for NotAKey {}

/// Whether a text can be meant as a key alone.
pub(super) fn is_meant(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl FromStr for ApiKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<ApiKey, NotAKey> {
        let parts = text.strip_prefix(PREFIX).filter(|_| text.len() <= MAX_BYTES).and_then(|rest| rest.split_once('_'));
        let (id, secret) = parts.ok_or(NotAKey)?;
        let sound =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !sound(id) || !sound(secret) {
            return Err(NotAKey);
        }
        Ok(ApiKey { id: id.to_owned(), secret: secret.into() })
    }
}

/// The principal of a key, of which the store has `row`, or has nothing: that takes as much time as a wrong secret.
pub(super) fn check(key: &ApiKey, row: Option<KeyRow>, seal: &Seal, now: Timestamp) -> Result<Principal, Refused> {
    let presented = key.hash(seal);
    let (newest, old) = row.as_ref().map_or(([0; 32], None), |row| (row.hash, row.old));
    let is_newest = presented.ct_eq(&newest);
    let is_old = presented.ct_eq(&old.map_or([0; 32], |old| old.hash));
    let row = row.ok_or(Refused::Invalid)?;
    match (bool::from(is_newest), bool::from(is_old), old) {
        (true, ..) => {}
        (false, true, Some(old)) if now < old.until => {}
        (false, true, Some(_)) => return Err(Refused::Over),
        _ => return Err(Refused::Invalid),
    }
    if row.revoked_at.is_some() || row.expires_at.is_some_and(|end| end <= now) {
        return Err(Refused::Over);
    }
    let scopes = row.scopes.within(Scopes::of(row.role));
    let name = display_name(&row.name);
    Ok(Principal { owner: row.owner, role: row.role, source: Source::ApiKey, scopes, name })
}

#[cfg(test)]
mod tests {
    use podling_session::{principal::Role, store::OldSecret};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small second")
    }

    fn row(key: &ApiKey, seal: &Seal) -> KeyRow {
        KeyRow {
            id: key.id().to_owned(),
            hash: key.hash(seal),
            old: None,
            owner: Principal::local_owner().owner,
            role: Role::User,
            scopes: Scopes::READ | Scopes::ADMIN,
            name: "nightly".to_owned(),
            created_at: at(0),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn a_key_has_the_scopes_that_both_it_and_its_role_have() {
        let (key, seal) = (ApiKey::random(), Seal::new(&[1; 32]));
        let principal = check(&key, Some(row(&key, &seal)), &seal, at(1)).expect("it is good");
        assert_eq!((principal.scopes, principal.name.as_deref()), (Scopes::READ, Some("nightly")));
    }

    #[test]
    fn a_key_that_is_revoked_expired_or_replaced_is_over_and_no_other_secret_learns_that() {
        let (key, seal) = (ApiKey::random(), Seal::new(&[1; 32]));
        let next = ApiKey::renewed(key.id());
        let (sound, rotated) = (row(&key, &seal), row(&next, &seal));
        let old = Some(OldSecret { hash: key.hash(&seal), until: at(60) });
        let ask = |key: &ApiKey, row: &KeyRow, second| {
            check(key, Some(row.clone()), &seal, at(second)).map(|_| ()).map_err(|refused| refused.to_string())
        };
        let (over, invalid) = (Err(Refused::Over.to_string()), Err(Refused::Invalid.to_string()));
        let revoked = KeyRow { revoked_at: Some(at(1)), ..sound.clone() };
        let expiring = KeyRow { expires_at: Some(at(60)), ..sound.clone() };
        let rotated = KeyRow { old, ..rotated };
        assert_eq!(ask(&key, &revoked, 2), over);
        assert_eq!((ask(&key, &expiring, 59), ask(&key, &expiring, 60)), (Ok(()), over.clone()));
        assert_eq!((ask(&key, &rotated, 59), ask(&key, &rotated, 60)), (Ok(()), over));
        assert_eq!(ask(&next, &rotated, 60), Ok(()));
        assert_eq!(ask(&key, &KeyRow { old: None, ..rotated.clone() }, 59), invalid);
        let stranger = ApiKey::renewed(key.id());
        for row in [&revoked, &expiring, &rotated] {
            assert_eq!(ask(&stranger, row, 99), invalid);
        }
        assert!(matches!(check(&key, None, &seal, at(1)), Err(Refused::Invalid)));
    }

    #[test]
    fn a_key_round_trips_and_hides_its_secret() {
        let key = ApiKey::random();
        let text = key.expose();
        let parsed: ApiKey = text.expose_secret().parse().expect("our own form");
        let seal = Seal::new(&[1; 32]);
        assert_eq!((parsed.id(), parsed.hash(&seal)), (key.id(), key.hash(&seal)));
        assert!(!format!("{key:?}").contains(key.secret.expose_secret()));
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in
            ["", "podling_", "podling_a", "podling__b", "podling_a_", "podling_a_b c", "eyJhbGciOi.e30.x", "sk_a_b"]
        {
            assert!(text.parse::<ApiKey>().is_err(), "{text}");
        }
        assert!(format!("podling_a_{}", "x".repeat(300)).parse::<ApiKey>().is_err());
    }
}
