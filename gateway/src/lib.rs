//! .

pub mod replay_memory;
