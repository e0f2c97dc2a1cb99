//! WebSocket clients of both kinds.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, header};
use podling_session::{
    frame::{ClientFrame, ServerFrame},
    id::AttachNonce,
};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, handshake::client::generate_key},
};

use crate::world::{Door, World};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) selected: Option<String>,
}

/// How a client's connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// `Err` is the answer of a server that does not upgrade.
pub(crate) async fn connect(world: &World, offer: &str, query: &str) -> Result<Client, Response<Option<Vec<u8>>>> {
    connect_to(world, &world.uid.to_string(), offer, query).await
}

pub(crate) async fn connect_to(
    world: &World,
    uid: &str,
    offer: &str,
    query: &str,
) -> Result<Client, Response<Option<Vec<u8>>>> {
    connect_at(world.address, uid, offer, query).await
}

pub(crate) async fn connect_at(
    address: SocketAddr,
    uid: &str,
    offer: &str,
    query: &str,
) -> Result<Client, Response<Option<Vec<u8>>>> {
    let tcp = TcpStream::connect(address).await.expect("the gateway listens");
    let mut request = Request::get(format!("ws://{address}/ws/{uid}?{query}"))
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key());
    if !offer.is_empty() {
        request = request.header(header::SEC_WEBSOCKET_PROTOCOL, offer);
    }
    let request = request.body(()).expect("a request");
    match timeout(PATIENCE, client_async(request, tcp)).await.expect("an answer in time") {
        Ok((socket, response)) => {
            assert!(!response.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS));
            let selected = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL);
            let selected = selected.map(|name| name.to_str().expect("ASCII").to_owned());
            Ok(Client { socket, selected })
        }
        Err(Error::Http(response)) => Err(*response),
        Err(other) => panic!("handshake: {other}"),
    }
}

pub(crate) fn framed(token: &str, nonce: AttachNonce) -> String {
    format!("podling.v1, bearer, {token}, nonce.{nonce}")
}

pub(crate) async fn plain(world: &World) -> Client {
    let offer = format!("bearer, {}", world.token());
    connect(world, &offer, "").await.unwrap_or_else(|refused| panic!("refused: {}", refused.status()))
}

/// A `podling.v1` client that has its resume token and has acked it.
pub(crate) async fn attached(world: &World) -> (Client, String) {
    let offer = framed(&world.token(), AttachNonce::random());
    let mut client = connect(world, &offer, "").await.unwrap_or_else(|refused| panic!("refused: {}", refused.status()));
    let token = client.take_resume().await;
    (client, token)
}

pub(crate) async fn attached_at(door: &Door, world: &World) -> (Client, String) {
    let offer = framed(&world.token(), AttachNonce::random());
    let attached = connect_at(door.address, &world.uid.to_string(), &offer, "").await;
    let mut client = attached.unwrap_or_else(|refused| panic!("refused: {}", refused.status()));
    let token = client.take_resume().await;
    (client, token)
}

pub(crate) fn status_of(answer: Result<Client, Response<Option<Vec<u8>>>>) -> StatusCode {
    match answer {
        Ok(_) => StatusCode::SWITCHING_PROTOCOLS,
        Err(response) => response.status(),
    }
}

impl Client {
    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        self.socket.send(Message::Binary(frame.encode())).await.expect("the socket is open");
    }

    pub(crate) async fn take_resume(&mut self) -> String {
        match self.frame().await {
            Ok(ServerFrame::Resume { generation, token }) => {
                self.send(&ClientFrame::ResumeAck { generation }).await;
                token
            }
            other => panic!("the first frame is not resume: {other:?}"),
        }
    }

    /// The next frame, or the end.
    pub(crate) async fn frame(&mut self) -> Result<ServerFrame, End> {
        loop {
            let bytes = self.message().await?;
            if let Some(frame) = ServerFrame::decode(bytes).expect("a whole frame") {
                return Ok(frame);
            }
        }
    }

    /// The next frame that is neither stage, size nor the number of viewers.
    pub(crate) async fn output(&mut self) -> Result<(u64, Bytes), End> {
        loop {
            match self.frame().await? {
                ServerFrame::Output { offset, bytes, .. } => return Ok((offset, bytes)),
                ServerFrame::Resume { generation, .. } => self.send(&ClientFrame::ResumeAck { generation }).await,
                _ => {}
            }
        }
    }

    /// The next binary message, or the end. Pings are answered by the library.
    pub(crate) async fn message(&mut self) -> Result<Bytes, End> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("a message in time") {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Close(frame))) => {
                    let frame = frame.expect("a code");
                    let end = End { code: frame.code.into(), reason: frame.reason.to_string() };
                    // Answers the close frame.
                    while let Some(Ok(_)) = timeout(PATIENCE, self.socket.next()).await.expect("in time") {}
                    return Err(end);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    /// Reads raw bytes until this text has come.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let mut all = String::new();
        while !all.contains(text) {
            let bytes = self.message().await.unwrap_or_else(|end| panic!("{end:?} after {all:?}"));
            all.push_str(&String::from_utf8_lossy(&bytes));
        }
        all
    }

    /// Everything to the end.
    pub(crate) async fn read_to_end(&mut self) -> (Vec<u8>, End) {
        let mut all = Vec::new();
        loop {
            match self.message().await {
                Ok(bytes) => all.extend_from_slice(&bytes),
                Err(end) => return (all, end),
            }
        }
    }
}
