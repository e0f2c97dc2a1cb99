//! Connections that are lent to one transaction at a time.

use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Object, RecyclingMethod, Runtime};

use super::target::Target;
use crate::store::error::Error;

/// For a free connection, and for a new one: less than a caller waits in all.
const WAIT: Duration = Duration::from_millis(700);

pub(super) struct Pool(deadpool_postgres::Pool);

impl Pool {
    /// Connects to nothing yet.
    pub(super) fn new(target: &Target, connections: usize) -> Pool {
        // Whether it is still open is known without asking.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(target.for_statements(), target.tls(), recycling);
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .recycle_timeout(Some(WAIT))
            .build();
        Pool(pool.expect("a runtime for the timeouts is all that it asks for"))
    }

    pub(super) async fn lend(&self) -> Result<Lent, Error> {
        Ok(Lent { client: Some(self.0.get().await?) })
    }

    /// Whoever asks from now on is refused.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

/// A connection, which is closed unless it is given back: whoever drops it may have left it amid a transaction, or
/// waiting for an answer that does not come.
pub(super) struct Lent {
    client: Option<Object>,
}

impl Lent {
    pub(super) fn client(&self) -> &Client {
        self.client.as_ref().expect("it is there until it is given back or dropped")
    }

    /// No transaction is open, and no answer outstanding.
    pub(super) fn give_back(mut self) {
        self.client = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client)); // Out of the pool, and closed.
        }
    }
}
