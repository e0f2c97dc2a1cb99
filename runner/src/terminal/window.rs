//! Whose window decides the size of the terminal.
//!
//! The size is that of the viewer that last typed or took focus; when it leaves, that of the remaining one that last
//! did. Viewers that never did come last, in the order in which they told a size. With nobody attached the size stays.
//! Who holds the input lease and told a size decides alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use podling_session::{log::Body, size::WindowSize, viewers::StreamId};
use tracing::warn;

use super::log::Log;
use crate::pty::Pty;

/// The rule, without the terminal.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    viewers: HashMap<StreamId, Viewer>,
    clock: u64,
    /// Who holds the input lease.
    holder: Option<StreamId>,
}

#[derive(Debug, Default)]
struct Viewer {
    size: Option<WindowSize>,
    /// When it last typed or took focus; 0 is never.
    active: u64,
    /// When it first told a size.
    told: u64,
}

impl Windows {
    pub(crate) fn tell(&mut self, stream: StreamId, size: WindowSize) -> Option<WindowSize> {
        self.clock += 1;
        let viewer = self.viewers.entry(stream).or_default();
        if viewer.size.replace(size).is_none() {
            viewer.told = self.clock;
        }
        self.chosen()
    }

    pub(crate) fn activate(&mut self, stream: StreamId) -> Option<WindowSize> {
        self.clock += 1;
        self.viewers.entry(stream).or_default().active = self.clock;
        self.chosen()
    }

    pub(crate) fn leave(&mut self, stream: StreamId) -> Option<WindowSize> {
        self.viewers.remove(&stream);
        self.chosen()
    }

    pub(crate) fn held_by(&mut self, holder: Option<StreamId>) -> &mut Windows {
        self.holder = holder;
        self
    }

    pub(crate) fn chosen(&self) -> Option<WindowSize> {
        let held = self.holder.and_then(|holder| self.viewers.get(&holder)).and_then(|viewer| viewer.size);
        if held.is_some() {
            return held;
        }
        let sized = self.viewers.values().filter(|viewer| viewer.size.is_some());
        sized.max_by_key(|viewer| (viewer.active, std::cmp::Reverse(viewer.told))).and_then(|viewer| viewer.size)
    }
}

/// The window of the one terminal: applies what the viewers' windows come to.
#[derive(Debug)]
pub(crate) struct Window {
    log: Arc<Log>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    windows: Windows,
    size: WindowSize,
    pty: Option<Arc<Pty>>,
}

impl Window {
    pub(crate) fn new(log: Arc<Log>) -> Window {
        Window { log, state: Mutex::new(State { windows: Windows::default(), size: WindowSize::DEFAULT, pty: None }) }
    }

    /// Opens the terminal of the next program, in the size of now.
    ///
    /// # Errors
    /// When there is no PTY to be had.
    pub(crate) fn open(&self) -> std::io::Result<(Arc<Pty>, std::os::fd::OwnedFd)> {
        let mut state = self.state();
        let (pty, tty) = Pty::open(state.size)?;
        let pty = Arc::new(pty);
        state.pty = Some(Arc::clone(&pty));
        Ok((pty, tty))
    }

    /// Takes over a terminal that was opened before there was a window, and gives it the size of now.
    ///
    /// # Errors
    /// When it cannot be resized.
    pub(crate) fn adopt(&self, pty: Pty) -> std::io::Result<Arc<Pty>> {
        let mut state = self.state();
        pty.resize(state.size)?;
        let pty = Arc::new(pty);
        state.pty = Some(Arc::clone(&pty));
        Ok(pty)
    }

    pub(crate) fn close(&self) {
        self.state().pty = None;
    }

    /// The terminal of the program of now, when this is the one byte that interrupts it.
    pub(crate) fn interrupts(&self, typed: &[u8]) -> Option<Arc<Pty>> {
        let [byte] = typed else { return None };
        let pty = self.state().pty.clone()?;
        pty.interrupts(*byte).then_some(pty)
    }

    /// Changes the viewers' windows and applies the size that follows: in the log before the program can answer to it.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Windows) -> Option<WindowSize>) {
        let mut state = self.state();
        let Some(size) = change(&mut state.windows).filter(|size| *size != state.size) else { return };
        state.size = size;
        self.log.note(Body::Resize(size));
        if let Some(Err(error)) = state.pty.as_ref().map(|pty| pty.resize(size)) {
            warn!(%error, "resizing the terminal failed");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use podling_session::{
        capability::Grant,
        id::{AttachNonce, Uid, ViewerId},
        share::Who,
        token::Scope,
        viewers::Viewers,
    };

    fn streams() -> [StreamId; 3] {
        let mut viewers = Viewers::new(3);
        let now = jiff::Timestamp::UNIX_EPOCH;
        std::array::from_fn(|_| {
            let grant = Grant {
                session: Uid::new(),
                viewer: ViewerId::new(),
                nonce: AttachNonce::random(),
                generation: 0,
                issued_at: now,
                scope: Scope::ReadWrite,
                who: Who::default(),
            };
            viewers.admit(&grant, now).expect("a place").stream
        })
    }

    fn size(cols: u32) -> WindowSize {
        WindowSize::new(24, cols).expect("a fair size")
    }

    #[test]
    fn the_size_is_that_of_the_viewer_that_last_typed_or_took_focus() {
        let [a, b, c] = streams();
        let mut windows = Windows::default();
        assert_eq!(windows.tell(a, size(100)), Some(size(100)));
        assert_eq!(windows.tell(b, size(110)), Some(size(100)), "the first keeps it until the second is active");
        assert_eq!(windows.activate(b), Some(size(110)));
        assert_eq!(windows.activate(a), Some(size(100)));
        assert_eq!(windows.tell(b, size(120)), Some(size(100)));
        assert_eq!(windows.tell(a, size(90)), Some(size(90)));
        assert_eq!(windows.activate(c), Some(size(90)), "a viewer without a size decides nothing");
    }

    #[test]
    fn when_it_leaves_the_one_before_decides_and_nobody_changes_nothing() {
        let [a, b, c] = streams();
        let mut windows = Windows::default();
        windows.tell(a, size(100));
        windows.tell(b, size(110));
        windows.tell(c, size(120));
        windows.activate(a);
        windows.activate(c);
        assert_eq!(windows.leave(c), Some(size(100)));
        assert_eq!(windows.leave(a), Some(size(110)));
        assert_eq!(windows.leave(b), None);
    }

    #[test]
    fn who_holds_the_lease_decides_the_size_whoever_is_active() {
        let [a, b, _] = streams();
        let mut windows = Windows::default();
        windows.tell(a, size(100));
        windows.tell(b, size(110));
        assert_eq!(windows.held_by(Some(b)).activate(a), Some(size(110)));
        assert_eq!(windows.tell(a, size(90)), Some(size(110)));
        assert_eq!(windows.held_by(None).chosen(), Some(size(90)));
    }
}
