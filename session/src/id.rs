//! Identifiers. Each is a type of its own, so that two of them cannot be swapped, and one that exists is well formed.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What was wrong with the text of an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be {rule}")]
pub struct InvalidId {
    pub kind: &'static str,
    pub rule: &'static str,
}

/// Our name for a session: a UUIDv7, global, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid(Uuid);

impl Uid {
    #[expect(clippy::new_without_default, reason = "each call makes another uid")]
    pub fn new() -> Uid {
        Uid(Uuid::now_v7())
    }

    pub fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    /// 32 hexadecimal digits: short enough for paths that have to fit into a socket address.
    pub fn simple(&self) -> String {
        self.0.simple().to_string()
    }
}

impl FromStr for Uid {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Uid, InvalidId> {
        let invalid = InvalidId { kind: "uid", rule: "a UUIDv7 in its hyphenated lower case form" };
        parse_v7(text).map(Uid).ok_or(invalid)
    }
}

/// The name of a session token, and so of the viewer that attached with it: a UUIDv7, which tells when it was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(Uuid);

/// A viewer is known by the `jti` of its first token.
pub type ViewerId = TokenId;

impl TokenId {
    #[expect(clippy::new_without_default, reason = "each call makes another id")]
    pub fn new() -> TokenId {
        TokenId(Uuid::now_v7())
    }

    /// When the token was made, to the millisecond. A replay guard that keeps its claims in memory refuses tokens
    /// that are older than itself, because it cannot know whether they were spent.
    pub fn made_at(&self) -> Timestamp {
        let (seconds, nanos) = self.0.get_timestamp().map_or((0, 0), |time| time.to_unix());
        Timestamp::new(seconds.try_into().unwrap_or(i64::MAX), nanos.try_into().unwrap_or(0)).unwrap_or(Timestamp::MAX)
    }
}

impl FromStr for TokenId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<TokenId, InvalidId> {
        let invalid = InvalidId { kind: "jti", rule: "a UUIDv7 in its hyphenated lower case form" };
        parse_v7(text).map(TokenId).ok_or(invalid)
    }
}

/// The name of one runner, derived by the controller from the incarnation that it serves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunnerId(Uuid);

impl RunnerId {
    /// The first 16 bytes of a MAC, so that every attempt to launch an incarnation names the same runner.
    pub fn from_mac(bytes: [u8; 16]) -> RunnerId {
        RunnerId(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl FromStr for RunnerId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<RunnerId, InvalidId> {
        let invalid = InvalidId { kind: "runner id", rule: "a hyphenated lower case UUID" };
        Uuid::try_parse(text).ok().filter(|id| id.to_string() == text).map(RunnerId).ok_or(invalid)
    }
}

fn parse_v7(text: &str) -> Option<Uuid> {
    // One spelling only: two texts that name one session would be two keys of one rate limit.
    Uuid::try_parse(text).ok().filter(|id| id.get_version_num() == 7 && id.to_string() == text)
}

macro_rules! uuid_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<$name, InvalidId> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    )*};
}
uuid_text!(Uid, TokenId, RunnerId);

/// The caller's name for a session: `[A-Za-z0-9_-]{1,64}`, first and last alphanumeric. Equal to the uid when the
/// caller gave none; unique among the tenant's sessions that are not deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Arc<str>);

impl SessionId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Uid> for SessionId {
    fn from(uid: Uid) -> SessionId {
        SessionId(uid.to_string().into())
    }
}

