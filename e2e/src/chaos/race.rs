//! Many show one token at once, each with a nonce of its own: one of them gets in, ever.

use std::time::Duration;

use futures_util::StreamExt;
use podling_session::{
    frame::{SUBPROTOCOL, ServerFrame},
    id::AttachNonce,
};
use tokio::{task::JoinSet, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::viewer::{Upgrade, try_upgrade};

const RACERS: usize = 4;
/// Longer than a refusal takes when something is down.
const ANSWER: Duration = Duration::from_secs(5);

/// A token of a session.
#[derive(Clone, Debug)]
pub struct Prize {
    pub uid: String,
    pub token: String,
}

/// How many of them had a stream.
pub async fn race(url: &str, prize: &Prize) -> usize {
    let mut racers = JoinSet::new();
    for _ in 0..RACERS {
        let (url, prize) = (url.to_owned(), prize.clone());
        racers.spawn(async move { gets_in(&url, &prize).await });
    }
    racers.join_all().await.into_iter().filter(|got_in| *got_in).count()
}

/// Whether somebody with a nonce of its own had a stream.
pub async fn gets_in(url: &str, prize: &Prize) -> bool {
    timeout(ANSWER, attach(url, prize)).await.unwrap_or(false)
}

async fn attach(url: &str, prize: &Prize) -> bool {
    let (path, nonce) = (format!("/ws/{}?mode=lossless", prize.uid), format!("nonce.{}", AttachNonce::random()));
    let opened = try_upgrade(url, &path, &[SUBPROTOCOL, "bearer", &prize.token, &nonce]).await;
    let Ok(Upgrade::Open(mut socket)) = opened else { return false };
    while let Some(Ok(message)) = socket.next().await {
        match message {
            // A refusal has a frame that says why.
            Message::Binary(bytes) => match ServerFrame::decode(bytes) {
                Ok(Some(ServerFrame::Resume { .. } | ServerFrame::Output { .. })) => return true,
                _ => continue,
            },
            Message::Close(_) => return false,
            _ => {}
        }
    }
    false
}
