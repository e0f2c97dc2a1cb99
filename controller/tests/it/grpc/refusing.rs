//! Attaches to stored logs that are refused, and logs that are not what was sealed.

use std::time::Duration;

use jiff::Timestamp;
use podling_proto::terminal::{Mode, Open, attach_request, attach_response::Message};
use podling_session::{capability::Grant, phase::End, store::SystemStore};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::{
    log::{self, Writer, output},
    viewer::{Viewer, attach, ended, open, request, viewer_grant},
    world::{World, code, next, stopped},
};

#[tokio::test]
async fn what_cannot_be_served_is_refused_by_name() {
    let world = World::start().await;
    let session = ended(&world, vec![vec![output("x")]]).await;
    let grant = world.grant(session.uid).await;
    let check = |open: Open, expected: Code| {
        let world = &world;
        async move { assert_eq!(code(Viewer::open(world, open).await), expected) }
    };
    check(Open { mode: Mode::Unspecified.into(), ..open(grant.clone(), None) }, Code::InvalidArgument).await;
    check(open("x.y".into(), None), Code::Unauthenticated).await;
    let other = world.create(&[]).await;
    check(open(world.grant(other.uid).await, None), Code::Unavailable).await;
    world.end(other.life(), &stopped()).await;
    check(open(world.grant(other.uid).await, None), Code::Unavailable).await;
    // A grant that names one session, signed by the key of another.
    let forged = Grant { session: session.uid, ..viewer_grant(&session, 0) };
    let forged = world.key(other.uid).await.grant_key().sign(&forged);
    check(open(forged, None), Code::Unauthenticated).await;
    let mut old = viewer_grant(&session, 0);
    old.issued_at = Timestamp::now() - Duration::from_secs(31);
    check(open(world.key(session.uid).await.grant_key().sign(&old), None), Code::Unauthenticated).await;
    let (requests, outbound) = mpsc::channel(1);
    requests.try_send(request(attach_request::Message::Ack(1))).expect("room for one");
    assert_eq!(code(world.terminal().attach(ReceiverStream::new(outbound)).await), Code::InvalidArgument);
}

type Change = fn(&mut Vec<u8>);

#[tokio::test]
async fn a_changed_log_ends_the_stream_with_the_segments_name() {
    let world = World::start().await;
    let part = |text: &'static str| vec![output(text)];
    let changes: [(&str, Change); 3] = [
        ("does not match its hash", |bytes| *bytes.last_mut().expect("not empty") ^= 1),
        ("does not match its hash", |bytes| bytes.truncate(60)),
        ("is missing", Vec::clear),
    ];
    for (fault, change) in changes {
        let session = ended(&world, vec![part("one"), part("two"), part("three")]).await;
        let file = log::file(&world, &session, 1);
        let mut bytes = std::fs::read(&file).expect("readable");
        change(&mut bytes);
        match bytes.is_empty() {
            true => std::fs::remove_file(&file).expect("removed"),
            false => std::fs::write(&file, bytes).expect("written"),
        }
        let mut viewer = attach(&world, &session, None).await.expect("attached");
        assert!(matches!(viewer.said().await, Some(Message::Output(output)) if output.data == "one"));
        let broken = next(&mut viewer.answers).await.expect_err("the second segment is broken");
        assert_eq!(
            (broken.code(), broken.message()),
            (Code::DataLoss, &*format!("segment 1 of the terminal log {fault}"))
        );
    }
}

#[tokio::test]
async fn a_segment_of_another_log_does_not_fit_the_chain() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    Writer::new(&world, &session).seal(vec![output("one")]).await;
    let other = world.create(&[]).await;
    let mut writer = Writer::new(&world, &other);
    writer.write(vec![output("xyz")]);
    let foreign = writer.write(vec![output("two")]);
    std::fs::copy(log::file(&world, &other, 1), log::file(&world, &session, 1)).expect("copied");
    world.store.add_segment(session.life(), foreign, 0).await.expect("the store answers");
    world.end(session.life(), &End::exit(0)).await;
    world.release(session.life()).await;
    let mut viewer = attach(&world, &session, Some(3)).await.expect("attached");
    let broken = loop {
        match next(&mut viewer.answers).await {
            Ok(answer) => assert!(answer.is_some(), "the stream ended as if all were well"),
            Err(status) => break status,
        }
    };
    assert_eq!(broken.message(), "segment 1 of the terminal log does not follow the one before it");
}
