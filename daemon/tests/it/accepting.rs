//! Whom a server lets in, and what strangers cost it.

use std::time::Duration;

use podling_proto::tls::Trust;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::world::{Authority, Server, connect};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn plain_text_is_hung_up_on_and_says_nothing_to_the_server() {
    let (server, pin) = Server::self_signed("server").await;
    let mut plain = TcpStream::connect(server.address).await.expect("a connection");
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
    let mut said = Vec::new();
    timeout(PATIENCE, plain.read_to_end(&mut said)).await.expect("it hangs up").expect("an end");
    assert!(!said.windows(4).any(|bytes| bytes == b"HTTP"), "it answered in plain text");
    assert!(connect(&server.route("127.0.0.1", &Trust::pinned(&pin)).expect("a route")).await.is_ok());
}

#[tokio::test]
async fn strangers_who_say_nothing_keep_nobody_out_and_are_cut_within_seconds() {
    let (server, pin) = Server::self_signed("server").await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(server.address).await.expect("a connection"));
    }
    let route = server.route("127.0.0.1", &Trust::pinned(&pin)).expect("a route");
    assert_eq!(connect(&route).await.expect("beside them"), "server");
    for mut stream in silent {
        let mut said = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("it is cut").expect("an end");
    }
}

#[tokio::test]
async fn a_certificate_that_changes_on_disk_is_shown_to_who_comes_next() {
    let (before, after) = (Authority::new(), Authority::new());
    let (server, files) = Server::certified(&before, "127.0.0.1", 2999).await;
    let to = |authority: &Authority| server.route("127.0.0.1", &authority.trust()).expect("a route");
    let standing = to(&before).connect().await.expect("trusted");
    let (certificate, _) = after.certify(files.directory.path(), "127.0.0.1", 2999);
    assert!(files.pem.look(), "a new pair");
    assert!(connect(&to(&before)).await.is_err());
    connect(&to(&after)).await.expect("trusted");
    crate::world::ask(&standing).await.expect("who is in stays in");
    // Half of a replacement: the certificate of another key.
    std::fs::write(&certificate, Authority::new().certificate_of_another_key()).expect("a file");
    assert!(!files.pem.look());
    connect(&to(&after)).await.expect("the pair that made sense is shown on");
}

#[tokio::test]
async fn a_draining_server_ends_within_seconds_whatever_calls_are_open() {
    use podling_proto::control::{AdmitRequest, gateways_client::GatewaysClient};
    let (mut server, pin) = Server::self_signed("server").await;
    let route = server.route("127.0.0.1", &Trust::pinned(&pin)).expect("a route");
    let mut client = GatewaysClient::new(route.connect().await.expect("pinned"));
    let _open = client.admit(AdmitRequest::default()).await.expect("a call that does not end");
    server.stop.cancel();
    timeout(PATIENCE, server.serving.join_next()).await.expect("it ends").expect("it ran").expect("without a panic");
}
