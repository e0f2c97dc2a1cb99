//! One connection to a session's terminal: the upgrade, frames, and how it closed.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Method, StatusCode, header};
use podling_session::{
    frame::{ClientFrame, SUBPROTOCOL, ServerFrame},
    id::AttachNonce,
};
use reqwest::{Client, Upgraded};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};

use super::super::{
    api::{self, Api},
    error::ClientError,
};

/// From the request to the upgrade.
const UPGRADE: Duration = Duration::from_secs(15);
/// A server that takes nothing for so long is gone.
const SEND: Duration = Duration::from_secs(10);
/// Snapshots and replayed output come in messages of a megabyte at most.
const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// What opens a stream.
#[derive(Clone, Debug)]
pub(super) enum Capability {
    Token { token: String, nonce: String },
    Resume { token: String },
}

impl Capability {
    /// A fresh token, and a nonce of ours.
    pub(super) fn token(token: &str) -> Capability {
        Capability::Token { token: token.to_owned(), nonce: AttachNonce::random().to_string() }
    }

    fn offered(&self) -> String {
        match self {
            Capability::Token { token, nonce } => format!("{SUBPROTOCOL}, bearer, {token}, nonce.{nonce}"),
            Capability::Resume { token } => format!("{SUBPROTOCOL}, resume, {token}"),
        }
    }
}

pub(super) struct Socket(WebSocketStream<Upgraded>);

/// What came next.
#[derive(Debug)]
pub(super) enum Next {
    Frame(ServerFrame),
    /// A ping, or a frame of a later version: the server lives.
    Other,
    Closed {
        code: u16,
        reason: String,
    },
}

/// No close came.
const LOST: u16 = 1006;

impl Socket {
    /// `query` has mode and offset.
    pub(super) async fn open(
        api: &Api,
        client: &Client,
        uid: &str,
        capability: &Capability,
        query: &str,
    ) -> Result<Socket, ClientError> {
        let url = format!("{}/ws/{uid}?{query}", api.server());
        let key = generate_key();
        let request = client
            .request(Method::GET, &url)
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key)
            .header(header::SEC_WEBSOCKET_PROTOCOL, capability.offered());
        let foreign = |what: &str| ClientError::NotPodling { server: api.server().to_owned(), what: what.to_owned() };
        let opening = async {
            let response = api.send_upgrade(request).await?;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Err(ClientError::Refused(api::problem(response).await));
            }
            let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
            if accepted.is_none_or(|accepted| accepted != derive_accept_key(key.as_bytes()).as_str()) {
                return Err(foreign("no WebSocket"));
            }
            response.upgrade().await.map_err(|error| api.unreachable(error))
        };
        let upgraded = match timeout(UPGRADE, opening).await {
            Ok(upgraded) => upgraded?,
            Err(_) => return Err(foreign("nothing in time")),
        };
        let config = WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE_BYTES));
        Ok(Socket(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await))
    }

    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> Next {
        let lost = |reason: String| Next::Closed { code: LOST, reason };
        match self.0.next().await {
            Some(Ok(Message::Binary(bytes))) => frame(bytes),
            Some(Ok(Message::Close(Some(close)))) => {
                Next::Closed { code: close.code.into(), reason: close.reason.to_string() }
            }
            Some(Ok(Message::Close(None))) | None => lost(String::new()),
            Some(Ok(_)) => Next::Other,
            Some(Err(error)) => lost(error.to_string()),
        }
    }

    /// Whether it went out.
    pub(super) async fn send(&mut self, frame: ClientFrame) -> bool {
        matches!(timeout(SEND, self.0.send(Message::Binary(frame.encode()))).await, Ok(Ok(())))
    }

    pub(super) async fn close(mut self) {
        let _ = timeout(SEND, self.0.close(None)).await; // The server learns it from the connection's end, too.
    }
}

fn frame(bytes: Bytes) -> Next {
    match ServerFrame::decode(bytes) {
        Ok(Some(frame)) => Next::Frame(frame),
        Ok(None) => Next::Other,
        Err(error) => Next::Closed { code: LOST, reason: error.to_string() },
    }
}
