//! The runner's emulator behind a raw PTY, on a thread of its own: what following the screen costs without any hop.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::JoinHandle,
};

use podling_screen::Screen;
use podling_session::size::WindowSize;

use crate::{measure::ONE_CPU, proc::HeldThread, results::Setting};

/// As far as the runner's own may fall behind; then the reader waits.
const BEHIND_BYTES: usize = 2 << 20;

pub(crate) struct Follower {
    queue: Arc<Queue>,
    thread: JoinHandle<Screen>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Follower {
    /// On the processor that the reader and the command share, or on any.
    pub(crate) fn start(setting: Setting) -> Follower {
        let queue = Arc::new(Queue::default());
        let thread = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || {
                let _held = (setting == Setting::OneCpu).then(|| HeldThread::to(ONE_CPU).expect("it is a processor"));
                queue.follow()
            }
        });
        Follower { queue, thread }
    }

    /// Waits while the emulator is too far behind.
    pub(crate) fn push(&self, bytes: &[u8]) {
        let full = |state: &mut State| state.bytes.len() + bytes.len() > BEHIND_BYTES;
        let state = self.queue.changed.wait_while(self.queue.lock(), full);
        state.expect(NO_PANIC).bytes.extend_from_slice(bytes);
        self.queue.changed.notify_one();
    }

    /// The screen after all that was pushed.
    pub(crate) fn finish(self) -> Screen {
        self.queue.lock().ended = true;
        self.queue.changed.notify_one();
        self.thread.join().expect(NO_PANIC)
    }
}

const NO_PANIC: &str = "following does not panic";

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(NO_PANIC)
    }

    /// Takes all that waits at once; the two buffers change places.
    fn follow(&self) -> Screen {
        let (mut screen, mut taken) = (Screen::new(WindowSize::DEFAULT), Vec::new());
        loop {
            let empty = |state: &mut State| state.bytes.is_empty() && !state.ended;
            let mut state = self.changed.wait_while(self.lock(), empty).expect(NO_PANIC);
            if state.bytes.is_empty() {
                return screen;
            }
            std::mem::swap(&mut state.bytes, &mut taken);
            drop(state);
            self.changed.notify_one();
            screen.feed(&taken);
            taken.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_screen_is_that_of_all_bytes_in_order() {
        let follower = Follower::start(Setting::Free);
        let line = format!("{}\r\n", "x".repeat(1_000));
        (0..5_000).for_each(|_| follower.push(line.as_bytes()));
        follower.push(b"the end");
        let screen = follower.finish();
        assert!(screen.text().trim_end().ends_with("the end"));
        assert!(screen.lines() > 5_000);
    }
}
