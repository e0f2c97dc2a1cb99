//! A connection of its own that hears of what other controllers changed.
//!
//! It only wakes: what it misses while it is away is found when it is back, for then everybody looks, and by the polls of
//! those who wait.

use std::{sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client, Error};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{statement::CHANNEL, target::Target};

/// From asking for a connection to having it.
const CONNECT: Duration = Duration::from_secs(2);
/// How often the server is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(2);
const PONG: Duration = Duration::from_secs(2);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why it does not listen.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the connection failed")]
    Failed(#[from] Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server did not answer in time")]
    Silent,
}

/// Listens until `stop`.
pub(super) async fn run(target: Target, changed: Arc<Notify>, stop: CancellationToken) {
    let mut pause = SHORTEST_PAUSE;
    let listening = async {
        loop {
            let lost = listen(&target, &changed, &mut pause).await;
            warn!(error = &lost as &dyn std::error::Error, "changes by other controllers are noticed late");
            // Controllers that lost one server do not come back all at once.
            sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    };
    stop.run_until_cancelled(listening).await;
}

async fn listen(target: &Target, changed: &Notify, pause: &mut Duration) -> Lost {
    let (client, mut connection) = match timeout(CONNECT, target.config().connect(target.tls())).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => return error.into(),
        Err(_) => return Lost::Silent,
    };
    let messages = stream::poll_fn(move |context| connection.poll_message(context));
    tokio::select! {
        lost = hear(messages, changed) => lost,
        lost = ask(&client, changed, pause) => lost,
    }
}

async fn hear(messages: impl Stream<Item = Result<AsyncMessage, Error>>, changed: &Notify) -> Lost {
    let mut messages = std::pin::pin!(messages);
    while let Some(message) = messages.next().await {
        match message {
            Ok(AsyncMessage::Notification(_)) => changed.notify_waiters(),
            Ok(_) => {}
            Err(error) => return error.into(),
        }
    }
    Lost::Closed
}

/// Begins to listen, and then asks now and then whether the server is there still.
async fn ask(client: &Client, changed: &Notify, pause: &mut Duration) -> Lost {
    let mut question = format!("LISTEN {CHANNEL}");
    loop {
        match timeout(PONG, client.batch_execute(&question)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into(),
            Err(_) => return Lost::Silent,
        }
        if !question.is_empty() {
            changed.notify_waiters(); // What happened before was not heard.
            *pause = SHORTEST_PAUSE;
            question.clear();
        }
        sleep(PING).await;
    }
}
