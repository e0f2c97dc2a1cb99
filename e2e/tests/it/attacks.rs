//! An adversary at every door: with forged tokens, with broken HTTP, from inside of a session, from beside on the machine.

mod http;
mod machine;
mod session;
mod tokens;
