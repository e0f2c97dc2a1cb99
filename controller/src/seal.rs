//! What the controller alone can open: session keys and secrets at rest, and the identities it derives for runners.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use podling_session::{
    capability::SessionKey,
    id::{LaunchName, RunnerId, Uid},
    share::ShareId,
    spec::Secrets,
    store::Sealed,
};
use secrecy::SecretString;

/// The sealed bytes are not ours, or not of this session.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("sealed data cannot be opened with this key")]
pub struct Unsealable;

/// One 32-byte root key, from which a key for each purpose is derived.
pub struct Seal {
    aead: LessSafeKey,
    derive: hmac::Key,
}

impl Seal {
    pub fn new(root: &[u8; 32]) -> Seal {
        let root = hmac::Key::new(hmac::HMAC_SHA256, root);
        let aead = UnboundKey::new(&AES_256_GCM, hmac::sign(&root, b"seal").as_ref()).expect("a MAC has 32 bytes");
        let derive = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, b"derive").as_ref());
        Seal { aead: LessSafeKey::new(aead), derive }
    }

    /// A session's key and secrets, bound to its uid.
    pub fn seal(&self, uid: Uid, key: &SessionKey, secrets: &Secrets) -> Sealed {
        let secrets = (!secrets.is_empty()).then(|| {
            let plain = serde_json::to_vec(secrets).expect("strings always serialize");
            self.close(&label(uid, "secrets"), plain)
        });
        Sealed { key: self.close(&label(uid, "key"), key.expose().to_vec()), secrets }
    }

    pub fn open_key(&self, uid: Uid, sealed: &Sealed) -> Result<SessionKey, Unsealable> {
        let bytes = self.open(&label(uid, "key"), &sealed.key)?;
        bytes.try_into().map(SessionKey::from_bytes).map_err(|_| Unsealable)
    }

    pub fn open_secrets(&self, uid: Uid, sealed: &Sealed) -> Result<Secrets, Unsealable> {
        let Some(sealed) = &sealed.secrets else { return Ok(Secrets::new()) };
        serde_json::from_slice(&self.open(&label(uid, "secrets"), sealed)?).map_err(|_| Unsealable)
    }

    /// The same id for every attempt to launch this incarnation, or this slot of the pool.
    pub fn runner_id(&self, launch: &LaunchName) -> RunnerId {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.mac(&["runner-id", launch.as_str()])[..16]);
        RunnerId::from_mac(bytes)
    }

    /// What a runner proves its id with, once.
    pub fn bootstrap_secret(&self, runner: RunnerId) -> SecretString {
        URL_SAFE_NO_PAD.encode(self.mac(&["bootstrap", &runner.to_string()])).into()
    }

    /// What a runner shows from then on. Bound to its certificate, so that a repeat of Register gets the same.
    pub fn credential(&self, runner: RunnerId, certificate: &[u8]) -> SecretString {
        let mac = self.mac(&["credential", &runner.to_string(), &URL_SAFE_NO_PAD.encode(certificate)]);
        format!("{runner}.{}", URL_SAFE_NO_PAD.encode(mac)).into()
    }

    /// Keyed hash of an API key's secret part.
    pub fn key_hash(&self, id: &str, secret: &str) -> [u8; 32] {
        self.mac(&["api-key", id, secret])
    }

    /// Keyed hash of the secret part of a link.
    pub fn share_hash(&self, id: ShareId, secret: &str) -> [u8; 32] {
        self.mac(&["share", &id.to_string(), secret])
    }

    /// Keyed hash of a request's body: it may hold secrets that a bare hash would let others guess.
    pub fn body_hash(&self, body: &str) -> [u8; 32] {
        self.mac(&["request-body", body])
    }

    fn mac(&self, parts: &[&str]) -> [u8; 32] {
        // Lengths first: no two lists of parts make the same bytes.
        let mut context = hmac::Context::with_key(&self.derive);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        bytes
    }

    fn close(&self, label: &str, mut plain: Vec<u8>) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let tag = self
            .aead
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(label.as_bytes()), &mut plain)
            .expect("the plain text is far below the limit of GCM");
        [nonce.as_slice(), &plain, tag.as_ref()].concat()
    }

    fn open(&self, label: &str, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut rest = rest.to_vec();
        let plain = self.aead.open_in_place(nonce, Aad::from(label.as_bytes()), &mut rest).map_err(|_| Unsealable)?;
        Ok(plain.to_vec())
    }
}

fn label(uid: Uid, what: &str) -> String {
    format!("{uid}/{what}")
}

#[cfg(test)]
mod tests {
    use podling_session::id::Incarnation;

    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_own_session_and_key_only() {
        let (seal, other) = (Seal::new(&[1; 32]), Seal::new(&[2; 32]));
        let (uid, key) = (Uid::new(), SessionKey::random());
        let secrets = Secrets::from([("API_KEY".to_owned(), "s3cret".to_owned())]);
        let sealed = seal.seal(uid, &key, &secrets);
        assert_eq!(seal.open_key(uid, &sealed).expect("ours").expose(), key.expose());
        assert_eq!(seal.open_secrets(uid, &sealed).expect("ours"), secrets);
        assert!(seal.open_key(Uid::new(), &sealed).is_err());
        assert!(other.open_secrets(uid, &sealed).is_err());
        assert!(!sealed.secrets.expect("there are secrets").windows(6).any(|part| part == b"s3cret"));
    }

    #[test]
    fn a_runner_has_one_identity_per_incarnation() {
        let seal = Seal::new(&[1; 32]);
        let life = Incarnation { uid: Uid::new(), number: 1 };
        assert_eq!(seal.runner_id(&life.launch_name()), seal.runner_id(&life.launch_name()));
        assert_ne!(
            seal.runner_id(&life.launch_name()),
            seal.runner_id(&Incarnation { number: 2, ..life }.launch_name())
        );
    }
}
