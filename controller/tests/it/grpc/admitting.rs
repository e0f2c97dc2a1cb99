//! Who is admitted, and where it is led.

use std::time::Duration;

use podling_proto::control::{
    AdmitRequest, AdmitResponse, Admitted, GetKeysRequest, admit_request::Capability, admit_response::Message,
};
use podling_session::{
    capability::{Resume, SessionKey},
    id::{AttachNonce, Uid, ViewerId},
    phase::{End, EndReason},
    session::Session,
    store::{Beat, SessionStore, SystemStore},
    token::Scope,
};
use tonic::{Code, Streaming};

use super::{
    log::{Writer, output},
    world::{SERVICE, World, bearing, code, next, stopped},
};

async fn said(stream: &mut Streaming<AdmitResponse>) -> Option<Message> {
    next(stream).await.expect("no error").map(|answer| answer.message.expect("one of them"))
}

async fn admitted(stream: &mut Streaming<AdmitResponse>) -> Admitted {
    match said(stream).await {
        Some(Message::Admitted(admitted)) => admitted,
        other => panic!("the first answer is {other:?}"),
    }
}

async fn token(world: &World, session: &Session) -> Capability {
    Capability::SessionToken(world.token(session, |_| {}).await)
}

async fn running(world: &World) -> Session {
    let session = world.create(&[]).await;
    world.register(&session).await;
    session
}

#[tokio::test]
async fn a_gateway_without_the_service_credential_gets_nothing() {
    let world = World::start().await;
    let session = running(&world).await;
    let request = || AdmitRequest { uid: session.uid.to_string(), ..AdmitRequest::default() };
    assert_eq!(code(world.gateways().admit(request()).await), Code::Unauthenticated);
    assert_eq!(code(world.gateways().admit(bearing("wrong", request())).await), Code::Unauthenticated);
    assert_eq!(code(world.gateways().get_keys(GetKeysRequest {}).await), Code::Unauthenticated);
}

#[tokio::test]
async fn a_token_opens_its_own_session_while_it_lives_and_no_other() {
    let world = World::start().await;
    let (ours, other) = (running(&world).await, running(&world).await);
    let tokens = [
        ("of another session", world.token(&other, |_| {}).await),
        ("expired this second", world.token(&ours, |claims| claims.exp = claims.iat).await),
        ("from the future", world.token(&ours, |claims| claims.iat += 60).await),
        ("of another issuer", world.token(&ours, |claims| claims.iss = "other".into()).await),
        ("for another audience", world.token(&ours, |claims| claims.aud = "api".into()).await),
        ("of another tenant", world.token(&ours, |claims| claims.tid = "test:claim:acme".into()).await),
        ("no token", "a.b.c".to_owned()),
    ];
    for (what, token) in tokens {
        let refused = world.admit(ours.uid, Capability::SessionToken(token)).await;
        assert_eq!(code(refused), Code::Unauthenticated, "{what}");
    }
    let capability = Some(token(&world, &ours).await);
    let bad_nonce =
        AdmitRequest { uid: ours.uid.to_string(), capability, nonce: "short".into(), ..AdmitRequest::default() };
    assert_eq!(code(world.gateways().admit(bearing(SERVICE, bad_nonce)).await), Code::Unauthenticated);
    let nothing = AdmitRequest { uid: ours.uid.to_string(), ..AdmitRequest::default() };
    assert_eq!(code(world.gateways().admit(bearing(SERVICE, nothing)).await), Code::Unauthenticated);
}

#[tokio::test]
async fn a_resume_token_is_good_for_its_own_session_and_as_nothing_else() {
    let world = World::start().await;
    let (ours, other) = (running(&world).await, running(&world).await);
    let resume = Resume {
        session: ours.uid,
        viewer: ViewerId::new(),
        nonce: AttachNonce::random(),
        generation: 1,
        scope: Scope::ReadWrite,
        who: Default::default(),
    };
    let key = world.key(ours.uid).await;
    let good = key.resume_key().sign(&resume);
    let forged = SessionKey::random().resume_key().sign(&resume);
    let misplaced = key.resume_key().sign(&Resume { session: other.uid, ..resume });
    for (uid, token) in [(ours.uid, forged), (ours.uid, misplaced), (other.uid, good.clone()), (ours.uid, "x".into())] {
        let refused = world.admit(uid, Capability::ResumeToken(token)).await;
        assert_eq!(code(refused), Code::Unauthenticated);
    }
    assert_eq!(code(world.admit(ours.uid, Capability::SessionToken(good.clone())).await), Code::Unauthenticated);
    assert_eq!(code(world.admit(ours.uid, Capability::ResumeToken(good)).await), Code::Ok);
}

