//! `podling` as its users have it: on a terminal and in a pipe.

mod attaching;
mod listing;
mod uploading;
