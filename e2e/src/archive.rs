//! Archives made by the tests, and a loopback server for them.

use std::{collections::HashMap, io::Write, path::Path, sync::Arc};

use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A `.tar.gz` of these files (path, content, mode) below one top folder.
pub fn tar_gz(files: &[(&str, &str, u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        builder.append_data(&mut header, format!("top/{path}"), content.as_bytes()).expect("memory takes all");
    }
    let mut encoder = builder.into_inner().expect("memory takes all");
    encoder.flush().expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// A `.tar.gz` of one program, below one top folder. Not compressed: it is large, and goes over loopback.
pub fn tar_gz_of(program: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none()));
    let name = Path::new("top").join(program.file_name().expect("a program has a name"));
    builder.append_path_with_name(program, name).expect("the program can be read");
    builder.into_inner().expect("memory takes all").finish().expect("memory takes all")
}

/// 64 lower case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A raw HTTP answer for a path.
#[derive(Clone, Debug)]
pub enum Answer {
    Body(Vec<u8>),
    Redirect(String),
    /// Nothing at all, on a connection that stays open.
    Stall,
}

/// Serves answers by path on a free loopback port until it is dropped.
pub struct ArchiveServer {
    pub address: std::net::SocketAddr,
    _tasks: JoinSet<()>,
}

impl ArchiveServer {
    pub async fn start(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> ArchiveServer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let answers: Arc<HashMap<_, _>> = Arc::new(answers.into_iter().collect());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(answer(socket, answers.clone()));
            }
        });
        ArchiveServer { address, _tasks: tasks }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn answer(mut socket: TcpStream, answers: Arc<HashMap<&'static str, Answer>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let Ok(count @ 1..) = socket.read_buf(&mut head).await else { return };
        if count + head.len() > 64 * 1024 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&head);
    let path = text.split(' ').nth(1).unwrap_or_default();
    let (status, extra, body) = match answers.get(path) {
        Some(Answer::Body(body)) => ("200 OK", String::new(), body.as_slice()),
        Some(Answer::Stall) => return std::future::pending().await,
        Some(Answer::Redirect(to)) => ("302 Found", format!("Location: {to}\r\n"), &[][..]),
        None => ("404 Not Found", String::new(), &[][..]),
    };
    let head = format!("HTTP/1.1 {status}\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // A client that went away is its own affair.
    let _ = socket.write_all(head.as_bytes()).await;
    let _ = socket.write_all(body).await;
    let _ = socket.shutdown().await;
}