#[tokio::test]
async fn a_session_that_is_unknown_or_deleted_is_not_found() {
    let world = World::start().await;
    let session = running(&world).await;
    let capability = token(&world, &session).await;
    assert_eq!(code(world.admit(Uid::new(), capability.clone()).await), Code::NotFound);
    world.store.delete(&session.owner.clone().into(), &session.id, stopped()).await.expect("the store answers");
    assert_eq!(code(world.admit(session.uid, capability).await), Code::NotFound);
    let no_uid = AdmitRequest { uid: "../etc".into(), ..AdmitRequest::default() };
    assert_eq!(code(world.gateways().admit(bearing(SERVICE, no_uid)).await), Code::NotFound);
}

#[tokio::test]
async fn a_full_session_takes_no_new_viewer_but_those_that_come_back() {
    let world = World::start().await;
    let session = running(&world).await;
    let full = Beat { idle_for: Duration::ZERO, viewers: 3, log_end: 0 };
    assert_eq!(world.store.beats(&[(session.life(), full)]).await.expect("the store answers"), []);
    assert_eq!(code(world.admit(session.uid, token(&world, &session).await).await), Code::ResourceExhausted);
    let resume = Resume {
        session: session.uid,
        viewer: ViewerId::new(),
        nonce: AttachNonce::random(),
        generation: 1,
        scope: Scope::ReadWrite,
        who: Default::default(),
    };
    let resume = world.key(session.uid).await.resume_key().sign(&resume);
    assert_eq!(code(world.admit(session.uid, Capability::ResumeToken(resume)).await), Code::Ok);
}

#[tokio::test]
async fn a_store_that_is_down_is_unavailable() {
    let world = World::start().await;
    let session = running(&world).await;
    let capability = token(&world, &session).await;
    world.store.close().await;
    let refused = world.admit(session.uid, capability).await.expect_err("nothing can be checked");
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "the session store is unavailable"));
}

#[tokio::test]
async fn a_pruned_log_is_told_before_anything_is_spent() {
    let world = World::start().await;
    let session = running(&world).await;
    world.end(session.life(), &stopped()).await;
    world.store.log_end(session.life(), 10).await.expect("the store answers");
    world.release(session.life()).await;
    assert_eq!(code(world.admit(session.uid, token(&world, &session).await).await), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_viewer_sees_each_stage_once_and_then_the_runner() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut stream = world.admit(session.uid, token(&world, &session).await).await.expect("admitted");
    let first = admitted(&mut stream).await;
    assert_eq!((first.generation, first.read_only), (1, false));
    let Some(Message::Stage(stage)) = said(&mut stream).await else { panic!("no stage") };
    assert_eq!(stage.name, "scheduling");
    world.register(&session).await;
    let Some(Message::Runner(runner)) = said(&mut stream).await else { panic!("no runner") };
    assert_eq!(runner.certificate.as_ref(), b"certificate");
    assert_eq!(runner.address, format!("unix:{}", world.runner_socket().display()));
    let grant = world.key(session.uid).await.grant_key().verify(&runner.grant).expect("our own");
    assert_eq!((grant.session, grant.generation, grant.scope), (session.uid, 0, Scope::ReadWrite));
    assert_eq!(grant.viewer.to_string(), first.viewer_id);
    assert_eq!(said(&mut stream).await, None);
}

#[tokio::test]
async fn a_resume_keeps_viewer_nonce_and_scope_and_raises_the_generation() {
    let world = World::start().await;
    let session = running(&world).await;
    let read_only = world.token(&session, |claims| claims.scope = Scope::ReadOnly).await;
    let mut stream = world.admit(session.uid, Capability::SessionToken(read_only)).await.expect("admitted");
    let mut before = admitted(&mut stream).await;
    let key = world.key(session.uid).await;
    for generation in 1..4 {
        let resume = Capability::ResumeToken(before.resume_token.clone());
        let mut stream = world.admit(session.uid, resume).await.expect("admitted");
        let now = admitted(&mut stream).await;
        assert_eq!((now.generation, &now.viewer_id, now.read_only), (generation + 1, &before.viewer_id, true));
        let Some(Message::Runner(runner)) = said(&mut stream).await else { panic!("no runner") };
        let grant = key.grant_key().verify(&runner.grant).expect("our own");
        assert_eq!((grant.generation, grant.scope), (generation, Scope::ReadOnly));
        before = now;
    }
}

#[tokio::test]
async fn a_session_that_ended_without_a_runner_leads_to_its_end() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut stream = world.admit(session.uid, token(&world, &session).await).await.expect("admitted");
    admitted(&mut stream).await;
    assert!(matches!(said(&mut stream).await, Some(Message::Stage(_))));
    world.end(session.life(), &End::because(EndReason::StartDeadline)).await;
    world.release(session.life()).await;
    let Some(Message::Stored(stored)) = said(&mut stream).await else { panic!("not stored") };
    assert!(world.key(session.uid).await.grant_key().verify(&stored.grant).is_ok());
    assert_eq!(said(&mut stream).await, None);
}

