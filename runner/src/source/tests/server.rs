//! A web server on loopback that says exactly the bytes it is given, and keeps what it was asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What follows the bytes of an answer.
#[derive(Clone, Copy)]
pub(super) enum Then {
    Close,
    /// Says nothing more until the client goes.
    Stall,
}

pub(super) struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    /// Ends with the server.
    _serving: JoinSet<()>,
}

impl Server {
    /// Answers every request with what `answer` makes of its path.
    pub(super) async fn start(answer: impl Fn(&str) -> (Vec<u8>, Then) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (mut serving, log) = (JoinSet::new(), asked.clone());
        serving.spawn(async move {
            let mut stalled = Vec::new();
            loop {
                let (mut socket, _) = listener.accept().await.expect("accepted");
                let head = read_head(&mut socket).await;
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                log.lock().expect("not poisoned").push(head);
                let (bytes, then) = answer(&path);
                let _ = socket.write_all(&bytes).await; // A client that refuses the answer hangs up early.
                if matches!(then, Then::Stall) {
                    stalled.push(socket);
                }
            }
        });
        Server { address, asked, _serving: serving }
    }

    /// Answers every request with 200 and a body.
    pub(super) async fn of(body: Vec<u8>) -> Server {
        Server::start(move |_| (ok(&body), Then::Close)).await
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    // A TLS hello (0x16) has no end that we would know; it is answered as it is.
    while !head.ends_with(b"\r\n\r\n") && head.first() != Some(&0x16) {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

pub(super) fn ok(body: &[u8]) -> Vec<u8> {
    announced(body.len(), body)
}

/// A 200 that announces a length of its own.
pub(super) fn announced(length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub(super) fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}

pub(super) fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}
