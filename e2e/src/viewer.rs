//! WebSocket clients: one that speaks `podling.v1`, and one that knows nothing but bytes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, StatusCode, header};
use memchr::memmem;
use podling_session::{
    frame::{ClientFrame, SUBPROTOCOL, ServerFrame},
    id::AttachNonce,
    size::WindowSize,
};
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

use crate::podling::{Podling, Session};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long any single answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// What an upgrade came to.
#[derive(Debug)]
pub enum Upgrade {
    Open(Box<Socket>),
    /// Refused with an HTTP status.
    Refused(StatusCode, Value),
}

/// Opens a WebSocket with these subprotocols.
pub async fn upgrade(url: &str, path: &str, subprotocols: &[&str]) -> Upgrade {
    let answer = timeout(ANSWER, try_upgrade(url, path, subprotocols)).await.expect("the upgrade is answered in time");
    answer.unwrap_or_else(|error| panic!("the upgrade failed without an HTTP status: {error}"))
}

/// As [`upgrade`], of a server that may not be there.
///
/// # Errors
/// When nobody answers in HTTP.
pub async fn try_upgrade(url: &str, path: &str, subprotocols: &[&str]) -> Result<Upgrade, Error> {
    let url = format!("{}{path}", url.replacen("http", "ws", 1));
    let mut request = url.into_client_request().expect("a URL made of a base and a path");
    if !subprotocols.is_empty() {
        let value = HeaderValue::from_str(&subprotocols.join(", ")).expect("tokens are visible ASCII");
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    // Without Nagle's delay, as browsers do: a key would wait for the acknowledgement of the frame before it.
    match tokio_tungstenite::connect_async_with_config(request, None, true).await {
        Ok((socket, _)) => Ok(Upgrade::Open(Box::new(socket))),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().and_then(|body| serde_json::from_slice(body).ok());
            Ok(Upgrade::Refused(response.status(), body.unwrap_or(Value::Null)))
        }
        Err(error) => Err(error),
    }
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    pub code: u16,
    pub reason: String,
}

/// A `podling.v1` viewer that acks what it gets and keeps all of it.
#[derive(Debug)]
pub struct Viewer {
    socket: Box<Socket>,
    pub output: Vec<u8>,
    /// The offset after the last byte of `output`.
    pub offset: u64,
    pub resume: Option<(u32, String)>,
    pub exit: Option<Value>,
    pub error: Option<Value>,
    pub stages: Vec<String>,
    pub size: Option<WindowSize>,
    /// Whether the resume token is acked, as every client must.
    pub acks_resume: bool,
    /// Whether output is.
    pub acks_output: bool,
}

impl Viewer {
    /// Attaches with the token that a session came with.
    pub async fn of(podling: &Podling, session: &Session) -> Viewer {
        Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await
    }

    /// Attaches with a session token and a nonce, from the first kept byte.
    pub async fn attach(url: &str, uid: &str, token: &str, nonce: AttachNonce) -> Viewer {
        let nonce = format!("nonce.{nonce}");
        let path = format!("/ws/{uid}?mode=lossless");
        Viewer::open(upgrade(url, &path, &[SUBPROTOCOL, "bearer", token, &nonce]).await, 0)
    }

    /// Comes back with a resume token from an offset on.
    pub async fn resume(url: &str, uid: &str, token: &str, from: u64) -> Viewer {
        let path = format!("/ws/{uid}?mode=lossless&from={from}");
        Viewer::open(upgrade(url, &path, &[SUBPROTOCOL, "resume", token]).await, from)
    }

    fn open(upgrade: Upgrade, offset: u64) -> Viewer {
        let Upgrade::Open(socket) = upgrade else { panic!("podling.v1 always upgrades: {upgrade:?}") };
        Viewer {
            socket,
            output: Vec::new(),
            offset,
            resume: None,
            exit: None,
            error: None,
            stages: Vec::new(),
            size: None,
            acks_resume: true,
            acks_output: true,
        }
    }

    pub async fn send(&mut self, frame: ClientFrame) {
        self.socket.send(Message::Binary(frame.encode())).await.expect("the socket takes a frame");
    }

    pub async fn type_in(&mut self, text: &str) {
        self.send(ClientFrame::Input(Bytes::from(text.to_owned()))).await;
    }

    /// Takes one message. `Some` when it was the close.
    pub async fn step(&mut self) -> Option<Closed> {
        match binary(&mut self.socket).await {
            Ok(bytes) => self.take(bytes).await,
            Err(closed) => return Some(closed),
        }
        None
    }

