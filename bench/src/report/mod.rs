//! What a run leaves: a table on standard output and JSON in a file.

mod json;
mod table;

pub(crate) use json::json;
pub(crate) use table::table;
