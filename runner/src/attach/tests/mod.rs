//! One viewer's stream, without a connection.

mod flow;
mod model;
mod stand;
