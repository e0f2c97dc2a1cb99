//! One viewer, one stream: the rules of runners, kept for stored logs.

use jiff::Timestamp;
use podling_proto::terminal::{attach_request, attach_response::Message};
use podling_session::{capability::Grant, id::AttachNonce};
use tonic::Code;

use super::{
    log::output,
    viewer::{Viewer, WINDOW, attach, ended, open, viewer_grant},
    world::{PATIENCE, World, code},
};

#[tokio::test]
async fn a_viewer_has_one_stream_and_a_confirmed_token_opens_no_other() {
    let world = World::start().await;
    let session = ended(&world, vec![vec![output(vec![b'x'; 900_000])], vec![output(vec![b'y'; 900_000])]]).await;
    let key = world.key(session.uid).await.grant_key();
    let grant = viewer_grant(&session, 0);
    let again = |generation| key.sign(&Grant { generation, issued_at: Timestamp::now(), ..grant.clone() });
    let mut older = Viewer::open(&world, open(again(0), None)).await.expect("the first");
    let other_nonce = key.sign(&Grant { nonce: AttachNonce::random(), ..grant.clone() });
    assert_eq!(code(Viewer::open(&world, open(other_nonce, None)).await), Code::Unauthenticated);
    let mut newer = Viewer::open(&world, open(again(0), None)).await.expect("the same nonce, no ack yet");
    let closed = loop {
        match older.said().await {
            Some(Message::Output(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(closed, Some(Message::Closed(closed)) if closed.code == 4409));
    assert_eq!(older.said().await, None);
    assert_eq!(newer.window().await, WINDOW);
    newer.send(attach_request::Message::ResumeAck(1)).await;
    newer.send(attach_request::Message::Ack(1)).await;
    assert!(matches!(newer.said().await, Some(Message::Output(_))), "both acks were taken, in their order");
    assert_eq!(code(Viewer::open(&world, open(again(0), None)).await), Code::Unauthenticated);
    assert!(Viewer::open(&world, open(again(1), None)).await.is_ok());
}

#[tokio::test]
async fn the_ack_of_a_viewer_that_was_sent_all_at_once_still_counts() {
    let world = World::start().await;
    let session = ended(&world, vec![vec![output("short")]]).await;
    let key = world.key(session.uid).await.grant_key();
    let grant = viewer_grant(&session, 0);
    let mut viewer = Viewer::open(&world, open(key.sign(&grant), None)).await.expect("attached");
    let (_, last) = viewer.output().await;
    assert!(matches!(last, Some(Message::Exit(_))));
    viewer.send(attach_request::Message::ResumeAck(1)).await;
    assert_eq!(viewer.said().await, None);
    let again = key.sign(&Grant { issued_at: Timestamp::now(), ..grant });
    assert_eq!(code(Viewer::open(&world, open(again, None)).await), Code::Unauthenticated);
}

#[tokio::test]
async fn of_a_bounded_number_of_viewers_each_gives_its_place_back() {
    let world = World::start().await;
    let session = ended(&world, vec![vec![output(vec![b'x'; 900_000]), output(vec![b'x'; 100_000])]; 2]).await;
    let mut viewers = Vec::new();
    for _ in 0..3 {
        viewers.push(attach(&world, &session, None).await.expect("there is place"));
    }
    assert_eq!(code(attach(&world, &session, None).await), Code::ResourceExhausted);
    viewers.pop();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while attach(&world, &session, None).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the place of a viewer that left is not given back");
    }
}
