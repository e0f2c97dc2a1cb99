//! Ports for servers that have to be told one before they bind it.

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Below those that the kernel gives to connections (32768 on), of which one may be taken before its server binds it.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port of loopback that nobody has. This process is given another each time, and other processes begin elsewhere.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let own = process::id().wrapping_mul(97);
    let mut ports = (0..COUNT).map(|_| {
        let next = own.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + next % COUNT).expect("all are below 32000")
    });
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("loopback has a free port")
}
