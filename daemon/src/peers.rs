//! How many connections each address has open, so that no one address takes all that there may be.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The counts; clones share them.
#[derive(Clone)]
pub(crate) struct Peers {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address, until it is dropped.
pub(crate) struct Place {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    pub(crate) fn new(most: usize) -> Peers {
        Peers { most, open: Arc::default() }
    }

    /// `None` when the address has as many as it may.
    pub(crate) fn place(&self, address: IpAddr) -> Option<Place> {
        let address = holder(address);
        let mut open = self.lock();
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { peers: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.peers.lock();
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Who holds one IPv6 address holds the 64 bits below its network's (RFC 4291, 2.5.1).
fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_back_those_it_leaves() {
        let peers = Peers::new(2);
        let place = |address: &str| peers.place(address.parse().expect("an address"));
        let (first, _second) = (place("192.0.2.1"), place("::ffff:192.0.2.1"));
        assert!(place("192.0.2.1").is_none());
        let (_other, _network) = (place("192.0.2.2").expect("another"), place("2001:db8::1").expect("another"));
        let _same = place("2001:db8::2").expect("the second of its network");
        assert!(place("2001:db8::ffff:3").is_none() && place("2001:db8:0:1::3").is_some());
        drop(first);
        let third = place("192.0.2.1");
        assert!(third.is_some());
        drop((third, _second));
        assert!(!peers.lock().contains_key(&"192.0.2.1".parse::<IpAddr>().expect("an address")));
    }
}
