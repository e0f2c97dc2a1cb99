//! The cases of the Autobahn test suite for servers, as far as they apply without compression: what is sent, byte by
//! byte, and what has to come of it. There is no echo here: what arrives at the program as input is what is seen, beside
//! pongs and the close code.
//!
//! Cases are told by their numbers in the published list. Times of sections 9 and 10 are left out: they are benchmarks.
//! Sections 12 and 13 are about compression, which is never agreed to.

mod case;
mod closing;
mod framing;
mod text;
