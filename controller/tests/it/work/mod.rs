//! The work loop, the reaper and the local launcher together, over a real store, with runners that are shell scripts.

mod dying;
mod releasing;
mod restarting;
mod sharing;
mod starting;
mod world;
