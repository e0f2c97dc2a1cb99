//! Connections to runners: one for each runner, shared by all its viewers, gone with the last of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use podling_proto::channel::Address;
use tonic::transport::Channel;

/// Connects at its first use, and again after a loss.
pub(crate) type Connection = Arc<Channel>;

#[derive(Default)]
pub(crate) struct Runners(Mutex<HashMap<Address, Weak<Channel>>>);

impl Runners {
    /// The connection to a runner. It is closed when nobody holds it any more.
    pub(crate) fn connection(&self, address: Address) -> Connection {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, connection| connection.strong_count() > 0);
        if let Some(connection) = known.get(&address).and_then(Weak::upgrade) {
            return connection;
        }
        let connection = Arc::new(address.channel());
        known.insert(address, Arc::downgrade(&connection));
        connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_runner_has_one_connection_while_anybody_holds_it() {
        let runners = Runners::default();
        let address = |path: &str| path.parse::<Address>().expect("an address");
        let first = runners.connection(address("unix:/run/a"));
        assert!(Arc::ptr_eq(&first, &runners.connection(address("unix:/run/a"))));
        assert!(!Arc::ptr_eq(&first, &runners.connection(address("unix:/run/b"))));
        drop(first);
        runners.connection(address("unix:/run/c"));
        assert_eq!(runners.0.lock().expect("no panic").len(), 1);
    }
}
