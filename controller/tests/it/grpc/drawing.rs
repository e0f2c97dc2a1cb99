//! The terminal of sessions that have ended, for viewers that draw it: the screen, the history before it, and what was
//! skipped.

use podling_proto::terminal::{Mode, Open, Range, attach_request, attach_response::Message};
use podling_session::{
    log::{Body, Keyframe},
    session::Session,
    size::WindowSize,
};

use super::{
    log::output,
    viewer::{Viewer, ended, open},
    world::World,
};

const PART: usize = 600_000;

fn size(rows: u32) -> WindowSize {
    WindowSize::new(rows, 80).expect("a fair size")
}

fn keyframe(at: usize, lines: u64) -> Body {
    let data = format!("screen at {at}").into();
    Body::Keyframe(Keyframe { at: at as u64, lines, size: size(30), data })
}

/// Ten parts of output, a thousand lines each. A keyframe stands behind the output that it was drawn before.
async fn flood(world: &World) -> Session {
    let parts = (0..10usize).map(|part| {
        let (text, at) = (vec![b'0' + u8::try_from(part).expect("a digit"); PART], (part + 1) * PART - 5);
        vec![Body::Resize(size(10)), Body::Resize(size(30)), output(text), keyframe(at, (part as u64 + 1) * 1_000)]
    });
    ended(world, parts.collect()).await
}

/// What comes before the output, and then all of the output.
async fn watch(world: &World, session: &Session, open: Open) -> (Vec<String>, u64, usize) {
    let open = Open { grant: world.grant(session.uid).await, ..open };
    let mut viewer = Viewer::open(world, open).await.expect("attached");
    let mut told = vec![format!("{} {}", viewer.opened.from, viewer.opened.size.expect("a size").rows)];
    let (mut at, mut count) = (viewer.opened.from, 0);
    loop {
        match viewer.said().await {
            Some(Message::Output(output)) => {
                assert_eq!(output.offset, at, "a byte is missing or doubled");
                (at, count) = (at + output.data.len() as u64, count + output.data.len());
                viewer.send(attach_request::Message::Ack(at)).await;
            }
            Some(Message::Skipped(skipped)) => told.push(format!("skipped {}..{}", skipped.from, skipped.to)),
            Some(Message::Snapshot(screen)) => {
                assert_eq!((screen.offset, screen.replay), (viewer.opened.from, true));
                told.push(String::from_utf8(screen.data.to_vec()).expect("ASCII"));
            }
            Some(Message::Resized(_)) if count > 0 || at == 0 => {}
            Some(Message::Exit(exit)) => {
                assert_eq!(exit.exit_code, Some(3));
                return (told, at, count);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn asked(mode: Mode, from: Option<u64>, history_lines: u32) -> Open {
    Open { mode: mode.into(), history_lines, ..open(String::new(), from) }
}

#[tokio::test]
async fn who_draws_gets_the_last_screen_with_the_history_asked_for_and_all_that_follows() {
    let world = World::start().await;
    let session = flood(&world).await;
    let (end, last) = (10 * PART, 10 * PART - 5);
    for mode in [Mode::Live, Mode::Plain] {
        for (lines, part) in [(0, 10), (1, 9), (1_000, 9), (1_001, 8)] {
            let (told, at, count) = watch(&world, &session, asked(mode, None, lines)).await;
            let from = part * PART - 5;
            assert_eq!(told, [format!("{from} 30"), format!("screen at {from}")], "{mode:?} {lines}");
            assert_eq!((at, count), (end as u64, end - from));
        }
        let (told, _, count) = watch(&world, &session, asked(mode, None, 100_000)).await;
        assert_eq!((told, count), (vec!["0 24".to_owned()], end), "from the beginning");
    }
    let held = Some(end as u64 - 1_000_000);
    let (told, _, count) = watch(&world, &session, asked(Mode::Live, held, 0)).await;
    assert_eq!((told, count), (vec!["5000000 30".to_owned()], 1_000_000), "what is missing is little");
    let (told, _, count) = watch(&world, &session, asked(Mode::Live, Some(7), 0)).await;
    assert_eq!(told, [format!("{last} 30"), format!("skipped 7..{last}"), format!("screen at {last}")]);
    assert_eq!(count, 5);
    let (told, _, count) = watch(&world, &session, asked(Mode::Plain, Some(7), 0)).await;
    assert_eq!((told, count), (vec!["7 30".to_owned()], end - 7), "a plain viewer gets every byte");
}

#[tokio::test]
async fn without_keyframes_a_replay_begins_with_the_log() {
    let world = World::start().await;
    let session = ended(&world, vec![vec![Body::Resize(size(40)), output("a")], vec![output("b")]]).await;
    let mut viewer = Viewer::open(&world, Open { grant: world.grant(session.uid).await, ..asked(Mode::Live, None, 0) })
        .await
        .expect("attached");
    assert_eq!(viewer.opened.from, 0);
    assert!(matches!(viewer.said().await, Some(Message::Resized(size)) if size.rows == 40));
    let (bytes, last) = viewer.output().await;
    assert_eq!(bytes, b"ab");
    assert!(matches!(last, Some(Message::Exit(_))));
    let (told, ..) = watch(&world, &session, asked(Mode::Lossless, Some(1), 0)).await;
    assert_eq!(told, ["1 40"], "the size is the last before the offset");
}

#[tokio::test]
async fn what_was_skipped_can_be_fetched_and_input_is_counted() {
    let world = World::start().await;
    let session = flood(&world).await;
    let open = Open { grant: world.grant(session.uid).await, ..asked(Mode::Live, None, 100_000) };
    let mut viewer = Viewer::open(&world, open).await.expect("attached");
    let (from, to) = (PART as u64 - 3, 3_000_000);
    viewer.send(attach_request::Message::Fetch(Range { from, to })).await;
    viewer.send(attach_request::Message::Input("typed".into())).await;
    let (mut next, mut taken, mut answered) = (from, 0, false);
    while !answered || taken < 5 {
        match viewer.said().await {
            Some(Message::Fetched(piece)) => {
                assert_eq!(piece.offset, next, "a byte is missing or doubled");
                let digit = |offset: u64| b'0' + u8::try_from(offset / PART as u64).expect("a digit");
                let text: Vec<_> = (next..next + piece.data.len() as u64).map(digit).collect();
                assert!(piece.data == text, "other bytes at {next}");
                next += piece.data.len() as u64;
                answered = piece.data.is_empty();
            }
            Some(Message::InputTaken(total)) => taken = total,
            Some(Message::Output(_) | Message::Resized(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(next, from + (1 << 20), "an answer is at most 1 MiB");
}
