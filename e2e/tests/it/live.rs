//! Viewers that draw: each sees every byte or is told exactly which it does not, and all end on one screen.

use std::time::Duration;

use podling_e2e::{
    live::{Live, Seen},
    podling::{Podling, Session},
    viewer::{Plain, Viewer},
    wait::until,
};
use podling_screen::Screen;
use podling_session::{id::AttachNonce, size::WindowSize};
use rand::RngExt;

const SLOW: f64 = 2e6;

/// Counts up to `last` when it is told to, and stays.
async fn counting(podling: &Podling, last: u64) -> Session {
    podling.run(&format!("stty -echo; echo 'go?'; read go; seq {last}; echo 'all said'; read end")).await
}

/// What a session printed, and the screen that it left.
async fn everything(podling: &Podling, session: &Session) -> (Vec<u8>, Screen) {
    let token = podling.token(&session.uid).await;
    let mut all = Viewer::attach(&podling.url, &session.uid, &token, AttachNonce::random()).await;
    all.sees("all said\r\n").await;
    let mut screen = Screen::new(WindowSize::DEFAULT);
    screen.feed(&all.output);
    (all.output, screen)
}

/// Every byte of `expected` behind the first screen, once, or an exact range that says it is not there.
fn covers(seen: &Seen, expected: &[u8]) {
    let mut at = *seen.pieces.keys().next().expect("some output came");
    let mut skipped = seen.skipped.iter().peekable();
    for (offset, bytes) in &seen.pieces {
        while let Some(range) = skipped.next_if(|range| range.start == at && at < *offset) {
            at = range.end;
        }
        assert_eq!(*offset, at, "output goes on where the last ended");
        let from = usize::try_from(at).expect("a small log");
        assert_eq!(&expected[from..from + bytes.len()], &bytes[..], "at {at}");
        at += bytes.len() as u64;
    }
    let end = skipped.last().map_or(at, |range| range.end);
    assert_eq!(end, expected.len() as u64);
}

#[tokio::test]
async fn two_hundred_thousand_lines_pass_ten_random_cuts_and_a_slow_viewer_live_and_leave_one_screen() {
    let podling = Podling::start().await;
    let session = counting(&podling, 200_000).await;
    let token = podling.token(&session.uid).await;
    let mut cut = Live::of(&podling, &session).await;
    let mut slow = Live::attach(&podling, &session.uid, &token).await.paced(SLOW);
    cut.shows("go?").await;
    slow.shows("go?").await;
    cut.type_in("\n").await;
    let uid = &session.uid;
    let through_cuts = async {
        let mut cuts: Vec<u64> = (0..10).map(|_| rand::rng().random_range(0..1_280_000)).collect();
        cuts.sort_unstable();
        println!("cuts at {cuts:?}");
        for at in cuts {
            while cut.resume.is_none() || cut.offset.is_none_or(|offset| offset < at) {
                assert_eq!(cut.step().await, None);
            }
            cut = cut.cut(&podling, uid).await;
        }
        cut.shows("all said").await;
        cut
    };
    let (cut, ()) = tokio::join!(through_cuts, slow.shows("all said"));
    let (expected, screen) = everything(&podling, &session).await;
    for viewer in [cut, slow] {
        covers(&viewer.seen, &expected);
        assert_eq!(viewer.seen.screen.text(), screen.text());
        assert!(viewer.seen.screen.snapshot() == screen.snapshot(), "cursor, modes and the other buffer, too");
    }
}

#[tokio::test]
async fn a_slow_viewer_of_a_long_flood_is_told_what_it_missed_and_can_ask_for_it() {
    let podling = Podling::start().await;
    let session = counting(&podling, 3_000_000).await;
    let mut slow = Live::of(&podling, &session).await.paced(SLOW);
    slow.shows("go?").await;
    slow.type_in("\n").await;
    slow.shows("all said").await;
    let (expected, screen) = everything(&podling, &session).await;
    covers(&slow.seen, &expected);
    let skipped: u64 = slow.seen.skipped.iter().map(|range| range.end - range.start).sum();
    assert!(skipped > expected.len() as u64 / 2, "{skipped} of {} bytes", expected.len());
    assert!(slow.seen.screen.snapshot() == screen.snapshot(), "{}", slow.seen.screen.text());
    let gap = slow.seen.skipped[0].clone();
    let fetched = slow.fetched(gap.clone()).await;
    let from = usize::try_from(gap.start).expect("a small log");
    assert!(fetched == expected[from..from + fetched.len()] && !fetched.is_empty(), "{} bytes", fetched.len());
}

#[tokio::test]
async fn a_program_that_asks_its_terminal_gets_one_answer_whoever_watches() {
    let podling = Podling::start().await;
    let command = "stty -echo -icanon; n=0; while :; do printf '\\033[6n\\033[c'; read -rsd R; read -rsd c; \
        more=; read -rst 0.3 more; n=$((n + 1)); echo \"asked $n times${more:+, was told more}\"; read -rn1; done";
    let session = podling.run(command).await;
    podling.prints(&session.uid, "asked 1 times\r\n").await;
    let mut first = Live::of(&podling, &session).await;
    first.type_in("x").await;
    first.shows("asked 2 times\n").await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let token = podling.token(&session.uid).await;
        let mut other = Live::attach(&podling, &session.uid, &token).await;
        other.shows("asked 2 times").await;
        others.push(other);
    }
    first.type_in("x").await;
    first.shows("asked 3 times\n").await;
    for other in &mut others {
        other.shows("asked 3 times\n").await;
    }
    assert!(!podling.output(&session.uid).await.contains("told more"));
}

#[tokio::test]
async fn ten_viewers_that_take_nothing_stop_neither_the_command_nor_one_that_does() {
    let podling = Podling::start().await;
    let session = podling.run("stty -echo; echo 'go?'; read go; seq 1000000; echo 'all said'; read end").await;
    let mut reader = Viewer::of(&podling, &session).await;
    reader.sees("go?").await;
    let (mut drawing, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let token = podling.token(&session.uid).await;
        let mut viewer = Live::attach(&podling, &session.uid, &token).await;
        viewer.shows("go?").await;
        drawing.push(viewer);
        let token = podling.token(&session.uid).await;
        plain.push(Plain::attach(&podling.url, &session.uid, &token).await.expect("there is room"));
    }
    reader.type_in("\n").await;
    reader.sees("\r\n1000000\r\nall said").await;
    until("all still hold their sockets", Duration::from_secs(10), async || {
        let viewers = podling.session(&session.uid).await["viewers"].clone();
        if viewers == 11 { Ok(()) } else { Err(viewers) }
    })
    .await;
    for viewer in &mut drawing {
        viewer.shows("all said").await;
    }
}