impl FromStr for SessionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<SessionId, InvalidId> {
        let bytes = text.as_bytes();
        let inside = bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        if inside && bytes.len() <= 64 && ends(bytes.first()) && ends(bytes.last()) {
            Ok(SessionId(text.into()))
        } else {
            let rule = "1 to 64 characters of A-Z, a-z, 0-9, '_' and '-', the first and last a letter or digit";
            Err(InvalidId { kind: "id", rule })
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One life of a session on a runner. Numbers start at 1 and never go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Incarnation {
    pub uid: Uid,
    pub number: u32,
}

impl Incarnation {
    pub fn launch_name(&self) -> LaunchName {
        LaunchName(format!("{}-{}", self.uid.simple(), self.number))
    }
}

/// A place in the pool of warm runners: a runner that was launched before there is a session for it. Each launch has a
/// slot of its own; it is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(Uuid);

impl Slot {
    #[expect(clippy::new_without_default, reason = "each call makes another slot")]
    pub fn new() -> Slot {
        Slot(Uuid::now_v7())
    }

    pub fn launch_name(&self) -> LaunchName {
        LaunchName(format!("{WARM}{}", self.0.simple()))
    }
}

/// Begins the launch name of a slot. No uid does.
const WARM: &str = "warm-";

/// What a launcher calls one runner: derived from the incarnation that it was launched for, so that a second attempt
/// finds the first, or from its slot in the pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaunchName(String);

impl LaunchName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The slot that this name was derived from; none of a runner that was launched for its incarnation.
    pub fn slot(&self) -> Option<Slot> {
        let uuid = Uuid::try_parse(self.0.strip_prefix(WARM)?).ok()?;
        (uuid.get_version_num() == 7).then_some(Slot(uuid))
    }

    /// The incarnation that this name was derived from; none of a warm runner, whichever it serves since.
    pub fn incarnation(&self) -> Option<Incarnation> {
        let (uid, number) = self.0.split_once('-')?;
        let uid = Uuid::try_parse(uid).ok().filter(|id| id.get_version_num() == 7).map(Uid)?;
        Some(Incarnation { uid, number: number.parse().ok()? })
    }
}

impl FromStr for LaunchName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<LaunchName, InvalidId> {
        let rule = "32 hexadecimal digits, '-' and a number, or 'warm-' and 32 hexadecimal digits";
        let name = LaunchName(text.to_owned());
        let derived = name.incarnation().map(|life| life.launch_name()).or(name.slot().map(|slot| slot.launch_name()));
        if derived.as_ref() == Some(&name) { Ok(name) } else { Err(InvalidId { kind: "launch name", rule }) }
    }
}

impl fmt::Display for LaunchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Made at random by a client for one viewer: whoever claims a token with it may claim again after a lost answer.
/// 22 base64url characters on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttachNonce([u8; 16]);

impl AttachNonce {
    pub fn random() -> AttachNonce {
        AttachNonce(rand::random())
    }
}

impl FromStr for AttachNonce {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<AttachNonce, InvalidId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(AttachNonce).ok_or(InvalidId { kind: "nonce", rule: "22 base64url characters (16 bytes)" })
    }
}

impl fmt::Display for AttachNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for AttachNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttachNonce(…)") // Half of what opens a stream: not for logs.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_has_its_alphabet_length_and_ends() {
        let check = |text: &str, ok: bool| assert_eq!(text.parse::<SessionId>().is_ok(), ok, "{text:?}");
        for good in ["a", "0", "a-b_c", "A9", &"x".repeat(64)] {
            check(good, true);
        }
        for bad in ["", "-a", "a-", "_", "a b", "a/b", "ä", "a.b", &"x".repeat(65)] {
            check(bad, false);
        }
    }

    #[test]
    fn a_uid_has_one_spelling() {
        let uid = Uid::new();
        assert_eq!(uid.to_string().parse(), Ok(uid));
        assert!(uid.to_string().to_uppercase().parse::<Uid>().is_err());
        assert!(uid.simple().parse::<Uid>().is_err());
        assert!(Uuid::new_v4().to_string().parse::<Uid>().is_err());
    }

    #[test]
    fn a_launch_name_leads_back_to_its_incarnation() {
        let life = Incarnation { uid: Uid::new(), number: 3 };
        assert_eq!(life.launch_name().incarnation(), Some(life));
        assert_eq!(life.launch_name().as_str().parse(), Ok(life.launch_name()));
        for bad in ["", "x-1", "../../etc", "0-1", "warm-", "warm-1", "warm-../x"] {
            assert!(bad.parse::<LaunchName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slots_launch_name_is_nobodys_incarnation() {
        let slot = Slot::new();
        let name = slot.launch_name();
        assert_eq!((name.slot(), name.incarnation()), (Some(slot), None));
        assert_eq!(name.as_str().parse(), Ok(name));
        assert_eq!(Incarnation { uid: Uid::new(), number: 1 }.launch_name().slot(), None);
    }

    #[test]
    fn a_nonce_is_22_characters() {
        let nonce = AttachNonce::random();
        assert_eq!(nonce.to_string().len(), 22);
        assert_eq!(nonce.to_string().parse(), Ok(nonce));
        assert!("short".parse::<AttachNonce>().is_err());
    }

    #[test]
    fn a_token_id_tells_when_it_was_made() {
        let age = Timestamp::now().duration_since(TokenId::new().made_at());
        assert!(age.as_millis().abs() < 1_000, "{age:?}");
    }
}
