//! The addresses of the machine itself: by them its own services would be reached, public or not.

use std::{fs, io, net::Ipv4Addr};

/// All that the kernel takes packets for. Those of loopback are among them.
pub(super) fn own() -> io::Result<Vec<Ipv4Addr>> {
    Ok(local(&fs::read_to_string("/proc/thread-self/net/fib_trie")?))
}

/// A leaf of the trie is the line of its address, and below it a line for each route to it: prefix, scope, kind.
fn local(trie: &str) -> Vec<Ipv4Addr> {
    let (mut addresses, mut leaf) = (Vec::<Ipv4Addr>::new(), None::<Ipv4Addr>);
    for line in trie.lines() {
        let line = line.trim_start();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            addresses.extend(leaf);
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 203.0.113.0/24 2 0 2
        |-- 203.0.113.0
           /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 203.0.113.5
        /32 host LOCAL
     |-- 203.0.113.5
        /32 host LOCAL
     |-- 203.0.113.255
        /32 link BROADCAST
";

    #[test]
    fn the_machines_addresses_are_those_it_takes_packets_for() {
        assert_eq!(local(TRIE), [Ipv4Addr::LOCALHOST, Ipv4Addr::new(203, 0, 113, 5)]);
        assert!(local("").is_empty());
    }

    #[test]
    fn this_machine_has_a_loopback() {
        assert!(own().expect("readable").contains(&Ipv4Addr::LOCALHOST));
    }
}
