//! The controller from the outside.

mod http;
mod store;
