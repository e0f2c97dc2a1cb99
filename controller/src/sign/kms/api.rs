//! The four calls of Cloud KMS that a ring needs, over REST (cloud.google.com/kms/docs/reference/rest).

use std::{fmt, str::FromStr, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use google_cloud_auth::credentials::AccessTokenCredentials;
use jiff::Timestamp;
use reqwest::{Client, Method};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::crc32c::crc32c;

/// A create waits for one signature.
const CALL: Duration = Duration::from_secs(5);
/// Pages of a hundred versions. Who has more has destroyed none in years.
const MAX_PAGES: usize = 10;
/// What RS256 is called there, by the length of the key.
const ALGORITHMS: [&str; 3] =
    ["RSA_SIGN_PKCS1_2048_SHA256", "RSA_SIGN_PKCS1_3072_SHA256", "RSA_SIGN_PKCS1_4096_SHA256"];

#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    #[error("there is no access token for Cloud KMS")]
    Credentials(#[source] google_cloud_auth::errors::CredentialsError),
    #[error("Cloud KMS cannot be reached, or answers what cannot be read")]
    Call(#[from] reqwest::Error),
    #[error("Cloud KMS answers {status}: {message}")]
    Refused { status: u16, message: String },
    #[error("{0} of Cloud KMS was damaged on its way")]
    Damaged(&'static str),
    #[error("the key has the algorithm {0}, and must be one of RSA_SIGN_PKCS1_2048_SHA256, _3072_ and _4096_")]
    Algorithm(String),
    #[error("the key has more versions than can be looked at")]
    TooMany,
    #[error("the address of Cloud KMS cannot have paths")]
    Endpoint,
}

/// `projects/{}/locations/{}/keyRings/{}/cryptoKeys/{}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

/// A text that names no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is named projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY")]
pub struct NotAKeyName;

impl FromStr for KeyName {
    type Err = NotAKeyName;

    fn from_str(text: &str) -> Result<KeyName, NotAKeyName> {
        let parts: Vec<_> = text.split('/').collect();
        let sound = |part: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
            part.bytes().any(|byte| byte.is_ascii_alphanumeric()) && part.len() <= 63 && part.bytes().all(known)
        };
        match parts.as_slice() {
            ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key]
                if [project, location, ring, key].into_iter().all(|part| sound(part)) =>
            {
                Ok(KeyName(text.to_owned()))
            }
            _ => Err(NotAKeyName),
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum State {
    #[serde(rename = "ENABLED")]
    Enabled,
    #[serde(rename = "PENDING_GENERATION")]
    PendingGeneration,
    /// Disabled, destroyed, failed, or not known yet: it signs nothing.
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) state: State,
    create_time: Timestamp,
    /// None while it is generated.
    generate_time: Option<Timestamp>,
}

impl Version {
    /// From then on it could be seen.
    pub(super) fn made_at(&self) -> Timestamp {
        self.generate_time.unwrap_or(self.create_time)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    #[serde(default)]
    crypto_key_versions: Vec<Version>,
    #[serde(default)]
    next_page_token: String,
}

/// Numbers of 64 bits are strings there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKey {
    pem: String,
    algorithm: String,
    pem_crc32c: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    signature: String,
    signature_crc32c: String,
    #[serde(default)]
    verified_digest_crc32c: bool,
    name: String,
}

pub(super) struct Api {
    http: Client,
    endpoint: Url,
    key: KeyName,
    credentials: AccessTokenCredentials,
}

impl Api {
    pub(super) fn new(key: KeyName, endpoint: Url, credentials: AccessTokenCredentials) -> Result<Api, KmsError> {
        // A redirect would take the access token elsewhere.
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(CALL).build()?;
        Ok(Api { http, endpoint, key, credentials })
    }

    pub(super) async fn versions(&self) -> Result<Vec<Version>, KmsError> {
        let (path, mut versions, mut page) = (format!("{}/cryptoKeyVersions", self.key), Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let query = [("pageSize", "100"), ("pageToken", page.as_str())];
            let listed: Versions = self.call(Method::GET, &path, &query, None).await?;
            versions.extend(listed.crypto_key_versions);
            page = listed.next_page_token;
            if page.is_empty() {
                return Ok(versions);
            }
        }
        Err(KmsError::TooMany)
    }

    pub(super) async fn version(&self, name: &str) -> Result<Version, KmsError> {
        self.call(Method::GET, name, &[], None).await
    }

    /// Asks for another version, which may take a while to be there.
    pub(super) async fn create(&self) -> Result<Version, KmsError> {
        self.call(Method::POST, &format!("{}/cryptoKeyVersions", self.key), &[], Some(json!({}))).await
    }

    /// In PEM.
    pub(super) async fn public_key(&self, version: &Version) -> Result<String, KmsError> {
        let key: PublicKey = self.call(Method::GET, &format!("{}/publicKey", version.name), &[], None).await?;
        if !ALGORITHMS.contains(&key.algorithm.as_str()) {
            return Err(KmsError::Algorithm(key.algorithm));
        }
        if key.name != version.name || key.pem_crc32c != crc32c(key.pem.as_bytes()).to_string() {
            return Err(KmsError::Damaged("a public key"));
        }
        Ok(key.pem)
    }

    pub(super) async fn sign(&self, version: &str, message: &[u8]) -> Result<Vec<u8>, KmsError> {
        let digest = Sha256::digest(message);
        let body = json!({
            "digest": { "sha256": BASE64_STANDARD.encode(digest) },
            "digestCrc32c": crc32c(&digest).to_string(),
        });
        let signed: Signed = self.call(Method::POST, &format!("{version}:asymmetricSign"), &[], Some(body)).await?;
        let signature = BASE64_STANDARD.decode(&signed.signature).map_err(|_| KmsError::Damaged("a signature"))?;
        let sound = signed.verified_digest_crc32c
            && signed.name == version
            && signed.signature_crc32c == crc32c(&signature).to_string();
        if sound { Ok(signature) } else { Err(KmsError::Damaged("a signature")) }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<T, KmsError> {
        let mut url = self.endpoint.join(&format!("/v1/{path}")).map_err(|_| KmsError::Endpoint)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
        }
        let token = tokio::time::timeout(CALL, self.credentials.access_token()).await;
        let token = token.map_err(|_| KmsError::Refused { status: 504, message: "no access token in time".into() })?;
        let request = self.http.request(method, url).bearer_auth(token.map_err(KmsError::Credentials)?.token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.json().await?);
        }
        // What Google says of it, for the operator; a body of another shape says nothing.
        let said: Value = response.json().await.unwrap_or_default();
        let message = said["error"]["message"].as_str().unwrap_or_default().chars().take(300).collect();
        Err(KmsError::Refused { status: status.as_u16(), message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_full_name_and_nothing_that_leads_elsewhere() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<KeyName>().is_ok(), good, "{text}");
        check("projects/p/locations/global/keyRings/r/cryptoKeys/k", true);
        check("projects/example.org:p-1/locations/europe-west1/keyRings/r_1/cryptoKeys/k", true);
        for bad in [
            "",
            "k",
            "projects/p/locations/global/keyRings/r/cryptoKeys/",
            "projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
            "projects/../locations/global/keyRings/r/cryptoKeys/k",
            "projects/p/locations/global/keyRings/r/cryptoKeys/k?x",
            "/projects/p/locations/global/keyRings/r/cryptoKeys/k",
        ] {
            check(bad, false);
        }
    }
}
