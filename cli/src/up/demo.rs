//! `podling up --demo`: a session of the sample agent, shown in the invoking terminal and in a browser.

use std::{ffi::OsStr, io::Write, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, header};
use podling_session::{
    frame::{ClientFrame, SUBPROTOCOL, ServerFrame},
    id::AttachNonce,
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::prepare::find;

/// What the demo session runs.
const COMMAND: &str = "sample-cli run";
/// No answer of this machine's own takes longer.
const ANSWER: Duration = Duration::from_secs(30);

/// Where the API is, and how to be let in.
pub(crate) struct Api {
    pub(crate) url: String,
    /// Where the operator's API key is; none where the local owner is served.
    pub(crate) key_file: Option<PathBuf>,
}

/// Creates the session, announces it, and shows it until it ends.
pub(crate) async fn run(api: &Api, path: Option<&OsStr>, has_display: bool) -> anyhow::Result<()> {
    let session = api.post("/api/sessions", json!({ "command": COMMAND, "labels": { "demo": "true" } })).await?;
    let (uid, link) = (field(&session, "uid")?, field(&session, "terminalUrl")?);
    announce(uid, link)?;
    if has_display {
        open_browser(link, path);
    }
    let token = api.post(&format!("/api/sessions/{uid}/token"), json!({})).await?;
    show(&api.url, uid, field(&token, "token")?).await
}

fn announce(uid: &str, link: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Demo session {uid}\nOpen it in a browser (the link works once, for some minutes):\n  {link}\n")?;
    out.flush()
}

impl Api {
    async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?;
        let mut request = client.post(format!("{}{path}", self.url)).json(&body);
        if let Some(file) = &self.key_file {
            let key = std::fs::read_to_string(file).with_context(|| format!("no API key in {}", file.display()))?;
            request = request.bearer_auth(key.trim());
        }
        let response = request.send().await.context("Podling does not answer")?;
        let status = response.status();
        let answer: Value = response.json().await.context("Podling answers no JSON")?;
        if !status.is_success() {
            bail!("{status}: {}", answer["error"].as_str().unwrap_or_default());
        }
        Ok(answer)
    }
}

fn field<'a>(answer: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    answer[name].as_str().with_context(|| format!("the answer has no {name}"))
}

/// A browser that does not come up is no fault of the demo: the link is on the screen.
fn open_browser(link: &str, path: Option<&OsStr>) {
    let Some(opener) = find("xdg-open", path) else { return };
    let quiet = std::process::Command::new(opener).arg(link).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Err(error) = quiet {
        tracing::debug!(%error, "no browser was opened");
    }
}

/// Copies the session's output to standard output until it ends.
async fn show(url: &str, uid: &str, token: &str) -> anyhow::Result<()> {
    let url = format!("{}/ws/{uid}?mode=lossless", url.replacen("http", "ws", 1));
    let mut request = url.into_client_request()?;
    let offered = format!("{SUBPROTOCOL}, bearer, {token}, nonce.{}", AttachNonce::random());
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(&offered)?);
    let connecting = timeout(ANSWER, tokio_tungstenite::connect_async(request));
    let (mut socket, _) = connecting.await.context("the gateway does not answer")??;
    while let Some(message) = socket.next().await {
        let answer = match message? {
            Message::Binary(bytes) => take(ServerFrame::decode(bytes)?)?,
            Message::Close(_) => break,
            _ => None,
        };
        if let Some(frame) = answer {
            socket.send(Message::Binary(frame.encode())).await?;
        }
    }
    Ok(())
}

/// Shows one frame; what is to be answered to it.
fn take(frame: Option<ServerFrame>) -> anyhow::Result<Option<ClientFrame>> {
    let mut out = std::io::stdout().lock();
    match frame {
        Some(ServerFrame::Output { offset, bytes, .. }) => {
            out.write_all(&bytes)?;
            out.flush()?;
            Ok(Some(ClientFrame::Ack { offset: offset + bytes.len() as u64 }))
        }
        Some(ServerFrame::Resume { generation, .. }) => Ok(Some(ClientFrame::ResumeAck { generation })),
        Some(ServerFrame::Exit { json }) | Some(ServerFrame::Error { json }) => {
            let end: Value = serde_json::from_str(&json).unwrap_or_default();
            writeln!(out, "\n{}", end["detail"].as_str().unwrap_or("The session ended."))?;
            Ok(None)
        }
        _ => Ok(None),
    }
}
