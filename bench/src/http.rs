//! One connection to the API, kept open: what a create costs must not be this client's.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, ensure};
use serde_json::Value;

const ANSWER: Duration = Duration::from_secs(60);

pub(crate) struct Http {
    address: String,
    /// Lines of every request's head that say who asks.
    authorization: String,
    stream: BufReader<TcpStream>,
}

impl Http {
    /// As the local owner.
    pub(crate) fn open(address: &str) -> anyhow::Result<Http> {
        Http::open_as(address, String::new())
    }

    pub(crate) fn open_with_key(address: &str, key: &str) -> anyhow::Result<Http> {
        Http::open_as(address, format!("Authorization: Bearer {key}\r\n"))
    }

    fn open_as(address: &str, authorization: String) -> anyhow::Result<Http> {
        let stream = TcpStream::connect(address).context("nobody listens")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(Http { address: address.to_owned(), authorization, stream: BufReader::new(stream) })
    }

    /// The JSON of an answer that is a success.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.ask("POST", path, &body.to_string())?)?)
    }

    pub(crate) fn delete(&mut self, path: &str) -> anyhow::Result<()> {
        self.ask("DELETE", path, "").map(|_| ())
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> anyhow::Result<Vec<u8>> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.authorization,
            body.len(),
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (status, length) = self.head()?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        ensure!(status.starts_with('2'), "{path} was answered with {status}: {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }

    /// The status, and how long the body is.
    fn head(&mut self) -> anyhow::Result<(String, usize)> {
        let (mut status, mut length) = (String::new(), None);
        loop {
            let mut line = String::new();
            ensure!(self.stream.read_line(&mut line)? > 0, "the connection was closed without an answer");
            let line = line.trim_end();
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                rest.clone_into(&mut status);
            } else if let Some((_, value)) =
                line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            {
                length = Some(value.trim().parse()?);
            } else if line.is_empty() {
                // 204 has no body, and says nothing of its length (RFC 9110, 8.6).
                let length = length.or(status.starts_with("204").then_some(0));
                return Ok((status, length.context("the answer has no length")?));
            }
        }
    }
}
