//! What a program asks its terminal, and keys that it does not take.

use podling_proto::terminal::{Mode, Open, attach_request::Message};
use podling_session::{
    id::{AttachNonce, ViewerId},
    log::Body,
    token::Scope,
};

use crate::{
    viewer::{Last, Viewer},
    world::{Plan, World},
};

/// Asks for the cursor and for the kind of terminal, and says what it was told within a second of silence.
const ASKS: &str = r#"read -r go; stty raw -echo; printf 'ab\033[6n\033[c'; answer=""
while IFS= read -r -t 1 -n 1 -d '' key; do answer="$answer$key"; done; stty sane; printf '<%q>\n' "$answer""#;

async fn attach(world: &World, mode: Mode) -> Viewer {
    let grant = world.grant(ViewerId::new(), AttachNonce::random(), Scope::ReadWrite);
    let open = Open { grant, mode: mode.into(), ..Viewer::lossless(None) };
    Viewer::attach(world, open).await.expect("it attaches")
}

#[tokio::test]
async fn a_program_that_asks_its_terminal_is_answered_once_however_many_watch() {
    for viewers in [0, 1, 5] {
        let mut world = Plan::command(ASKS).start().await;
        let mut starter = attach(&world, Mode::Lossless).await;
        let mut watching = Vec::new();
        for _ in 1..viewers {
            watching.push(attach(&world, Mode::Live).await);
        }
        starter.type_in("go\r").await;
        if viewers == 0 {
            starter.until_text("go\r\n").await;
            drop(starter);
        } else {
            assert!(matches!(starter.last().await, Last::Exit(_)));
        }
        assert_eq!(world.exit_code().await, Some(0));
        let text = world.text();
        let answer = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).expect("an answer").0;
        assert_eq!((answer.matches("R").count(), answer.matches("c").count()), (1, 1), "{viewers}: {answer}");
        assert!(answer.contains("[2;3R"), "{answer}");
    }
}

#[tokio::test]
async fn a_stored_log_ends_with_a_keyframe_and_the_exit() {
    let mut world = Plan::command("seq 1 300000").start().await;
    assert_eq!(world.exit_code().await, Some(0));
    let records = world.stored();
    let [.., before, last] = records.as_slice() else { panic!("{}", records.len()) };
    assert!(matches!(last.body, Body::Exit(_)));
    let Body::Keyframe(keyframe) = &before.body else { panic!("no keyframe at {}", before.offset) };
    assert_eq!((keyframe.at, keyframe.lines), (before.offset, 300_000 - 23));
    let keyframes = records.iter().filter(|record| matches!(record.body, Body::Keyframe(_))).count();
    assert!((2..=4).contains(&keyframes), "one for each mebibyte: {keyframes}");
}

#[tokio::test]
async fn an_interrupt_overtakes_a_paste_that_nobody_reads() {
    let mut world = Plan::command("echo ready; exec sleep 1000").start().await;
    let mut viewer = world.attach().await;
    viewer.until_text("ready").await;
    for _ in 0..4 {
        viewer.send(Message::Input("a line that is pasted\r".repeat(50_000 / 22).into_bytes().into())).await;
    }
    viewer.type_in("\x03").await;
    let began = std::time::Instant::now();
    let Last::Exit(exit) = viewer.last().await else { panic!("{:?}", viewer.end) };
    assert_eq!(exit.exit_code, Some(130));
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(world.exit_code().await, Some(130));
    assert!(viewer.taken >= 150_000, "what was thrown away counts as taken: {}", viewer.taken);
}

#[tokio::test]
async fn a_paste_within_its_credit_is_taken_whole_and_told() {
    let world = Plan::command("stty raw -echo; echo ready; head -c 250000 | wc -c").start().await;
    let mut viewer = world.attach().await;
    viewer.until_text("ready").await;
    for _ in 0..5 {
        viewer.send(Message::Input(vec![b'x'; 50_000].into())).await;
    }
    viewer.until_text("250000").await;
    assert!(viewer.taken >= 186_000, "at the latest every 64 KiB: {}", viewer.taken);
}
