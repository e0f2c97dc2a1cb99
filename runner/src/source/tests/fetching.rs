//! What servers do.

use std::time::Duration;

use podling_session::phase::{EndReason, Stage};

use super::{
    Event, Fetched, Limits, SHORT, SourceError, Try, names,
    server::{Server, Then, announced, ok, redirect, status},
    sha256,
    tars::{gzip, small},
};

#[tokio::test]
async fn a_source_is_fetched_verified_and_extracted_in_this_order() {
    let archive = small();
    let server = Server::of(archive.clone()).await;
    let outcome = Try { checksum: Some(sha256(&archive).to_uppercase()), ..Try::of(&server) }.run().await;
    let bytes = archive.len() as u64;
    assert_eq!(outcome.result.as_ref().ok(), Some(&Fetched { bytes, files: 2 }));
    assert_eq!(outcome.stages(), [Stage::Fetching, Stage::Verifying, Stage::Extracting]);
    assert!(outcome.events.contains(&Event::Progress { bytes, total: Some(bytes) }));
    assert_eq!(names(outcome.work.path()), [".env", "bin/", "bin/run"]);
    assert_eq!(names(outcome.scratch.path()), [""; 0]);
    let head = server.asked().concat().to_lowercase();
    assert!(head.contains("accept-encoding: identity"), "{head}");
}

#[tokio::test]
async fn a_wrong_checksum_ends_before_anything_is_extracted() {
    let server = Server::of(small()).await;
    let outcome = Try { checksum: Some("0".repeat(64)), ..Try::of(&server) }.run().await;
    outcome.failed("not 0000");
    assert_eq!(outcome.stages(), [Stage::Fetching, Stage::Verifying]);
    let end = outcome.result.expect_err("refused").end();
    assert_eq!((end.reason, end.exit_code), (EndReason::Checksum, Some(1)));
}

#[tokio::test]
async fn a_private_address_is_not_even_asked() {
    let server = Server::of(small()).await;
    let port = server.address().port();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "169.254.169.254"] {
        let outcome =
            Try { url: format!("http://{host}:{port}/a.tgz"), allowed: vec![], ..Try::of(&server) }.run().await;
        outcome.failed("Private IP addresses are not allowed");
    }
    let other = vec![format!("127.0.0.1:{}", port ^ 1).parse().expect("a source")];
    Try { allowed: other, ..Try::of(&server) }.run().await.failed("Private IP addresses are not allowed");
    assert_eq!(server.asked(), [""; 0]);
}

#[tokio::test]
async fn a_redirect_is_followed_and_checked_again() {
    let hidden = Server::of(small()).await;
    let inside = hidden.url("/a.tgz");
    let named = format!("http://a.example.org:{}/a.tgz", hidden.address().port());
    let server = Server::start(move |path| match path {
        "/private.tgz" => (redirect(&inside), Then::Close),
        "/file.tgz" => (redirect("file:///etc/passwd"), Then::Close),
        "/user.tgz" => (redirect("http://u:p@127.0.0.1/"), Then::Close),
        "/nowhere.tgz" => (status("302 Found"), Then::Close),
        "/loop.tgz" => (redirect("loop.tgz"), Then::Close),
        "/listed.tgz" => (redirect(&named), Then::Close),
        "/b" => (ok(&small()), Then::Close),
        _ => (redirect("/b"), Then::Close),
    })
    .await;
    let from = |path: &str| Try { url: server.url(path), ..Try::of(&server) }.run();
    assert!(from("/a.tgz").await.result.is_ok());
    from("/private.tgz").await.failed("Private IP addresses are not allowed: 127.0.0.1");
    assert_eq!(hidden.asked(), [""; 0]);
    let domains = "x.org";
    let elsewhere = Try { url: server.url("/listed.tgz"), domains, ..Try::of(&server) }.run().await;
    elsewhere.failed("Domain a.example.org is not in the allowlist: a.example.org");
    from("/file.tgz").await.failed("Only HTTP and HTTPS");
    from("/user.tgz").await.failed("user name");
    from("/nowhere.tgz").await.failed("where to");
    from("/loop.tgz").await.failed("more than 5 redirects");
    assert_eq!(server.asked().iter().filter(|head| head.contains("/loop.tgz")).count(), 6);
}

