use google_cloud_auth::credentials::mds;
use podling_session::{
    id::{TokenId, Uid},
    sign::Signer,
    token::{AUDIENCE, Claims, Expected, Scope, verify},
};

use super::{fake::Fake, *};

const RULES: Schedule = Schedule { lead: Duration::from_secs(60), token_life: Duration::from_secs(600) };
const AT_ONCE: Schedule = Schedule { lead: Duration::ZERO, ..RULES };

async fn connect(fake: &Fake, schedule: Schedule) -> Result<KmsRing, BoxError> {
    let credentials = mds::Builder::default().with_endpoint(&fake.url).build_access_token_credentials();
    let endpoint = fake.url.parse().expect("a URL");
    KmsRing::connect(Fake::name(), endpoint, credentials.expect("credentials"), schedule).await
}

async fn ring(fake: &Fake, schedule: Schedule) -> KmsRing {
    connect(fake, schedule).await.expect("a ring")
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
async fn verifies(signer: &KmsRing, verifier: &KmsRing) -> bool {
    let session = Uid::new();
    let token = signer.sign(&claims(session)).await.expect("a token");
    let now = jiff::Timestamp::from_second(1_100).expect("a small second");
    verify(&token, &verifier.keys(), &Expected { issuer: "podling", session, now, slack: Duration::ZERO }).is_ok()
}

#[tokio::test]
async fn a_version_of_the_key_signs_and_its_public_half_is_published() {
    let fake = Fake::start().await;
    let ring = ring(&fake, RULES).await;
    assert!(verifies(&ring, &ring).await);
    let before = fake.lock().calls;
    assert!(verifies(&ring, &ring).await);
    assert_eq!(fake.lock().calls - before, 1, "a token costs one call");
    ring.look().await.expect("a look");
    assert_eq!(fake.lock().calls - before, 2, "a public key is fetched once");
}

#[tokio::test]
async fn a_rotation_makes_a_version_that_is_published_before_it_signs() {
    let fake = Fake::start().await;
    let (ring, other) = (ring(&fake, RULES).await, ring(&fake, RULES).await);
    let next = ring.rotate().await.expect("a second version");
    assert!(ring.keys().find(&next.kid).is_some() && ring.keys().keys.len() == 2);
    assert_eq!(other.rotate().await.expect("the same"), next, "it waits for its turn");
    assert!(verifies(&ring, &other).await);
    let later = connect(&fake, AT_ONCE).await.expect("a ring");
    assert!(verifies(&later, &ring).await && verifies(&ring, &later).await);
    assert_eq!(later.keys().keys[1].common.key_id.as_deref(), Some(next.kid.as_str()));
}

#[tokio::test]
async fn a_version_that_is_disabled_is_withdrawn() {
    let fake = Fake::start().await;
    let ring = ring(&fake, AT_ONCE).await;
    ring.rotate().await.expect("a second version");
    fake.disable(2);
    assert!(ring.sign(&claims(Uid::new())).await.is_err());
    ring.look().await.expect("a look");
    assert_eq!(ring.keys().keys.len(), 1);
    assert!(verifies(&ring, &ring).await, "the first signs again");
}

#[tokio::test]
async fn while_cloud_kms_is_down_nothing_is_signed_and_the_known_keys_stay_published() {
    let fake = Fake::start().await;
    let ring = ring(&fake, RULES).await;
    fake.lock().down = true;
    assert!(ring.sign(&claims(Uid::new())).await.is_err());
    assert!(ring.look().await.is_err() && ring.rotate().await.is_err());
    assert_eq!(ring.keys().keys.len(), 1);
    fake.lock().down = false;
    assert!(verifies(&ring, &ring).await);
}

#[tokio::test]
async fn what_was_damaged_on_its_way_is_refused() {
    let fake = Fake::start().await;
    let ring = ring(&fake, RULES).await;
    fake.lock().damage = 1;
    let error = ring.sign(&claims(Uid::new())).await.expect_err("a wrong checksum");
    assert!(error.0.to_string().contains("damaged"), "{}", error.0);
    assert!(connect(&fake, RULES).await.is_err());
}
