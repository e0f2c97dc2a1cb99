//! Signing keys in a directory: `00000001.pem`, `00000002.pem`, … The last signs; the tokens of all of them still verify,
//! so that a key is rotated by adding a file and, when its last token has expired, removing the one before.

use std::{
    ffi::OsStr,
    fs::{DirBuilder, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, EncodingKey,
    errors::ErrorKind,
    jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash},
};
use podling_session::{limit::Unavailable, sign::Signer, token::Claims};
use rsa::{
    RsaPrivateKey,
    pkcs8::{EncodePrivateKey, LineEnding},
};

/// RS256 wants 2048 bits at least (RFC 7518, 3.3); more would only make every signature dearer.
const KEY_BITS: usize = 2048;
/// A PEM file is a few kilobytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("signing keys in {} cannot be read or written", .0.display())]
    File(PathBuf, #[source] io::Error),
    #[error("{} must be a plain file with mode 0600", .0.display())]
    Exposed(PathBuf),
    #[error("{} holds no RSA key in PKCS#8 PEM", .0.display())]
    NotAKey(PathBuf, #[source] jsonwebtoken::errors::Error),
    #[error("no signing key could be made")]
    Generate(#[source] rsa::pkcs8::Error),
}

/// The keys of a directory, read once.
pub struct KeyRing {
    signing: Arc<SigningKey>,
    public: JwkSet,
}

struct SigningKey {
    /// The first part of every token of this key.
    header: String,
    /// Kept whole: to read and check it takes longer than to sign with it.
    pair: RsaKeyPair,
}

impl SigningKey {
    /// A compact JWS (RFC 7515, 3.1).
    fn sign(&self, claims: &Claims) -> Result<String, BoxError> {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
        let mut token = format!("{}.{payload}", self.header);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl KeyRing {
    /// Reads the keys, and makes the first one where there is none.
    pub async fn open(directory: PathBuf) -> Result<KeyRing, KeyFileError> {
        let opened = tokio::task::spawn_blocking(move || open(&directory)).await;
        opened.expect("reading and making keys does not panic")
    }
}

#[async_trait]
impl Signer for KeyRing {
    async fn sign(&self, claims: &Claims) -> Result<String, Unavailable> {
        let (key, claims) = (self.signing.clone(), claims.clone());
        // 0.2 ms of arithmetic, which would hold up everything else on its thread.
        let signed = tokio::task::spawn_blocking(move || key.sign(&claims)).await;
        signed.map_err(|error| Unavailable(error.into()))?.map_err(Unavailable)
    }

    fn keys(&self) -> JwkSet {
        self.public.clone()
    }
}

fn open(directory: &Path) -> Result<KeyRing, KeyFileError> {
    let failed = |error| KeyFileError::File(directory.to_owned(), error);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let mut files = key_files(directory).map_err(failed)?;
    if files.is_empty() {
        let first = directory.join("00000001.pem");
        make(&first)?;
        files.push(first);
    }
    let mut keys = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let public = JwkSet { keys: keys.iter().map(|(_, jwk)| jwk.clone()).collect() };
    let (pair, jwk) = keys.pop().expect("there is one key at least");
    let header = serde_json::json!({ "typ": "JWT", "alg": "RS256", "kid": jwk.common.key_id });
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    Ok(KeyRing { signing: Arc::new(SigningKey { header, pair }), public })
}

fn key_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in directory.read_dir()? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("pem")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes a new key aside and links it into place: whoever looks sees a whole key or none, and of two makers one wins.
fn make(path: &Path) -> Result<(), KeyFileError> {
    let failed = |error| KeyFileError::File(path.to_owned(), error);
    let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, KEY_BITS).map_err(|_| rsa::pkcs8::Error::KeyMalformed);
    let pem = key.and_then(|key| key.to_pkcs8_pem(LineEnding::LF)).map_err(KeyFileError::Generate)?;
    let aside = path.with_extension(format!("{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside).map_err(failed)?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside).map_err(failed)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<(RsaKeyPair, Jwk), KeyFileError> {
    let failed = |error| KeyFileError::File(path.to_owned(), error);
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() || about.mode() & 0o077 != 0 {
        return Err(KeyFileError::Exposed(path.to_owned()));
    }
    let mut pem = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut pem).map_err(failed)?;
    parse(&pem).map_err(|error| KeyFileError::NotAKey(path.to_owned(), error))
}

/// The key and its public half, named by its RFC 7638 thumbprint.
fn parse(pem: &[u8]) -> Result<(RsaKeyPair, Jwk), jsonwebtoken::errors::Error> {
    let key = EncodingKey::from_rsa_pem(pem)?;
    let pair = RsaKeyPair::from_der(key.as_bytes());
    let pair = pair.map_err(|rejected| ErrorKind::InvalidRsaKey(rejected.to_string()))?;
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256)?;
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
    Ok((pair, jwk))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use jiff::Timestamp;
    use podling_session::{
        id::{TokenId, Uid},
        token::{AUDIENCE, Expected, Scope, verify},
    };

    use super::*;

    fn claims(session: Uid) -> Claims {
        Claims {
            iss: "podling".into(),
            aud: AUDIENCE.into(),
            sub: "owner".into(),
            sid: session,
            tid: "local:user:owner".into(),
            jti: TokenId::new(),
            iat: 1_000,
            exp: 1_300,
            scope: Scope::ReadWrite,
        }
    }

    #[tokio::test]
    async fn the_last_key_signs_and_tokens_of_every_key_verify() {
        let directory = tempfile::tempdir().expect("a directory");
        let ring = KeyRing::open(directory.path().join("keys")).await.expect("a new ring");
        let again = KeyRing::open(directory.path().join("keys")).await.expect("the same ring");
        assert_eq!(ring.keys(), again.keys());
        let session = Uid::new();
        let old = ring.sign(&claims(session)).await.expect("a token");

        make(&directory.path().join("keys/00000002.pem")).expect("a second key");
        let rotated = KeyRing::open(directory.path().join("keys")).await.expect("both keys");
        let new = rotated.sign(&claims(session)).await.expect("a token");
        let now = Timestamp::from_second(1_100).expect("a small second");
        let expected = Expected { issuer: "podling", session, now, slack: Duration::ZERO };
        assert!(verify(&old, &rotated.keys(), &expected).is_ok());
        assert!(verify(&new, &rotated.keys(), &expected).is_ok());
        assert!(verify(&new, &ring.keys(), &expected).is_err());
    }

    #[tokio::test]
    async fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        drop(KeyRing::open(directory.path().to_owned()).await.expect("a new ring"));
        let file = directory.path().join("00000001.pem");
        assert_eq!(file.metadata().expect("the key").mode() & 0o777, 0o600);
        assert_eq!(directory.path().read_dir().expect("the directory").count(), 1, "nothing is left aside");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).expect("another mode");
        assert!(matches!(KeyRing::open(directory.path().to_owned()).await, Err(KeyFileError::Exposed(_))));
    }
}
