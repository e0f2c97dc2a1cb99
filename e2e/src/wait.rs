//! Waiting for what must come true, with a deadline. There is no event to wait on in another process.

use std::{fmt::Debug, time::Duration};

use tokio::time::{Instant, sleep};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Asks until the answer is `Ok`, and panics with the last `Err` when it never was.
pub async fn until<T, E: Debug>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + within;
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(last) if Instant::now() >= deadline => panic!("{what} was not so within {within:?}: {last:?}"),
            Err(_) => sleep(POLL).await,
        }
    }
}