#[tokio::test]
async fn an_ended_session_waits_for_its_log_unless_its_runner_lives() {
    let world = World::start().await;
    let alive = running(&world).await;
    world.end(alive.life(), &stopped()).await;
    let mut stream = world.admit(alive.uid, token(&world, &alive).await).await.expect("admitted");
    admitted(&mut stream).await;
    assert!(matches!(said(&mut stream).await, Some(Message::Runner(_))), "it registered a moment ago");

    let gone = world.create(&[]).await;
    world.launch(&gone).await;
    world.end(gone.life(), &stopped()).await;
    let mut stream = world.admit(gone.uid, token(&world, &gone).await).await.expect("admitted");
    admitted(&mut stream).await;
    let early = tokio::time::timeout(Duration::from_millis(300), stream.message()).await;
    assert!(early.is_err(), "it was led somewhere before the log was settled: {early:?}");
    world.release(gone.life()).await;
    assert!(matches!(said(&mut stream).await, Some(Message::Stored(_))));
}

#[tokio::test]
async fn a_session_that_is_deleted_while_it_starts_is_gone_for_its_viewers() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut stream = world.admit(session.uid, token(&world, &session).await).await.expect("admitted");
    admitted(&mut stream).await;
    assert!(matches!(said(&mut stream).await, Some(Message::Stage(_))));
    world.store.delete(&session.owner.clone().into(), &session.id, stopped()).await.expect("the store answers");
    assert_eq!(code(next(&mut stream).await), Code::NotFound);
}

#[tokio::test]
async fn the_keys_verify_the_tokens() {
    let world = World::start().await;
    let answer = world.gateways().get_keys(bearing(SERVICE, GetKeysRequest {})).await.expect("keys").into_inner();
    let keys = serde_json::from_str(&answer.jwks).expect("a JWK set");
    let session = world.create(&[]).await;
    let token = world.token(&session, |_| {}).await;
    let expected = podling_session::token::Expected {
        issuer: super::world::ISSUER,
        session: session.uid,
        now: jiff::Timestamp::now(),
        slack: Duration::ZERO,
    };
    assert!(podling_session::token::verify(&token, &keys, &expected).is_ok());
}

#[tokio::test]
async fn a_log_that_is_kept_is_led_to() {
    let world = World::start().await;
    let session = running(&world).await;
    Writer::new(&world, &session).seal(vec![output("hi")]).await;
    world.end(session.life(), &stopped()).await;
    world.release(session.life()).await;
    let mut stream = world.admit(session.uid, token(&world, &session).await).await.expect("admitted");
    admitted(&mut stream).await;
    assert!(matches!(said(&mut stream).await, Some(Message::Stored(_))));
}
