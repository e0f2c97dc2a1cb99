//! API keys: `podling_<id>_<secret>`. The id finds the row; of the secret only a keyed hash is stored.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use podling_session::{
    principal::{Principal, Source},
    store::PrincipalStore,
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

/// The principal of a key. An unknown id costs as much time as a wrong secret.
pub(super) async fn check(keys: &dyn PrincipalStore, seal: &Seal, text: &str) -> Result<Principal, Refused> {
    let key: ApiKey = text.parse().map_err(|NotAKey| Refused::Invalid)?;
    let row = keys.key(key.id()).await?;
    let stored = row.as_ref().map_or([0; 32], |row| row.hash);
    let equal: bool = key.hash(seal).ct_eq(&stored).into();
    match row {
        Some(row) if equal => Ok(Principal { owner: row.owner, role: row.role, source: Source::ApiKey }),
        _ => Err(Refused::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
