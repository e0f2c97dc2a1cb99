//! Signing keys at Cloud KMS: the versions of one asymmetric key (RSA, PKCS#1 v1.5, SHA-256) are the ring, and what signs
//! never leaves it.
//!
//! A version counts while it is enabled: one that an operator disables is withdrawn with the next look. Versions that
//! nobody needs any more are left to operators to destroy.

mod api;
mod crc32c;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use google_cloud_auth::credentials::{AccessTokenCredentials, Builder};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, Jwk, KeyAlgorithm, PublicKeyUse, RSAKeyParameters, RSAKeyType,
    ThumbprintHash,
};
use rsa::{RsaPublicKey, pkcs8::DecodePublicKey, traits::PublicKeyParts};
use tokio::time::sleep;
use url::Url;

use self::api::{Api, State, Version};
pub use self::api::{KeyName, KmsError};
use super::{
    ring::{BoxError, Keeper, Key, Keys, Ring},
    schedule::Schedule,
};

/// A new version is generated within seconds.
const GENERATION_POLL: Duration = Duration::from_millis(500);

/// The versions of one key.
pub struct KmsKeys {
    api: Api,
    /// Their public halves, which are fetched once.
    seen: Mutex<BTreeMap<String, Arc<Key<VersionName>>>>,
}

/// The full name of a version.
pub struct VersionName(String);

/// The ring of the versions of a key.
pub type KmsRing = Ring<KmsKeys>;

impl KmsRing {
    /// By whatever credentials this machine has for Google Cloud (Application Default Credentials). Has the first version
    /// made where the key has none.
    ///
    /// # Errors
    /// When there are none, or the key cannot be used.
    pub async fn at_google(key: KeyName, endpoint: Url, schedule: Schedule) -> Result<KmsRing, BoxError> {
        let credentials = Builder::default().build_access_token_credentials()?;
        KmsRing::connect(key, endpoint, credentials, schedule).await
    }

    /// By these credentials.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub(super) async fn connect(
        key: KeyName,
        endpoint: Url,
        credentials: AccessTokenCredentials,
        schedule: Schedule,
    ) -> Result<KmsRing, BoxError> {
        let api = Api::new(key, endpoint, credentials)?;
        Ring::of(KmsKeys { api, seen: Mutex::default() }, schedule).await
    }
}

#[async_trait]
impl Keeper for KmsKeys {
    type Handle = VersionName;

    async fn list(&self, _: &Keys<VersionName>) -> Result<Keys<VersionName>, BoxError> {
        let versions = self.api.versions().await?;
        let mut keys = Keys::new();
        for version in versions.iter().filter(|version| version.state == State::Enabled) {
            keys.push(self.key(version).await?);
        }
        keys.sort_by(|one, two| (one.made_at, &one.handle.0).cmp(&(two.made_at, &two.handle.0)));
        let named = |name: &String| versions.iter().any(|version| version.name == *name);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| named(name));
        Ok(keys)
    }

    /// Returns when it is there. One that is being generated is it.
    async fn make(&self, _: &Keys<VersionName>) -> Result<(), BoxError> {
        let pending = |versions: &[Version]| {
            let mut versions = versions.iter();
            versions.find(|version| version.state == State::PendingGeneration).map(|version| version.name.clone())
        };
        let name = match pending(&self.api.versions().await?) {
            Some(name) => name,
            None => self.api.create().await?.name,
        };
        loop {
            match self.api.version(&name).await?.state {
                State::Enabled => return Ok(()),
                State::PendingGeneration => sleep(GENERATION_POLL).await,
                State::Other => return Err("the new version of the key was not generated".into()),
            }
        }
    }

    async fn sign(&self, key: Arc<Key<VersionName>>, message: String) -> Result<Vec<u8>, BoxError> {
        Ok(self.api.sign(&key.handle.0, message.as_bytes()).await?)
    }

    async fn forget(&self, _: &Key<VersionName>) -> Result<(), BoxError> {
        Ok(())
    }
}

impl KmsKeys {
    async fn key(&self, version: &Version) -> Result<Arc<Key<VersionName>>, BoxError> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&version.name).cloned();
        if let Some(key) = seen {
            return Ok(key);
        }
        let jwk = jwk(&self.api.public_key(version).await?)?;
        let key = Arc::new(Key { made_at: version.made_at(), jwk, handle: VersionName(version.name.clone()) });
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(version.name.clone(), Arc::clone(&key));
        Ok(key)
    }
}

/// Named by its RFC 7638 thumbprint, as a key in a file is.
fn jwk(pem: &str) -> Result<Jwk, BoxError> {
    let key = RsaPublicKey::from_public_key_pem(pem)?;
    let number = |value: &rsa::BigUint| URL_SAFE_NO_PAD.encode(value.to_bytes_be());
    let parameters = RSAKeyParameters { key_type: RSAKeyType::RSA, n: number(key.n()), e: number(key.e()) };
    let common = CommonParameters {
        public_key_use: Some(PublicKeyUse::Signature),
        key_algorithm: Some(KeyAlgorithm::RS256),
        ..CommonParameters::default()
    };
    let mut jwk = Jwk { common, algorithm: AlgorithmParameters::RSA(parameters) };
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
    Ok(jwk)
}
