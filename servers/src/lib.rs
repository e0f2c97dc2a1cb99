//! A real Postgres and a real Redis for tests and benchmarks: each on a free port of loopback, with its files in a
//! temporary folder, stopped when its value is dropped, and also when the process that started it ends in any way.
//!
//! What fails here fails the test: everything panics with what the server said.

mod certificates;
mod guarded;
mod port;
mod postgres;
mod redis;
mod tree;

pub use self::{
    certificates::{Certificates, certificates},
    port::free_port,
    postgres::Postgres,
    redis::Redis,
};
