//! How much is sent, where a stream begins, and when it jumps.

use std::time::Duration;

use podling_proto::terminal::{Mode, attach_request::Message};
use podling_session::{
    log::{Body, COMMAND_MARK},
    phase::End,
    size::WindowSize,
};
use tokio::time::Instant;

use super::{
    super::inbound,
    stand::{HOUR, Stand, Watcher},
};

const LINE: usize = 80;

/// Numbered lines, so many bytes of them.
fn lines(bytes: usize) -> Vec<u8> {
    (0..bytes / LINE).flat_map(|n| format!("{n:>width$}\r\n", width = LINE - 2).into_bytes()).collect()
}

/// A program says 64 KB a millisecond for a third of a second, to a viewer that draws so many bytes a second.
async fn flood(stand: &mut Stand, viewer: &mut Watcher, rate: f64) {
    let (began, mut written) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_millis(300) {
        let due = began.elapsed().as_millis();
        while written <= due {
            stand.write(&lines(64_000));
            written += 1;
        }
        viewer.draw(&mut stand.emulator, rate, Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn credit_bounds_what_is_sent_and_acks_refill_it() {
    let mut stand = Stand::new();
    for _ in 0..40 {
        stand.write(&lines(64_000));
    }
    for mode in [Mode::Lossless, Mode::Plain, Mode::Live] {
        let mut viewer = Watcher::new();
        viewer.told = Some(stand.output.len() as u64 - (1 << 20));
        let mut viewer = stand.attach(mode, viewer).await.expect("it attaches");
        let first = viewer.drain(Duration::from_secs(1)).await;
        assert!((40_000..=64 << 10).contains(&first), "{mode:?} {first}");
        viewer.viewer.as_ref().expect("attached").ack(u64::MAX); // More than was sent counts as what was.
        let second = viewer.drain(Duration::from_secs(1)).await;
        assert!((40_000..=1 << 20).contains(&second), "{mode:?} {second}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_plain_viewer_that_takes_nothing_is_closed_after_thirty_seconds_and_an_idle_one_is_not() {
    let mut stand = Stand::new();
    let mut viewer = stand.attach(Mode::Plain, Watcher::new()).await.expect("it attaches");
    assert_eq!((viewer.drain(HOUR).await, viewer.closed.take()), (0, None));
    stand.write(&lines(200_000));
    let began = Instant::now();
    viewer.drain(HOUR).await;
    let code = viewer.closed.as_ref().map(|closed| closed.code);
    assert_eq!((code, began.elapsed().as_secs()), (Some(4412), 30));
}

#[tokio::test(start_paused = true)]
async fn ten_stalled_viewers_of_a_flood_are_sent_no_more_than_their_window() {
    let mut stand = Stand::new();
    let mut viewers = Vec::new();
    for mode in [Mode::Live, Mode::Plain, Mode::Lossless].into_iter().cycle().take(10) {
        viewers.push(stand.attach(mode, Watcher::new()).await.expect("it attaches"));
    }
    for _ in 0..200 {
        stand.write(&lines(64_000));
        stand.emulator.step();
        for viewer in &mut viewers {
            while viewer.receive(Duration::ZERO).await {}
        }
    }
    for viewer in &viewers {
        assert!(viewer.received() <= 64 << 10 && viewer.snapshots.is_empty(), "{}", viewer.received());
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_viewer_that_is_too_slow_jumps_to_the_newest_screen_and_a_fast_one_never() {
    for (rate, skips) in [(2e6, true), (200e6, false)] {
        let mut stand = Stand::new();
        let mut viewer = stand.attach(Mode::Live, Watcher::new()).await.expect("it attaches");
        flood(&mut stand, &mut viewer, rate).await;
        stand.log.end(End::exit(0));
        viewer.draw(&mut stand.emulator, rate, Duration::from_secs(10)).await;
        assert_eq!(!viewer.skipped.is_empty(), skips, "{rate}: {:?}", viewer.skipped);
        assert!(viewer.exit && viewer.screen.snapshot() == stand.screen.snapshot(), "{rate}");
        let skipped: u64 = viewer.skipped.iter().map(|(from, to)| to - from).sum();
        assert_eq!(viewer.received() as u64 + skipped, stand.output.len() as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_interrupt_a_slow_viewer_sees_the_prompt_at_once() {
    let mut stand = Stand::new();
    let mut viewer = stand.attach(Mode::Live, Watcher::new()).await.expect("it attaches");
    flood(&mut stand, &mut viewer, 2e6).await;
    stand.write(b"^C\r\n$ ");
    let began = Instant::now();
    while viewer.told != Some(stand.output.len() as u64) {
        viewer.draw(&mut stand.emulator, 2e6, Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() < Duration::from_millis(45), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_late_viewer_begins_with_the_screen_or_with_the_history_it_asks_for() {
    let mut stand = Stand::new();
    stand.log.note(Body::Mark(COMMAND_MARK.into()));
    for _ in 0..100 {
        stand.write(&lines(64_000));
        stand.emulator.step();
        stand.stage.follower.ask();
        stand.emulator.step();
    }
    let head = stand.output.len() as u64;
    for mode in [Mode::Live, Mode::Plain] {
        let mut viewer = stand.attach(mode, Watcher::new()).await.expect("it attaches");
        viewer.drain(Duration::from_secs(1)).await;
        assert_eq!((viewer.snapshots.as_slice(), viewer.received()), ([head].as_slice(), 0));
        assert_eq!(viewer.stages, ["running"], "the stage is told although it is long past");
        assert_eq!(viewer.screen.snapshot(), stand.screen.snapshot());
        for (lines, most) in [(1_000, 3 << 20), (20_000, 4 << 20), (100_000, 8 << 20)] {
            let mut viewer = stand.attach(mode, Watcher::with_history(lines)).await.expect("it attaches");
            while viewer.told != Some(head) {
                viewer.receive(Duration::from_millis(1)).await;
                viewer.ack();
            }
            let shown = viewer.received() / LINE;
            assert!(shown >= (lines as usize).min(80_000) && viewer.received() <= most, "{lines}: {shown}");
            assert!(viewer.skipped.is_empty());
            assert_eq!(viewer.screen.snapshot(), stand.screen.snapshot());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_viewer_that_comes_back_is_sent_a_mebibyte_and_jumps_over_more() {
    let mut stand = Stand::new();
    stand.write(&lines(64_000));
    let mut viewer = stand.attach(Mode::Live, Watcher::new()).await.expect("it attaches");
    viewer.drain(Duration::from_secs(1)).await;
    let told = viewer.told.expect("told");
    for (more, jumps) in [(900_000, 0), (1_400_000, 1)] {
        viewer.cut();
        for _ in 0..more / 50_000 {
            stand.write(&lines(50_000));
            stand.emulator.step();
        }
        viewer = stand.attach(Mode::Live, viewer).await.expect("it comes back");
        while viewer.told != Some(stand.output.len() as u64) {
            viewer.receive(Duration::from_millis(1)).await;
            viewer.ack();
        }
        assert_eq!(viewer.skipped.len(), jumps);
        assert_eq!(viewer.screen.snapshot(), stand.screen.snapshot());
    }
    assert!(viewer.skipped[0].0 > told && viewer.skipped[0].1 == stand.output.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn another_size_is_followed_by_the_screen_for_live_viewers_alone() {
    let mut stand = Stand::new();
    stand.write(b"hello\r\n\x1b[3");
    let mut viewers = Vec::new();
    for mode in [Mode::Live, Mode::Lossless, Mode::Plain] {
        let mut viewer = stand.attach(mode, Watcher::new()).await.expect("it attaches");
        viewer.drain(Duration::from_millis(1)).await;
        viewers.push(viewer);
    }
    stand.resize(WindowSize::new(30, 100).expect("a fair size"));
    for viewer in &mut viewers {
        let (_, ()) = tokio::join!(viewer.drain(Duration::from_secs(3)), async { stand.emulator.step() });
    }
    assert!(viewers[0].snapshots.is_empty(), "half a sequence was told: a screen before it is no use");
    stand.write(b"1mred");
    for viewer in &mut viewers {
        let (_, ()) = tokio::join!(viewer.drain(Duration::from_secs(3)), async { stand.emulator.step() });
    }
    let snapshots: Vec<_> = viewers.iter().map(|viewer| viewer.snapshots.as_slice()).collect();
    assert_eq!(snapshots, [[stand.output.len() as u64].as_slice(), &[], &[]]);
    assert_eq!(viewers[0].screen.snapshot(), stand.screen.snapshot());
    assert_eq!(viewers[1].screen.snapshot(), stand.screen.snapshot());
}

#[tokio::test(start_paused = true)]
async fn what_was_skipped_can_be_fetched_beside_the_live_stream() {
    let mut stand = Stand::new();
    for _ in 0..20 {
        stand.write(&lines(80_000));
    }
    let mut viewer = stand.attach(Mode::Live, Watcher::new()).await.expect("it attaches");
    viewer.drain(Duration::from_millis(1)).await;
    let (from, to) = (30_000, 1_500_000);
    let mut next = from;
    while next < to {
        inbound::hear(
            Message::Fetch(podling_proto::terminal::Range { from: next, to }),
            viewer.viewer.as_ref().expect("attached"),
            &stand.stage,
        );
        viewer.fetched.clear();
        viewer.drain(Duration::from_secs(1)).await;
        let last = viewer.fetched.pop().expect("an answer");
        assert!(last.data.is_empty() && last.offset - next <= 1 << 20);
        for piece in &viewer.fetched {
            assert_eq!(piece.offset, next);
            let at = usize::try_from(next).expect("small");
            assert!(piece.data.len() <= 16 << 10 && piece.data == stand.output[at..at + piece.data.len()]);
            next += piece.data.len() as u64;
        }
        assert_eq!(next, last.offset);
    }
    assert_eq!(next, to);
}

#[tokio::test(start_paused = true)]
async fn input_beyond_credit_closes_the_stream_and_taken_input_is_told() {
    let mut stand = Stand::new();
    let mut viewer = stand.attach(Mode::Live, Watcher::new()).await.expect("it attaches");
    let listens = |viewer: &Watcher, bytes: usize| {
        let input = Message::Input(vec![b'x'; bytes].into());
        inbound::hear(input, viewer.viewer.as_ref().expect("attached"), &stand.stage);
    };
    listens(&viewer, 200_000);
    viewer.drain(Duration::from_millis(1)).await;
    assert_eq!(viewer.taken, 0);
    stand.stage.keyboard.flush();
    viewer.drain(Duration::from_millis(1)).await;
    assert_eq!(viewer.taken, 200_000);
    listens(&viewer, 256 << 10);
    listens(&viewer, 1);
    viewer.drain(Duration::from_millis(1)).await;
    let closed = viewer.closed.expect("it is closed");
    assert_eq!((closed.code, closed.reason.as_str()), (4400, "input beyond credit"));
}
