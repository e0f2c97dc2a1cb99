//! The terminal of sessions that have ended: what a viewer is told.

use std::time::Duration;

use podling_proto::terminal::{Mode, Open, attach_request, attach_response::Message};
use podling_session::{
    log::{Body, COMMAND_MARK},
    phase::{End, Stage},
    size::WindowSize,
    store::SystemStore,
};
use tonic::Code;

use super::{
    log::{self, Writer, output},
    viewer::{Viewer, WINDOW, attach, ended, open},
    world::World,
};

#[tokio::test]
async fn a_stored_log_is_told_record_by_record_and_ends_with_the_sessions_end() {
    let world = World::start().await;
    let first = vec![Body::Resize(WindowSize::DEFAULT), Body::Stage(Stage::Fetching), output("fetching\r\n")];
    let second = vec![
        Body::Mark(COMMAND_MARK.into()),
        output("hello"),
        Body::Gap { to: 25 },
        output(" world"),
        Body::Exit(End::exit(9)),
    ];
    let session = ended(&world, vec![first, second]).await;
    let mut viewer = attach(&world, &session, None).await.expect("attached");
    assert_eq!((viewer.opened.first_offset, viewer.opened.head_offset, viewer.opened.from), (0, 31, 0));
    let mut told = Vec::new();
    while let Some(message) = viewer.said().await {
        told.push(match message {
            Message::Output(output) => {
                assert!(output.replay);
                format!("{} {}", output.offset, String::from_utf8_lossy(&output.data))
            }
            Message::Stage(stage) => stage.name,
            Message::Resized(size) => format!("{}x{}", size.cols, size.rows),
            Message::Mark(text) => text,
            Message::Exit(exit) => format!("{} {:?}", exit.reason, exit.exit_code),
            other => panic!("{other:?}"),
        });
    }
    let lost = "10 bytes of output from offset 15 on could not be stored and are lost.";
    let expected = ["80x24", "fetching", "0 fetching\r\n", "running", "10 hello", lost, "25  world", "exit Some(3)"];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_viewer_gets_every_byte_from_its_offset_on() {
    let world = World::start().await;
    let text: Vec<u8> = (0..200_000u32).flat_map(|n| n.to_be_bytes()).collect();
    let segments = text.chunks(300_000).map(|part| vec![output(part.to_vec()), output("")]).collect();
    let session = ended(&world, segments).await;
    for from in [0, 1, 299_999, 300_000, 300_001, 799_999, 800_000] {
        for mode in [Mode::Lossless, Mode::Plain] {
            let open = Open { mode: mode.into(), ..open(world.grant(session.uid).await, Some(from)) };
            let mut viewer = Viewer::open(&world, open).await.expect("attached");
            let (bytes, last) = viewer.output().await;
            let from = usize::try_from(from).expect("small");
            assert!(bytes == text[from..], "from {from}: {} bytes", bytes.len());
            assert!(matches!(last, Some(Message::Exit(_))));
        }
    }
    let beyond = attach(&world, &session, Some(900_000)).await.expect("it has seen all there is");
    assert_eq!(beyond.opened.from, 800_000);
}

#[tokio::test]
async fn a_viewer_that_acks_nothing_gets_one_window() {
    let world = World::start().await;
    let part = || vec![output(vec![b'x'; 900_000])];
    let session = ended(&world, vec![part(), part(), part()]).await;
    let mut viewer = attach(&world, &session, None).await.expect("attached");
    assert_eq!(viewer.window().await, WINDOW);
    let more = tokio::time::timeout(Duration::from_millis(300), viewer.answers.message()).await;
    assert!(more.is_err(), "more than the window: {more:?}");
    viewer.send(attach_request::Message::Ack(1_000)).await;
    let Some(Message::Output(output)) = viewer.said().await else { panic!("not output") };
    assert_eq!((output.offset, output.data.len()), (WINDOW as u64, 1_000));
    viewer.opened.from = WINDOW as u64 + 1_000;
    viewer.send(attach_request::Message::Ack(viewer.opened.from)).await;
    let (rest, last) = viewer.output().await;
    assert_eq!(rest.len(), 2_700_000 - WINDOW - 1_000);
    assert!(matches!(last, Some(Message::Exit(_))));
}

#[tokio::test]
async fn a_session_that_never_ran_shows_its_end() {
    let world = World::start().await;
    let session = ended(&world, Vec::new()).await;
    let mut viewer = attach(&world, &session, None).await.expect("attached");
    assert_eq!((viewer.opened.first_offset, viewer.opened.head_offset), (0, 0));
    assert!(matches!(viewer.said().await, Some(Message::Exit(exit)) if exit.exit_code == Some(3)));
    assert_eq!(viewer.said().await, None);
}

#[tokio::test]
async fn an_offset_that_is_no_longer_kept_is_told_with_the_first_that_is() {
    let world = World::start().await;
    let session = world.create(&[]).await;
    let mut writer = Writer::new(&world, &session);
    writer.seal(vec![output("0123456789")]).await;
    let last = writer.write(vec![output("abcdef")]);
    world.store.add_segment(session.life(), last, 12).await.expect("the store answers");
    std::fs::remove_file(log::file(&world, &session, 0)).expect("the limit took it");
    world.end(session.life(), &End::exit(0)).await;
    world.release(session.life()).await;
    let refused = attach(&world, &session, Some(11)).await.expect_err("not kept");
    assert_eq!((refused.code(), refused.message()), (Code::OutOfRange, "12"));
    let mut viewer = attach(&world, &session, None).await.expect("attached");
    let (bytes, last) = viewer.output().await;
    assert_eq!((bytes.as_slice(), viewer.opened.from), (&b"cdef"[..], 12));
    assert!(matches!(last, Some(Message::Exit(_))));
}
