//! Transfers that break off, and archives that need not come again.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    Cache, Event, Try, names,
    server::{Server, Then, announced, ok, redirect, status},
    sha256,
    tars::small,
};

/// The first half, then nothing.
fn half(archive: &[u8], tag: &str) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\netag: {tag}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", archive.len());
    [head.as_bytes(), &archive[..archive.len() / 2]].concat()
}

/// The rest from an offset.
fn rest(archive: &[u8], from: usize, says: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {says}-{}/{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        archive.len() - 1,
        archive.len(),
        archive.len() - from,
    );
    [head.as_bytes(), &archive[from..]].concat()
}

/// A server whose first answer is cut in the middle.
async fn cut_first(tag: &'static str, second: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Server {
    let asked = AtomicUsize::new(0);
    Server::start(move |_| {
        let archive = small();
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => (half(&archive, tag), Then::Close),
            _ => (second(&archive), Then::Close),
        }
    })
    .await
}

#[tokio::test]
async fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    let server = cut_first("\"v1\"", |archive| rest(archive, archive.len() / 2, archive.len() / 2)).await;
    let archive = small();
    let outcome = Try { checksum: Some(sha256(&archive)), ..Try::of(&server) }.run().await;
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    let (half, bytes) = (archive.len() as u64 / 2, archive.len() as u64);
    assert!(outcome.events.contains(&Event::Resumed { bytes: half }), "{:?}", outcome.events);
    assert!(outcome.events.contains(&Event::Progress { bytes, total: Some(bytes) }));
    let second = server.asked()[1].to_lowercase();
    assert!(second.contains(&format!("range: bytes={half}-\r\n")) && second.contains("if-range: \"v1\""), "{second}");
}

#[tokio::test]
async fn what_cannot_be_told_to_be_the_same_begins_anew() {
    for tag in ["W/\"v1\"", "\"v1\""] {
        let server = cut_first(tag, ok).await;
        let outcome = Try { checksum: Some(sha256(&small())), ..Try::of(&server) }.run().await;
        assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        assert!(outcome.events.contains(&Event::Resumed { bytes: 0 }), "{:?}", outcome.events);
        assert_eq!(server.asked()[1].to_lowercase().contains("if-range"), tag.starts_with('"'));
    }
}

#[tokio::test]
async fn there_is_one_second_attempt_and_it_may_not_lie() {
    let failed = async |second: fn(&[u8]) -> Vec<u8>, part: &str| {
        let server = cut_first("\"v1\"", second).await;
        Try::of(&server).run().await.failed(part);
        assert_eq!(server.asked().len(), 2);
    };
    failed(|archive| half(archive, "\"v1\""), "the download from 127.0.0.1 failed").await;
    failed(|archive| rest(archive, archive.len() / 2, 1), "its rest is of something else").await;
    failed(|_| status("206 Partial Content"), "its rest is of something else").await;
    failed(|_| status("416 Range Not Satisfiable"), "416").await;
    failed(|_| redirect("http://10.0.0.1/a.tgz"), "Private IP addresses are not allowed").await;
    failed(|_| announced(1 << 40, b""), "larger than").await;
    failed(|archive| rest(archive, 0, archive.len() / 2), "not a sound .tar.gz").await;
}

#[tokio::test]
async fn an_archive_with_a_checksum_is_fetched_once() {
    let (server, dir) = (Server::of(small()).await, tempfile::tempdir().expect("a folder"));
    let checksum = Some(sha256(&small()));
    let fetch = async |checksum: Option<String>| {
        let cache = Some(Cache::new(dir.path().to_owned(), 1 << 20));
        Try { checksum, cache, ..Try::of(&server) }.run().await
    };
    for kept in [false, true, true] {
        let outcome = fetch(checksum.clone()).await;
        assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        assert_eq!(names(outcome.work.path()), [".env", "bin/", "bin/run"]);
        assert_eq!(outcome.events.iter().any(|event| matches!(event, Event::Kept { .. })), kept);
    }
    assert_eq!(server.asked().len(), 1);
    // Whoever could write there could not choose what is run.
    let file = std::fs::read_dir(dir.path()).expect("a folder").next().expect("one").expect("a file").path();
    std::fs::write(&file, "something else").expect("written");
    assert!(fetch(checksum.clone()).await.result.is_ok());
    assert_eq!((server.asked().len(), std::fs::read(&file).expect("kept anew")), (2, small()));
    fetch(Some("0".repeat(64))).await.failed("not 0000");
    assert!(fetch(None).await.result.is_ok());
    assert_eq!((server.asked().len(), names(dir.path()).len()), (4, 1));
}

#[tokio::test]
async fn what_was_kept_is_no_way_around_the_allowlist() {
    let (server, dir) = (Server::of(small()).await, tempfile::tempdir().expect("a folder"));
    let of = || Try {
        checksum: Some(sha256(&small())),
        cache: Some(Cache::new(dir.path().to_owned(), 1 << 20)),
        ..Try::of(&server)
    };
    assert!(of().run().await.result.is_ok());
    Try { allowed: vec![], ..of() }.run().await.failed("Private IP addresses are not allowed");
}
