//! Grants and resume tokens: capabilities that one session's own keys sign.
//!
//! Both are `base64url(JSON) "." base64url(HMAC-SHA-256)`. The grant key is known to the controller and the session's
//! runner, the resume key to the controller alone; neither signs anything of another session, and each signs its own
//! kind only, so one can never be taken for the other.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    id::{AttachNonce, Uid, ViewerId},
    share::Who,
    token::Scope,
};

/// How long a grant opens a stream after it was made: a gateway uses it at once.
pub const GRANT_LIFE_MILLIS: i64 = 30_000;

/// The capability is not one, or not of this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the capability is malformed or not signed for this session")]
pub struct InvalidCapability;

/// One session's root key, from which its two signing keys are derived. Sealed in the store.
#[derive(Clone)]
pub struct SessionKey(Arc<SecretBox<[u8; 32]>>);

impl SessionKey {
    pub fn random() -> SessionKey {
        SessionKey::from_bytes(rand::random())
    }

    pub fn from_bytes(bytes: [u8; 32]) -> SessionKey {
        SessionKey(Arc::new(SecretBox::new(Box::new(bytes))))
    }

    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }

    pub fn grant_key(&self) -> GrantKey {
        GrantKey::from_bytes(self.derive(b"grant"))
    }

    pub fn resume_key(&self) -> ResumeKey {
        ResumeKey(MacKey::new(&self.derive(b"resume")))
    }

    fn derive(&self, label: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.expose()), label);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        bytes
    }
}

/// The controller's word to a runner that one viewer may open a stream now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub session: Uid,
    pub viewer: ViewerId,
    pub nonce: AttachNonce,
    /// 0 when it stands for a session token, else the generation of the resume token that was presented.
    pub generation: u32,
    /// In the controller's clock; of two grants for one viewer the younger wins.
    pub issued_at: Timestamp,
    pub scope: Scope,
    pub who: Who,
}

/// The capability of one viewer to come back, as long as the session lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    pub session: Uid,
    pub viewer: ViewerId,
    pub nonce: AttachNonce,
    /// From 1 on; each answer to a resume carries the next.
    pub generation: u32,
    pub scope: Scope,
    pub who: Who,
}

/// Signs and checks grants.
#[derive(Clone)]
pub struct GrantKey {
    bytes: Arc<SecretBox<[u8; 32]>>,
    mac: MacKey,
}

impl GrantKey {
    pub fn from_bytes(bytes: [u8; 32]) -> GrantKey {
        GrantKey { mac: MacKey::new(&bytes), bytes: Arc::new(SecretBox::new(Box::new(bytes))) }
    }

    /// For the controller to hand to the runner in Assign.
    pub fn expose(&self) -> &[u8; 32] {
        self.bytes.expose_secret()
    }

    pub fn sign(&self, grant: &Grant) -> String {
        self.mac.sign(&GrantWire {
            k: "grant".into(),
            s: grant.session,
            v: grant.viewer,
            n: grant.nonce.to_string(),
            g: grant.generation,
            t: grant.issued_at.as_microsecond(),
            o: grant.scope,
            w: grant.who.clone(),
        })
    }

    pub fn verify(&self, text: &str) -> Result<Grant, InvalidCapability> {
        let wire: GrantWire = self.mac.verify(text)?;
        if wire.k != "grant" {
            return Err(InvalidCapability);
        }
        Ok(Grant {
            session: wire.s,
            viewer: wire.v,
            nonce: wire.n.parse().map_err(|_| InvalidCapability)?,
            generation: wire.g,
            issued_at: Timestamp::from_microsecond(wire.t).map_err(|_| InvalidCapability)?,
            scope: wire.o,
            who: wire.w,
        })
    }
}

/// Signs and checks resume tokens.
#[derive(Clone)]
pub struct ResumeKey(MacKey);

impl ResumeKey {
    pub fn sign(&self, resume: &Resume) -> String {
        self.0.sign(&ResumeWire {
            k: "resume".into(),
            s: resume.session,
            v: resume.viewer,
            n: resume.nonce.to_string(),
            g: resume.generation,
            o: resume.scope,
            w: resume.who.clone(),
        })
    }

