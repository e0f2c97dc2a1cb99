//! The stream under any order of events: whatever is cut, skipped, resized or replaced, every viewer is told offsets that
//! fit together, and ends on the screen of a terminal that was there all the time.

use std::time::Duration;

use podling_proto::terminal::Mode;
use podling_session::{phase::End, size::WindowSize};
use proptest::prelude::*;

use super::stand::{Stand, Watcher};

#[derive(Clone, Debug)]
enum Event {
    Write(Vec<u8>),
    Flood(usize),
    Resize(u32, u32),
    /// The emulator gets to run.
    Look,
    /// A viewer receives so many messages, and acks them.
    Draw(usize, usize),
    /// A viewer receives so many messages, and acks nothing.
    Receive(usize, usize),
    /// A viewer comes back: with the old stream cut, or still open.
    Return {
        viewer: usize,
        cut: bool,
    },
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let pieces: &[&[u8]] = &[
        b"text\r\n",
        b"\x1b[3",
        b"1m",
        b"\x1b[2J\x1b[H",
        b"\x1b]0;tit",
        b"le\x07",
        b"\x1b",
        b"\x1b[5d",
        b"\xe4\xb8",
        b"\xad",
        b"\x1b[10G*",
    ];
    let event = prop_oneof![
        4 => prop::sample::select(pieces).prop_map(|piece| Event::Write(piece.to_vec())),
        3 => (1..200_000usize).prop_map(Event::Flood),
        1 => (5..60u32, 20..150u32).prop_map(|(rows, cols)| Event::Resize(rows, cols)),
        4 => Just(Event::Look),
        4 => (0..3usize, 1..20usize).prop_map(|(viewer, count)| Event::Draw(viewer, count)),
        2 => (0..3usize, 1..20usize).prop_map(|(viewer, count)| Event::Receive(viewer, count)),
        1 => (0..3usize, any::<bool>()).prop_map(|(viewer, cut)| Event::Return { viewer, cut }),
        2 => (1..200u64).prop_map(Event::Wait),
    ];
    prop::collection::vec(event, 1..120)
}

const MODES: [Mode; 3] = [Mode::Live, Mode::Live, Mode::Lossless];

struct Model {
    stand: Stand,
    viewers: Vec<Watcher>,
}

impl Model {
    async fn new() -> Model {
        let (mut stand, mut viewers) = (Stand::new(), Vec::new());
        for mode in MODES {
            viewers.push(stand.attach(mode, Watcher::new()).await.expect("it attaches"));
        }
        Model { stand, viewers }
    }

    async fn apply(&mut self, event: Event) {
        match event {
            Event::Write(bytes) => self.stand.write(&bytes),
            Event::Flood(bytes) => {
                let line = format!("{bytes} flood of lines that scroll\r\n").into_bytes();
                self.stand.write(&line.repeat(bytes / line.len() + 1));
            }
            Event::Resize(rows, cols) => self.stand.resize(WindowSize::new(rows, cols).expect("a fair size")),
            Event::Look => self.stand.emulator.step(),
            Event::Draw(viewer, count) => {
                for _ in 0..count {
                    self.viewers[viewer].receive(Duration::from_micros(10)).await;
                    self.viewers[viewer].ack();
                }
            }
            Event::Receive(viewer, count) => {
                for _ in 0..count {
                    self.viewers[viewer].receive(Duration::from_micros(10)).await;
                }
            }
            Event::Return { viewer, cut } => self.come_back(viewer, cut).await,
            Event::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
    }

    async fn come_back(&mut self, index: usize, cut: bool) {
        let mut old = std::mem::replace(&mut self.viewers[index], Watcher::new());
        if cut {
            old.cut();
        }
        self.viewers[index] = self.stand.attach(MODES[index], old).await.expect("it comes back");
    }

    /// Everybody gets everything, and has the same screen.
    async fn settle(mut self) {
        self.stand.write(b"\x18\x1b\\.");
        self.stand.log.end(End::exit(0));
        for viewer in &mut self.viewers {
            viewer.draw(&mut self.stand.emulator, 50e6, Duration::from_secs(20)).await;
            assert!(viewer.exit, "it has come to the end");
            assert_eq!(viewer.screen.text(), self.stand.screen.text());
            assert!(viewer.screen.snapshot() == self.stand.screen.snapshot(), "the screens differ in what is not text");
            for (from, bytes) in &viewer.runs {
                let from = usize::try_from(*from).expect("small");
                assert!(self.stand.output[from..from + bytes.len()] == bytes[..], "the bytes are those of the program");
            }
        }
        assert_eq!(self.viewers[2].runs.len(), 1, "the lossless viewer misses nothing");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_view_is_true_to_its_offsets_and_ends_on_the_same_screen(events in events()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let mut model = Model::new().await;
            for event in events {
                model.apply(event).await;
            }
            model.settle().await;
        });
    }
}
