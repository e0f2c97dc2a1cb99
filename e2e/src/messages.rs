//! A Messages API of our own on loopback: it takes what the real one takes, and says its answer slowly.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

/// The longest request: Claude Code describes all of its tools each time.
const MAX_REQUEST_BYTES: usize = 4 << 20;
/// How long it waits for a request, and for the test to let it go on.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a POST lets one answer go on.
pub const GO_ON: &str = "/go-on";

/// Answers every sound request with the same words, one event a word. After the first it waits for a POST to `GO_ON`.
pub struct Messages {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    key: String,
    answer: String,
    /// One permit for each answer that may go on.
    gate: Semaphore,
    prompts: Mutex<Vec<String>>,
    faults: Mutex<Vec<String>>,
}

impl Messages {
    /// Serves whoever shows this key.
    pub async fn start(key: &str, answer: &str) -> Messages {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            key: key.to_owned(),
            answer: answer.to_owned(),
            gate: Semaphore::new(0),
            prompts: Mutex::default(),
            faults: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&shared)));
        Messages { address, shared, _tasks: tasks }
    }

    /// What it was asked, as the text of the last message of each request.
    pub fn prompts(&self) -> Vec<String> {
        self.shared.prompts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was wrong with requests.
    pub fn faults(&self) -> Vec<String> {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            if let Err(fault) = converse(socket, &shared).await {
                shared.faults.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{fault:#}"));
            }
        });
    }
}

/// Request after request, until the client has no more.
async fn converse(socket: TcpStream, shared: &Shared) -> anyhow::Result<()> {
    let mut stream = BufReader::new(socket);
    while let Some(request) = timeout(PATIENCE, read(&mut stream)).await.context("a request took too long")?? {
        if request.line.starts_with("HEAD ") {
            reply(&mut stream, "200 OK", "").await?; // Claude Code warms its connection.
            continue;
        }
        if request.line.starts_with(&format!("POST {GO_ON} ")) {
            shared.gate.add_permits(1);
            reply(&mut stream, "200 OK", "{}").await?;
            continue;
        }
        let answered = match request.check(shared) {
            Ok(body) => respond(&mut stream, &body, shared).await,
            Err(fault) => {
                let error = json!({ "type": "invalid_request_error", "message": format!("{fault:#}") });
                reply(&mut stream, "400 Bad Request", &json!({ "type": "error", "error": error }).to_string()).await?;
                Err(fault)
            }
        };
        answered?;
    }
    Ok(())
}

struct Request {
    /// Method, path and version.
    line: String,
    /// In lower case, by name.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

async fn read(stream: &mut BufReader<TcpStream>) -> anyhow::Result<Option<Request>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
        ensure!(lines.len() < 100, "more than 100 headers");
    }
    let headers: Vec<_> = lines.iter().skip(1).filter_map(|line| line.split_once(": ")).collect();
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(Ok(0), |(_, length)| length.parse()).context("no length")?;
    ensure!(length <= MAX_REQUEST_BYTES, "a body of {length} bytes");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request { line: lines.into_iter().next().context("no request line")?, headers, body }))
}

impl Request {
    /// The body, if the real API would take it.
    fn check(&self, shared: &Shared) -> anyhow::Result<Value> {
        ensure!(
            self.line.starts_with("POST /v1/messages?") || self.line.starts_with("POST /v1/messages "),
            "{}",
            self.line
        );
        let header = |name: &str| self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        ensure!(header("x-api-key") == Some(&shared.key), "x-api-key is not the key");
        ensure!(
            header("anthropic-version") == Some("2023-06-01"),
            "anthropic-version is {:?}",
            header("anthropic-version")
        );
        ensure!(header("content-type").is_some_and(|kind| kind.starts_with("application/json")), "content-type");
        let body: Value = serde_json::from_slice(&self.body).context("the body is not JSON")?;
        ensure!(body["stream"] == true, "stream is {}", body["stream"]);
        ensure!(body["max_tokens"].as_u64().is_some_and(|count| count > 0), "max_tokens is {}", body["max_tokens"]);
        ensure!(body["model"].as_str().is_some_and(|model| model.starts_with("claude-")), "model is {}", body["model"]);
        let messages = body["messages"].as_array().context("messages is no list")?;
        ensure!(messages.first().is_some_and(|message| message["role"] == "user"), "the first message is no user's");
        shared.prompts.lock().unwrap_or_else(PoisonError::into_inner).push(text(messages));
        Ok(body)
    }
}

/// The text of all messages of a conversation.
fn text(messages: &[Value]) -> String {
    let blocks = messages.iter().flat_map(|message| match &message["content"] {
        Value::String(text) => vec![text.clone()],
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    });
    blocks.collect::<Vec<_>>().join("\n")
}

async fn respond(stream: &mut BufReader<TcpStream>, body: &Value, shared: &Shared) -> anyhow::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    let usage = json!({ "input_tokens": 10, "output_tokens": 1 });
    let message = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage });
    event(stream, json!({ "type": "message_start", "message": message })).await?;
    let block = json!({ "type": "text", "text": "" });
    event(stream, json!({ "type": "content_block_start", "index": 0, "content_block": block })).await?;
    for (place, word) in shared.answer.split_inclusive(' ').enumerate() {
        if place == 1 {
            let going_on = timeout(PATIENCE, shared.gate.acquire()).await;
            going_on.context("nobody let it go on")??.forget();
        }
        let delta = json!({ "type": "text_delta", "text": word });
        event(stream, json!({ "type": "content_block_delta", "index": 0, "delta": delta })).await?;
    }
    event(stream, json!({ "type": "content_block_stop", "index": 0 })).await?;
    let delta = json!({ "stop_reason": "end_turn", "stop_sequence": null });
    event(stream, json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 12 } })).await?;
    event(stream, json!({ "type": "message_stop" })).await?;
    stream.write_all(b"0\r\n\r\n").await?;
    Ok(stream.flush().await?)
}

async fn event(stream: &mut BufReader<TcpStream>, data: Value) -> anyhow::Result<()> {
    let Some(kind) = data["type"].as_str() else { bail!("an event without a type") };
    let event = format!("event: {kind}\ndata: {data}\n\n");
    stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    Ok(stream.flush().await?)
}

async fn reply(stream: &mut BufReader<TcpStream>, status: &str, body: &str) -> anyhow::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).await?;
    Ok(stream.flush().await?)
}
