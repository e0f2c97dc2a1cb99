use std::{os::unix::fs::PermissionsExt, time::Duration};

use podling_session::{
    id::{TokenId, Uid},
    sign::Signer,
    token::{AUDIENCE, Claims, Expected, Scope, verify},
};
use tempfile::TempDir;

use super::*;

const RULES: Schedule = Schedule { lead: Duration::from_secs(60), token_life: Duration::from_secs(600) };
/// Every key signs as soon as it is there.
const AT_ONCE: Schedule = Schedule { lead: Duration::ZERO, ..RULES };

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

async fn ring(directory: &TempDir, schedule: Schedule) -> KeyRing {
    KeyRing::open(directory.path().join("keys"), schedule).await.expect("a ring")
}

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
        who: Default::default(),
    }
}

/// Whether a token that one ring makes now is good by the keys that another publishes.
async fn verifies(signer: &KeyRing, verifier: &KeyRing) -> bool {
    let session = Uid::new();
    let token = signer.sign(&claims(session)).await.expect("a token");
    let now = Timestamp::from_second(1_100).expect("a small second");
    let expected = Expected { issuer: "podling", session, now, slack: Duration::ZERO };
    verify(&token, &verifier.keys(), &expected).is_ok()
}

fn files(directory: &TempDir) -> usize {
    let pem = |path: &Path| path.extension() == Some(OsStr::new("pem"));
    let entries = directory.path().join("keys").read_dir().expect("the directory");
    entries.filter(|entry| pem(&entry.as_ref().expect("an entry").path())).count()
}

#[tokio::test]
async fn a_new_key_is_published_at_once_and_signs_when_all_have_had_the_time_to_fetch_it() {
    let directory = directory();
    let first = ring(&directory, RULES).await;
    let kid = first.keys().keys[0].common.key_id.clone();
    let other = ring(&directory, RULES).await;
    let next = first.rotate().await.expect("a second key");
    assert!(next.signs_at > Timestamp::now() && first.keys().find(&next.kid).is_some());
    assert_ne!(Some(&next.kid), kid.as_ref());
    assert!(verifies(&first, &other).await, "the old key signs until its time is over");
    // By another clock, at which that time has come.
    let later = ring(&directory, AT_ONCE).await;
    assert!(verifies(&first, &later).await, "the old key's tokens live");
    assert!(!verifies(&later, &other).await, "it has not looked");
    other.look().await.expect("a look");
    assert!(verifies(&later, &other).await);
}

#[tokio::test]
async fn while_a_key_waits_for_its_turn_no_other_is_made() {
    let directory = directory();
    let (one, two) = (ring(&directory, RULES).await, ring(&directory, RULES).await);
    let next = one.rotate().await.expect("a second key");
    assert_eq!(one.rotate().await.expect("the same"), next);
    assert_eq!(two.rotate().await.expect("the same"), next);
    assert_eq!(files(&directory), 2);
}

#[tokio::test]
async fn of_two_controllers_that_rotate_at_once_one_makes_the_key() {
    let directory = directory();
    let (one, two) = (ring(&directory, RULES).await, ring(&directory, RULES).await);
    let (one, two) = tokio::join!(one.rotate(), two.rotate());
    assert_eq!(one.expect("a key"), two.expect("a key"));
    assert_eq!(files(&directory), 2);
}

#[tokio::test]
async fn a_key_whose_last_token_has_died_is_removed_and_nothing_else_is() {
    let directory = directory();
    let first = ring(&directory, AT_ONCE).await;
    first.rotate().await.expect("a second key");
    assert_eq!((first.keys().keys.len(), files(&directory)), (2, 2));
    // As if the second had been made two hours ago.
    let place = places(&directory.path().join("keys")).expect("places").pop().expect("the second");
    let long_ago = Timestamp::now() - Duration::from_secs(7_200);
    let moved = Place::new(&directory.path().join("keys"), place.number, long_ago);
    std::fs::rename(&place.path, &moved.path).expect("ours");
    first.look().await.expect("a look");
    assert_eq!((first.keys().keys.len(), files(&directory)), (1, 1));
    assert!(verifies(&first, &first).await);
    assert!(moved.path.exists());
}

#[tokio::test]
async fn a_ring_goes_on_when_a_file_in_it_cannot_be_read() {
    let directory = directory();
    let ring = ring(&directory, RULES).await;
    std::fs::write(directory.path().join("keys/00000002-5.pem"), "no key").expect("ours");
    assert!(ring.look().await.is_err());
    assert!(verifies(&ring, &ring).await);
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    let directory = directory();
    drop(ring(&directory, RULES).await);
    let file = places(&directory.path().join("keys")).expect("places").pop().expect("the first").path;
    assert_eq!(file.metadata().expect("the key").mode() & 0o777, 0o600);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).expect("another mode");
    let refused = KeyRing::open(directory.path().join("keys"), RULES).await.err().expect("a refusal");
    assert!(refused.to_string().contains("mode 0600"), "{refused}");
}

#[test]
fn a_name_tells_number_and_time() {
    let check = |name: &str, expected: Option<(u64, i64)>| {
        let place = Place::of(Path::new(name)).map(|place| (place.number, place.made_at.as_millisecond()));
        assert_eq!(place, expected, "{name}");
    };
    check("00000001.pem", Some((1, 0)));
    check("00000002-1795315200000.pem", Some((2, 1_795_315_200_000)));
    check("key.pem", None);
    check("00000002-soon.pem", None);
    let now = Timestamp::from_millisecond(5).expect("a small time");
    let place = Place::new(Path::new("/k"), 3, now);
    assert_eq!(Place::of(&place.path), Some(place));
}
