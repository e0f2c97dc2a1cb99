//! Streams: what they lose (nothing), who may open one, and how one ends another.

use podling_proto::terminal::{Closed, Mode, Open, attach_request::Message};
use podling_session::{
    id::{AttachNonce, ViewerId},
    token::Scope,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tonic::Code;

use crate::{
    viewer::{Last, Viewer},
    world::{Plan, World},
};

fn lossless(world: &World, viewer: ViewerId, nonce: AttachNonce, from: Option<u64>) -> Open {
    Open { grant: world.grant(viewer, nonce, Scope::ReadWrite), ..Viewer::lossless(from) }
}

#[tokio::test]
async fn through_ten_random_cuts_no_line_is_missing_and_none_doubled() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let lines: String = (1..=200_000).map(|n| format!("{n}\r\n")).collect();
    // It begins when the viewer is there, and ends when all of it was seen.
    let world = Plan::command("read -r go; stty -echo; seq 1 200000; read -r end").start().await;
    let (id, nonce) = (ViewerId::new(), AttachNonce::random());
    let mut viewer = Viewer::attach(&world, lossless(&world, id, nonce, Some(0))).await.expect("it attaches");
    viewer.type_in("go\r").await;
    viewer.until_text("go\r\n").await;
    let mut received = viewer.output.clone();
    let start = "go\r\n".len();
    for _ in 0..10 {
        let so_far = received.len() - viewer.output.len();
        let until = random.random_range(received.len()..=start + lines.len());
        viewer.until(|viewer| so_far + viewer.output.len() >= until).await;
        received.truncate(so_far);
        received.extend_from_slice(&viewer.output);
        drop(viewer);
        let open = lossless(&world, id, nonce, Some(received.len() as u64));
        viewer = Viewer::attach(&world, open).await.expect("it comes back");
        assert_eq!(viewer.opened.from, received.len() as u64);
    }
    let left = start + lines.len() - received.len();
    viewer.until(|viewer| viewer.output.len() >= left).await;
    received.extend_from_slice(&viewer.output);
    assert!(received[start..] == *lines.as_bytes(), "the lines are those of seq");
}

#[tokio::test]
async fn a_late_viewer_gets_everything_marked_as_replay_then_lives() {
    let world = Plan::command("echo one; read -r line; echo two").start().await;
    world.attach().await.until_text("one\r\n").await;
    let mut late = world.attach().await;
    assert_eq!((late.opened.from, late.opened.head_offset, late.opened.first_offset), (0, 5, 0));
    late.until_text("one\r\n").await;
    assert_eq!(late.replayed, 5);
    late.type_in("\r").await;
    late.last().await;
    assert_eq!((late.replayed, late.text().as_str()), (5, "one\r\n\r\ntwo\r\n"));
}

#[tokio::test]
async fn a_viewer_that_comes_back_closes_its_old_stream_first() {
    let world = Plan::command("echo ready; cat").start().await;
    let (id, nonce) = (ViewerId::new(), AttachNonce::random());
    let mut old = Viewer::attach(&world, lossless(&world, id, nonce, None)).await.expect("it attaches");
    old.until_text("ready").await;
    let mut new = Viewer::attach(&world, lossless(&world, id, nonce, None)).await.expect("it comes back");
    let Last::Closed(Closed { code, .. }) = old.last().await else { panic!("{:?}", old.end) };
    assert_eq!(code, 4409);
    new.until(|viewer| viewer.viewers == 1).await;
    new.type_in("x\r").await;
    new.until_text("x\r\nx\r\n").await;
    let other = Viewer::try_attach(&world, lossless(&world, id, AttachNonce::random(), None)).await;
    assert_eq!(other.err().map(|status| status.code()), Some(Code::Unauthenticated));
    new.send(Message::ResumeAck(1)).await;
    new.type_in("y\r").await; // Heard in order, so its echo says that the ack was.
    new.until_text("y\r\ny\r\n").await;
    let again = Viewer::try_attach(&world, lossless(&world, id, nonce, None)).await;
    assert_eq!(again.err().map(|status| status.code()), Some(Code::Unauthenticated));
}

#[tokio::test]
async fn a_stream_is_refused_by_name() {
    let world = Plan::command("echo ready; cat").start().await;
    world.attach().await.until_text("ready").await;
    let fresh = || lossless(&world, ViewerId::new(), AttachNonce::random(), None);
    let check = async |open: Open, code: Code, message: &str| {
        let status = Viewer::try_attach(&world, open).await.err().expect("it is refused");
        assert_eq!((status.code(), status.message().contains(message)), (code, true), "{status}");
    };
    check(Open { grant: "x.y".into(), ..fresh() }, Code::Unauthenticated, "grant").await;
    check(Open { mode: 77, ..fresh() }, Code::InvalidArgument, "mode").await;
    check(Open { from: Some(1 << 40), ..fresh() }, Code::OutOfRange, "0").await;
    let other = Plan::command("cat").start().await;
    let foreign = lossless(&other, ViewerId::new(), AttachNonce::random(), None);
    check(foreign, Code::Unauthenticated, "grant").await;
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_holds_up_neither_the_command_nor_others() {
    let mut world = Plan::command("read -r go; seq 1 400000").start().await;
    let mut stalled = world.attach().await;
    stalled.acks = false;
    let mut other = world.attach().await;
    other.type_in("go\r").await;
    let Last::Exit(exit) = other.last().await else { panic!("{:?}", other.end) };
    assert_eq!(exit.exit_code, Some(0));
    world.ended().await;
    stalled.until(|viewer| viewer.output.len() >= 48 << 10).await;
    assert!(stalled.output.len() <= 64 << 10, "no more than its credit: {}", stalled.output.len());
    stalled.acks = true;
    stalled.send(Message::Ack(stalled.offset())).await;
    assert!(matches!(stalled.last().await, Last::Exit(_)), "it is served what it missed");
    assert!(stalled.output == other.output);
    assert_eq!(world.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_plain_viewer_begins_with_what_is_kept_and_ends_with_the_exit() {
    let world = Plan::command("echo plain; read -r line; exit 4").start().await;
    world.attach().await.until_text("plain").await;
    let open = lossless(&world, ViewerId::new(), AttachNonce::random(), None);
    let open = Open { mode: Mode::Plain.into(), ..open };
    let mut viewer = Viewer::try_attach(&world, open).await.expect("it attaches");
    viewer.until_text("plain\r\n").await;
    viewer.type_in("\r").await;
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert_eq!(exit.exit_code, Some(4));
}
