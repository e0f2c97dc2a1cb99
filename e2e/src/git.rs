//! A repository made by git, served by git's own `http-backend` over http and https on loopback.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use podling_servers::{Certificates, certificates};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    process::Command as AsyncCommand,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// Serves `/r.git` until it is dropped. Below `/moved/` everything leads to where `moved` says.
pub struct GitServer {
    pub plain: SocketAddr,
    pub secure: SocketAddr,
    home: TempDir,
    _tasks: JoinSet<()>,
}

impl GitServer {
    /// With one commit of these files (path, content).
    pub async fn start(files: &[(&str, &str)], moved: &str) -> GitServer {
        let home = tempfile::tempdir().expect("a temporary folder");
        commit(home.path(), files);
        let certificates = certificates();
        std::fs::write(home.path().join("ca.pem"), &certificates.ca).expect("written");
        let acceptor = acceptor(&certificates);
        let (plain, secure) = (listener().await, listener().await);
        let addresses = [&plain, &secure].map(|listener| listener.local_addr().expect("bound"));
        let (root, moved) = (home.path().to_owned(), moved.to_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(plain, None, root.clone(), moved.clone()));
        tasks.spawn(serve(secure, Some(acceptor), root, moved));
        GitServer { plain: addresses[0], secure: addresses[1], home, _tasks: tasks }
    }

    /// The authority that signed the certificate at https, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }
}

fn acceptor(certificates: &Certificates) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(certificates.certificate.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(certificates.key.as_bytes()).expect("PEM");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    TlsAcceptor::from(Arc::new(config.expect("the key is the certificate's")))
}

async fn listener() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port")
}

fn git(folder: &Path, arguments: &[&str]) {
    let names = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).envs(names.map(|name| (name, "podling@localhost")));
    let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git is installed");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn commit(home: &Path, files: &[(&str, &str)]) {
    let tree = home.join("tree");
    for (path, content) in files {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().expect("below the tree")).expect("made");
        std::fs::File::create(path).and_then(|mut file| file.write_all(content.as_bytes())).expect("written");
    }
    git(&tree, &["init", "--quiet", "--initial-branch=main"]);
    git(&tree, &["add", "--all", "--force"]);
    git(&tree, &["update-index", "--chmod=+x", files[0].0]);
    git(&tree, &["commit", "--quiet", "--message=one"]);
    git(&tree, &["commit", "--quiet", "--allow-empty", "--message=two"]);
    git(home, &["clone", "--quiet", "--bare", "tree", "r.git"]);
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, root: PathBuf, moved: String) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (tls, root, moved) = (tls.clone(), root.clone(), moved.clone());
        connections.spawn(async move {
            // A client that hangs up or trusts nobody is its own affair.
            let _ = match tls {
                None => answer(socket, &root, &moved).await,
                Some(tls) => match tls.accept(socket).await {
                    Ok(socket) => answer(socket, &root, &moved).await,
                    Err(error) => Err(error),
                },
            };
        });
    }
}

/// One request, and the end of the connection.
async fn answer(mut socket: impl AsyncRead + AsyncWrite + Unpin, root: &Path, moved: &str) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break String::from_utf8_lossy(&bytes.drain(..end + 4).collect::<Vec<_>>()).into_owned();
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let field = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim()).to_owned()
    };
    while bytes.len() < field("content-length").parse().unwrap_or(0) {
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    let answer = match target.strip_prefix("/moved/") {
        Some(rest) => {
            format!("HTTP/1.1 302 Found\r\nLocation: {moved}/{rest}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .into_bytes()
        }
        None => backend(root, target, &head, field, &bytes).await?,
    };
    socket.write_all(&answer).await?;
    socket.shutdown().await
}

/// What `git http-backend` makes of it (git-http-backend(1), CGI as of RFC 3875).
async fn backend(
    root: &Path,
    target: &str,
    head: &str,
    field: impl Fn(&str) -> String,
    body: &[u8],
) -> std::io::Result<Vec<u8>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = AsyncCommand::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("PATH_INFO", path).env("QUERY_STRING", query).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("REQUEST_METHOD", head.split(' ').next().unwrap_or_default());
    command.env("CONTENT_TYPE", field("content-type")).env("CONTENT_LENGTH", body.len().to_string());
    command.env("HTTP_CONTENT_ENCODING", field("content-encoding")).env("GIT_PROTOCOL", field("git-protocol"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(body).await?;
    drop(input);
    let said = child.wait_with_output().await?.stdout;
    let end = said.windows(4).position(|end| end == b"\r\n\r\n").map_or(said.len(), |end| end + 4);
    let status =
        String::from_utf8_lossy(&said[..end]).lines().find_map(|line| line.strip_prefix("Status: ").map(str::to_owned));
    let line = format!("HTTP/1.1 {}\r\nConnection: close\r\n", status.unwrap_or_else(|| "200 OK".to_owned()));
    Ok([line.as_bytes(), &said].concat())
}
