//! The controller from the outside.

mod store;
mod work;