    async fn take(&mut self, bytes: Bytes) {
        match ServerFrame::decode(bytes).expect("the server sends whole frames") {
            Some(ServerFrame::Output { offset, bytes, .. }) => {
                assert_eq!(offset, self.offset, "no byte is lost and none is doubled");
                self.offset += bytes.len() as u64;
                self.output.extend_from_slice(&bytes);
                let offset = self.offset;
                if self.acks_output {
                    // A server that has closed already takes no ack.
                    let _ = self.socket.send(Message::Binary(ClientFrame::Ack { offset }.encode())).await;
                }
            }
            Some(ServerFrame::Resume { generation, token }) => {
                self.resume = Some((generation, token));
                if self.acks_resume {
                    let _ = self.socket.send(Message::Binary(ClientFrame::ResumeAck { generation }.encode())).await;
                }
            }
            Some(ServerFrame::Exit { json }) => self.exit = serde_json::from_str(&json).ok(),
            Some(ServerFrame::Error { json }) => self.error = serde_json::from_str(&json).ok(),
            Some(ServerFrame::Stage { json }) => self.stages.push(json),
            Some(ServerFrame::Resized(size)) => self.size = Some(size),
            _ => {}
        }
    }

    /// Reads until the server closes.
    pub async fn to_end(&mut self) -> Closed {
        loop {
            if let Some(closed) = self.step().await {
                return closed;
            }
        }
    }

    /// Reads until the output holds `text`.
    pub async fn sees(&mut self, text: &str) {
        let deadline = Instant::now() + ANSWER;
        let mut looked = 0;
        while memmem::find(&self.output[looked..], text.as_bytes()).is_none() {
            looked = self.output.len().saturating_sub(text.len());
            let step = timeout_at(deadline, self.step()).await;
            match step {
                Ok(None) => {}
                Ok(Some(closed)) => panic!("closed with {closed:?} before {text:?} in {:?}", self.text()),
                Err(_) => panic!("no {text:?} in time in {:?}", self.text()),
            }
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// Ends the connection without a word, as a lost network does.
    pub fn cut(self) -> Option<(u32, String)> {
        self.resume
    }
}

/// A client that knows no frames.
#[derive(Debug)]
pub struct Plain {
    socket: Box<Socket>,
    pub output: Vec<u8>,
}

impl Plain {
    /// Attaches by the subprotocol `bearer`, or why not.
    pub async fn attach(url: &str, uid: &str, token: &str) -> Result<Plain, (StatusCode, Value)> {
        Plain::open(upgrade(url, &format!("/ws/{uid}"), &["bearer", token]).await)
    }

    /// Attaches by `?token=`, or why not.
    pub async fn attach_by_query(url: &str, uid: &str, token: &str) -> Result<Plain, (StatusCode, Value)> {
        Plain::open(upgrade(url, &format!("/ws/{uid}?token={token}"), &[]).await)
    }

    fn open(upgrade: Upgrade) -> Result<Plain, (StatusCode, Value)> {
        match upgrade {
            Upgrade::Open(socket) => Ok(Plain { socket, output: Vec::new() }),
            Upgrade::Refused(status, body) => Err((status, body)),
        }
    }

    pub async fn type_in(&mut self, text: &str) {
        self.socket.send(Message::text(text.to_owned())).await.expect("the socket takes a message");
    }

    pub async fn step(&mut self) -> Option<Closed> {
        match binary(&mut self.socket).await {
            Ok(bytes) => self.output.extend_from_slice(&bytes),
            Err(closed) => return Some(closed),
        }
        None
    }

    pub async fn to_end(&mut self) -> Closed {
        loop {
            if let Some(closed) = self.step().await {
                return closed;
            }
        }
    }

    pub async fn sees(&mut self, text: &str) {
        let mut looked = 0;
        while memmem::find(&self.output[looked..], text.as_bytes()).is_none() {
            looked = self.output.len().saturating_sub(text.len());
            if let Some(closed) = self.step().await {
                panic!("closed with {closed:?} before {text:?} in {:?}", self.text());
            }
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

/// The next binary message, or how the stream ended.
pub(crate) async fn binary(socket: &mut Socket) -> Result<Bytes, Closed> {
    loop {
        match timeout(ANSWER, socket.next()).await.expect("the server is not silent") {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
            Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
            Some(Ok(_)) => {}
            None | Some(Err(_)) => return Err(Closed { code: 1006, reason: String::new() }),
        }
    }
}

pub(crate) fn closed(frame: Option<CloseFrame>) -> Closed {
    match frame {
        Some(frame) => Closed { code: frame.code.into(), reason: frame.reason.to_string() },
        None => Closed { code: 1005, reason: String::new() },
    }
}
