//! The HTTP door, called over TCP as its clients call it.

mod app;

mod creating;
mod describing;
mod extending;
mod following_events;
mod guarding;
mod issuing;
mod keying;
mod limiting;
mod listing;
mod owning;
mod probing;
mod reading_logs;
mod refusing;
mod signing_in;
mod typing;
mod uploading;
