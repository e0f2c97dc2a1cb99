//! Connections to runners: one for each runner, shared by all its viewers, gone with the last of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use podling_proto::{
    channel::{Address, NoRoute, Route},
    tls::Trust,
};
use tonic::transport::Channel;

/// Connects at its first use, and again after a loss.
pub(crate) type Connection = Arc<Channel>;

#[derive(Default)]
pub(crate) struct Runners(Mutex<HashMap<Known, Weak<Channel>>>);

/// An address, and the certificate that its runner registered: another runner may come to have the address.
type Known = (Address, Bytes);

impl Runners {
    /// The connection to a runner. It is closed when nobody holds it any more.
    ///
    /// # Errors
    /// When the address cannot be connected to.
    pub(crate) fn connection(&self, address: Address, certificate: Bytes) -> Result<Connection, NoRoute> {
        let runner = (address, certificate);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, connection| connection.strong_count() > 0);
        if let Some(connection) = known.get(&runner).and_then(Weak::upgrade) {
            return Ok(connection);
        }
        let route = Route::new(vec![runner.0.clone()], Some(&Trust::pinned(&runner.1)))?;
        let connection = Arc::new(route.channel());
        known.insert(runner, Arc::downgrade(&connection));
        Ok(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_runner_has_one_connection_while_anybody_holds_it() {
        let runners = Runners::default();
        let connection = |address: &str, certificate: &'static [u8]| {
            let address = address.parse().expect("an address");
            runners.connection(address, Bytes::from_static(certificate)).expect("a route")
        };
        let first = connection("https://a:1", b"one");
        assert!(Arc::ptr_eq(&first, &connection("https://a:1", b"one")));
        assert!(!Arc::ptr_eq(&first, &connection("https://b:1", b"one")));
        assert!(!Arc::ptr_eq(&first, &connection("https://a:1", b"another")));
        drop(first);
        connection("unix:/run/c", b"three");
        assert_eq!(runners.0.lock().expect("no panic").len(), 1);
    }
}
