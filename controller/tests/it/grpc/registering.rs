//! A runner's first call, and the credential that it gets.

use podling_proto::control::{Heartbeat, ReportRequest, Running, report_request::Phase};
use podling_session::id::RunnerId;
use tonic::Code;

use super::world::{World, bearing, code};

#[tokio::test]
async fn register_may_be_repeated_until_its_credential_is_used() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let runner = world.launch(&session).await;
    let register = || async {
        let request = world.registration(runner, b"certificate");
        world.runners().register(request).await.map(|answer| answer.into_inner().credential)
    };
    let first = register().await.expect("the first");
    let second = register().await.expect("a lost answer is asked for again");
    assert_eq!(first, second);
    assert_eq!(code(world.runners().control(bearing(&first, beats(1))).await), Code::Ok);
    assert_eq!(code(register().await), Code::Unauthenticated);
}

#[tokio::test]
async fn another_certificate_or_secret_is_refused() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let runner = world.launch(&session).await;
    let register = |request| async { code(world.runners().register(request).await) };
    let mut wrong = world.registration(runner, b"certificate");
    wrong.secret.pop();
    assert_eq!(register(wrong).await, Code::Unauthenticated);
    let of_another = world.registration(RunnerId::from_mac([9; 16]), b"certificate").secret;
    let mut foreign = world.registration(runner, b"certificate");
    foreign.secret = of_another;
    assert_eq!(register(foreign).await, Code::Unauthenticated);
    assert_eq!(register(world.registration(runner, b"certificate")).await, Code::Ok);
    assert_eq!(register(world.registration(runner, b"another")).await, Code::Unauthenticated);
    assert_eq!(register(world.registration(runner, b"")).await, Code::InvalidArgument);
}

#[tokio::test]
async fn a_runner_that_is_faster_than_its_row_is_told_to_come_again() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let runner = world.core.seal.runner_id(&session.life().launch_name());
    let early = world.runners().register(world.registration(runner, b"certificate")).await;
    assert_eq!(code(early), Code::Unavailable);
    world.launch(&session).await;
    assert_eq!(code(world.runners().register(world.registration(runner, b"certificate")).await), Code::Ok);
}

#[tokio::test]
async fn every_other_call_needs_the_credential() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let credential = world.register(&session).await;
    let (id, mac) = credential.split_once('.').expect("two parts");
    let other = world.create(&[]).await;
    let unregistered = world.launch(&other).await;
    for bad in ["", "x", &format!("{id}."), &format!("{unregistered}.{mac}"), &format!("{unregistered}.")] {
        let refused = world.runners().control(bearing(bad, beats(0))).await;
        assert_eq!(code(refused), Code::Unauthenticated, "{bad:?}");
    }
    assert_eq!(code(world.runners().control(beats(0)).await), Code::Unauthenticated);
    let running = Some(Phase::Running(Running { isolation: "full".into() }));
    let foreign = ReportRequest { uid: other.uid.to_string(), incarnation: 1, phase: running };
    assert_eq!(code(world.runners().report(bearing(&credential, foreign)).await), Code::PermissionDenied);
}

fn beats(count: usize) -> tokio_stream::Iter<std::vec::IntoIter<Heartbeat>> {
    tokio_stream::iter(vec![Heartbeat::default(); count])
}
