//! podling-screen beside xterm.js, which is what people look at.

mod answers;
mod continuation;
mod fidelity;
mod grammar;
mod oracle;
mod recorded;
mod sight;
mod viewers;
