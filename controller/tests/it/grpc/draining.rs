//! The end of the server is the end of its streams.

use std::time::Duration;

use podling_proto::{
    control::{Heartbeat, admit_request::Capability},
    terminal::attach_response::Message,
};
use tokio_stream::StreamExt;
use tonic::Code;

use super::{
    log::output,
    viewer::{attach, ended},
    world::{World, bearing, code, next},
};

#[tokio::test]
async fn streams_end_with_a_last_word_and_hold_up_nobody() {
    let mut world = World::start().await;
    let session = world.create(&[]).await;
    let credential = world.register(&session).await;
    let heartbeats = bearing(&credential, tokio_stream::pending::<Heartbeat>());
    let mut control = world.runners().control(heartbeats).await.expect("accepted").into_inner();
    next(&mut control).await.expect("no error").expect("assigned");
    let waiting = world.create(&[]).await;
    let token = Capability::SessionToken(world.token(&waiting, |_| {}).await);
    let mut admitted = world.admit(waiting.uid, token).await.expect("admitted");
    for _ in ["admitted", "scheduling"] {
        next(&mut admitted).await.expect("no error").expect("an answer");
    }
    let stored = ended(&world, vec![vec![output(vec![b'x'; 900_000])]; 2]).await;
    let mut viewer = attach(&world, &stored, None).await.expect("attached");
    viewer.window().await;

    assert!(world.drain(Duration::from_secs(3)).await, "calls were cut at the end of the drain");
    assert_eq!(code(next(&mut control).await), Code::Unavailable);
    assert_eq!(code(next(&mut admitted).await), Code::Unavailable);
    assert!(matches!(viewer.said().await, Some(Message::Closed(closed)) if closed.code == 1001));
    assert!(viewer.answers.next().await.is_none());
}
