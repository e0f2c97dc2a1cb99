//! The terminal: its log, the window that its viewers agree on, and the way of their input to the program.
//!
//! ```text
//! PTY ── append ──> tail in memory ── writer ──> segment files ── sealed ──> reports
//!            │           └────────── readers ──────────┘
//!            └── follower ──> answers, keyframes, snapshots
//! ```
//!
//! Appending never waits for a viewer, and for the storage only while it works and is a little behind. A reader that is
//! slower than the tail goes on in the files; what neither has is told as a gap.

mod asking;
mod file;
mod history;
mod index;
mod log;
mod mirror;
mod reader;
mod tail;
mod writer;

mod follower;
mod following;
mod ground;

mod input;
mod window;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use follower::Emulator;
pub(crate) use follower::{Follower, Snapshot, Snapshots};
pub(crate) use input::{BeyondCredit, Hand, Input, Keyboard, channel as keyboard};
pub(crate) use log::{Head, Log};
pub(crate) use mirror::run as mirror;
pub(crate) use reader::{CHUNK_BYTES, Cursor, NotKept, ReadError, Start};
pub(crate) use window::Window;
pub(crate) use writer::run as write;
