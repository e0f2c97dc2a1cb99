//! A Messages API on loopback that does what its test tells it, one connection after the other.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// What is done with a connection, in order; after the last step it is closed.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(String),
    /// Until the test says `go`.
    Await,
    /// Nothing, for as long as the client stays.
    Stall,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Receiver<String>,
    gate: SyncSender<()>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(connections: Vec<Vec<Step>>) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (told, requests) = sync_channel(64);
        let (gate, opened) = sync_channel(64);
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            for steps in connections {
                let (mut socket, _) = listener.accept().expect("a connection");
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
                told.send(request(&socket)).expect("room");
                steps.iter().for_each(|step| play(step, &mut socket, &opened));
                let _ = socket.shutdown(Shutdown::Both); // The client may be gone.
            }
        });
        Server { address, requests, gate, stopping, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn go(&self) {
        self.gate.send(()).expect("it waits");
    }

    /// Every request so far: head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.try_iter().collect()
    }
}

fn play(step: &Step, socket: &mut TcpStream, opened: &Receiver<()>) {
    match step {
        Step::Send(text) => {
            let _ = socket.write_all(text.as_bytes()); // The client may be gone.
        }
        Step::Await => opened.recv_timeout(DEADLINE).expect("the test says go"),
        Step::Stall => _ = socket.read(&mut [0]),
    }
}

fn request(socket: &TcpStream) -> String {
    let mut reader = BufReader::new(socket);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut text).expect("a head"), 0, "{text}");
    }
    let length = text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).expect("a body");
    text + &String::from_utf8(body).expect("text")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // Wakes one that waits for a connection.
        let ended = self.thread.take().expect("there until now").join();
        assert!(ended.is_ok() || std::thread::panicking(), "the server failed");
    }
}

/// An answer in one piece.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![Step::Send(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))]
}

/// An error as the API words it.
pub(crate) fn failure(status: &str, headers: &str, kind: &str, message: &str) -> Vec<Step> {
    answer(status, headers, &format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}}}}"#))
}

/// The head of a streamed answer, which ends with its connection.
pub(crate) fn head() -> Step {
    Step::Send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".into())
}

pub(crate) fn event(data: &str) -> Step {
    Step::Send(format!("event: ignored\r\ndata: {data}\r\n\r\n"))
}

/// Words of the answer; quoted as JSON already.
pub(crate) fn words(text: &str) -> Step {
    event(&format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#))
}

pub(crate) fn end() -> Step {
    let stop = |kind: &str| format!("data: {{\"type\":\"{kind}\"}}\n\n");
    Step::Send(stop("content_block_stop") + &stop("ping") + &stop("message_stop"))
}