#[tokio::test]
async fn other_answers_than_200_end_the_fetch() {
    for line in
        ["404 Not Found", "500 Internal Server Error", "204 No Content", "206 Partial Content", "304 Not Modified"]
    {
        let server = Server::start(move |_| (status(line), Then::Close)).await;
        Try::of(&server).run().await.failed(line);
    }
    let server = Server::start(|_| (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), Then::Close)).await;
    Try::of(&server).run().await.failed("the download from 127.0.0.1 failed");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = Server::of(small()).await;
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let allowed = vec!["127.0.0.1".parse().expect("a source")];
    let outcome = Try { url: format!("http://{address}/a.tgz"), allowed, ..Try::of(&server) }.run().await;
    outcome.failed("Connection refused");
    let end = outcome.result.expect_err("refused").end();
    assert_eq!((end.reason, end.exit_code), (EndReason::Source, Some(3)));
}

#[tokio::test]
async fn a_listed_name_is_connected_to_at_the_address_it_was_checked_with() {
    let server = Server::of(small()).await;
    let host = format!("localhost:{}", server.address().port());
    let allowed = vec![host.parse().expect("a source")];
    let outcome = Try { url: format!("http://{host}/a.tgz"), allowed, ..Try::of(&server) }.run().await;
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    assert!(server.asked().concat().contains(&format!("host: {host}\r\n")), "{:?}", server.asked());
}

#[tokio::test]
async fn https_is_not_spoken_with_a_server_that_has_no_certificate() {
    let server = Server::of(small()).await;
    let url = server.url("/a.tgz").replace("http:", "https:");
    Try { url, ..Try::of(&server) }.run().await.failed("the download from 127.0.0.1 failed");
}

#[tokio::test]
async fn an_unknown_name_is_named() {
    let server = Server::of(small()).await;
    let url = "http://no-such-host.invalid/a.tgz".to_owned();
    Try { url, ..Try::of(&server) }.run().await.failed("no-such-host.invalid cannot be resolved");
}

#[tokio::test]
async fn a_cut_connection_and_a_lying_length_are_errors() {
    let archive = small();
    let half = archive[..archive.len() / 2].to_vec();
    let cut = half.clone();
    let server = Server::start(move |_| (announced(2 * cut.len(), &cut), Then::Close)).await;
    Try::of(&server).run().await.failed("the download from 127.0.0.1 failed");
    let short = archive.clone();
    let server = Server::start(move |_| (announced(short.len() / 2, &short), Then::Close)).await;
    Try::of(&server).run().await.failed("not a sound .tar.gz");
    // Without a length nobody can tell a cut from an end but gzip.
    let server = Server::start(move |_| ([b"HTTP/1.0 200 OK\r\n\r\n", half.as_slice()].concat(), Then::Close)).await;
    Try::of(&server).run().await.failed("not a sound .tar.gz");
}

#[tokio::test]
async fn an_archive_over_the_limit_is_refused_by_its_length_and_by_its_bytes() {
    let archive = small();
    let limits = Limits { archive_bytes: archive.len() as u64 - 1, ..Limits::default() };
    let server = Server::start(|_| (announced(1 << 40, b""), Then::Stall)).await;
    Try { limits, ..Try::of(&server) }.run().await.failed("larger than");
    let server = Server::start(move |_| ([b"HTTP/1.0 200 OK\r\n\r\n", archive.as_slice()].concat(), Then::Stall)).await;
    Try { limits, ..Try::of(&server) }.run().await.failed("larger than");
}

#[tokio::test]
async fn a_server_that_stalls_is_left() {
    let limits = Limits { idle: SHORT, ..Limits::default() };
    let server = Server::start(|_| (vec![], Then::Stall)).await;
    Try { limits, ..Try::of(&server) }.run().await.failed("127.0.0.1 fell silent");
    let server = Server::start(|_| (announced(1_000, b"half"), Then::Stall)).await;
    Try { limits, ..Try::of(&server) }.run().await.failed("127.0.0.1 fell silent");
}

#[tokio::test]
async fn the_whole_fetch_has_a_deadline() {
    let limits = Limits { total: SHORT, idle: Duration::from_secs(600), ..Limits::default() };
    let server = Server::start(|_| (announced(1_000, b"half"), Then::Stall)).await;
    let outcome = Try { limits, ..Try::of(&server) }.run().await;
    outcome.failed("took too long");
    assert!(matches!(outcome.result, Err(SourceError::Deadline)));
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    for body in [b"".to_vec(), b"<html>".to_vec(), gzip(b"not a tar archive at all".repeat(50).as_slice())] {
        let server = Server::of(body).await;
        Try::of(&server).run().await.failed("not a sound .tar.gz");
    }
}