    pub fn verify(&self, text: &str) -> Result<Resume, InvalidCapability> {
        let wire: ResumeWire = self.0.verify(text)?;
        if wire.k != "resume" || wire.g == 0 {
            return Err(InvalidCapability);
        }
        Ok(Resume {
            session: wire.s,
            viewer: wire.v,
            nonce: wire.n.parse().map_err(|_| InvalidCapability)?,
            generation: wire.g,
            scope: wire.o,
            who: wire.w,
        })
    }
}

/// The session whose key a capability says it is signed with. Anybody can write that: it tells which key to check with,
/// and nothing more.
///
/// # Errors
/// When the text is no capability.
pub fn claimed_session(text: &str) -> Result<Uid, InvalidCapability> {
    #[derive(Deserialize)]
    struct Named {
        s: Uid,
    }
    if text.len() > crate::token::MAX_TOKEN_BYTES {
        return Err(InvalidCapability);
    }
    let (body, _) = text.split_once('.').ok_or(InvalidCapability)?;
    let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| InvalidCapability)?;
    let named: Named = serde_json::from_slice(&body).map_err(|_| InvalidCapability)?;
    Ok(named.s)
}

#[derive(Serialize, Deserialize)]
struct GrantWire {
    k: String,
    s: Uid,
    v: ViewerId,
    n: String,
    g: u32,
    t: i64,
    o: Scope,
    #[serde(default, skip_serializing_if = "Who::is_plain")]
    w: Who,
}

#[derive(Serialize, Deserialize)]
struct ResumeWire {
    k: String,
    s: Uid,
    v: ViewerId,
    n: String,
    g: u32,
    o: Scope,
    #[serde(default, skip_serializing_if = "Who::is_plain")]
    w: Who,
}

#[derive(Clone)]
struct MacKey(hmac::Key);

impl MacKey {
    fn new(bytes: &[u8; 32]) -> MacKey {
        MacKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    fn sign(&self, wire: &impl Serialize) -> String {
        let body = serde_json::to_vec(wire).expect("numbers and strings always serialize");
        let tag = hmac::sign(&self.0, &body);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// Nothing of the body is parsed before its MAC is right.
    fn verify<T: DeserializeOwned>(&self, text: &str) -> Result<T, InvalidCapability> {
        if text.len() > crate::token::MAX_TOKEN_BYTES {
            return Err(InvalidCapability);
        }
        let (body, tag) = text.split_once('.').ok_or(InvalidCapability)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| InvalidCapability)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).map_err(|_| InvalidCapability)?;
        hmac::verify(&self.0, &body, &tag).map_err(|_| InvalidCapability)?;
        serde_json::from_slice(&body).map_err(|_| InvalidCapability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::ShareId;

    fn grant() -> Grant {
        Grant {
            session: Uid::new(),
            viewer: ViewerId::new(),
            nonce: AttachNonce::random(),
            generation: 2,
            issued_at: Timestamp::from_microsecond(1_234_567_890).expect("a small time"),
            scope: Scope::ReadOnly,
            who: Who { name: Some("Ada".into()), share: Some(ShareId::random()) },
        }
    }

    #[test]
    fn a_capability_is_good_for_its_own_session_and_kind_only() {
        let (ours, other) = (SessionKey::random(), SessionKey::random());
        let grant = grant();
        let text = ours.grant_key().sign(&grant);
        assert_eq!(claimed_session(&text), Ok(grant.session));
        assert_eq!(ours.grant_key().verify(&text), Ok(grant.clone()));
        assert!(other.grant_key().verify(&text).is_err());
        assert!(ours.resume_key().verify(&text).is_err());
        let Grant { session, viewer, nonce, generation, scope, who, .. } = grant;
        let resume = Resume { session, viewer, nonce, generation, scope, who };
        let text = ours.resume_key().sign(&resume);
        assert_eq!(ours.resume_key().verify(&text), Ok(resume));
        assert!(ours.grant_key().verify(&text).is_err());
    }

    #[test]
    fn a_changed_capability_is_refused() {
        let key = SessionKey::random().grant_key();
        let text = key.sign(&grant());
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("still ASCII");
            assert!(key.verify(&changed).is_err(), "place {place}");
        }
    }
}
