//! Each form of archive, made by what people make them with, and what a zip archive may be.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use podling_session::source::{Checksum, Format};

use super::{
    Event, Fetched, Incoming, Limits, Outcome, Request, SourceError, Try, names, receive,
    server::Server,
    sha256,
    tars::{gzip, small, zstd},
    zips::{Entry, file, stored, wide, zip, zip64},
};

pub(super) async fn extract(archive: Vec<u8>, name: &str) -> Outcome {
    let server = Server::of(archive).await;
    Try { url: server.url(name), ..Try::of(&server) }.run().await
}

fn tar_of_small() -> Vec<u8> {
    use std::io::Read;
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&small()[..]).read_to_end(&mut tar).expect("it is gzip");
    tar
}

#[tokio::test]
async fn every_form_ends_with_the_same_files() {
    let tar = tar_of_small();
    let entry = |name: &str, mode: u32, content: &[u8]| Entry { mode: Some(mode), ..file(name, content) };
    let zipped = zip(&[
        entry("top/", 0o040_755, b""),
        entry("top/.env", 0o100_600, b"A=1\n"),
        entry("top/bin/run", 0o106_711, b"#!/bin/sh\n"),
    ]);
    for (name, archive) in
        [("/a.zip", zipped), ("/a.tar.gz", gzip(&tar)), ("/a.tgz", gzip(&tar)), ("/a.tar.zst", zstd(&tar))]
    {
        let outcome = extract(archive, name).await;
        assert_eq!(outcome.result.as_ref().map(|fetched| fetched.files).ok(), Some(2), "{name} {:?}", outcome.result);
        let work = outcome.work.path();
        assert_eq!(names(work), [".env", "bin/", "bin/run"], "{name}");
        let mode = |name: &str| fs::metadata(work.join(name)).expect("there").permissions().mode() & 0o7777;
        assert_eq!((mode(".env"), mode("bin"), mode("bin/run")), (0o644, 0o755, 0o755), "{name}");
        assert_eq!(fs::read_to_string(work.join(".env")).expect("there"), "A=1\n");
    }
}

/// By the tools of this machine, from one tree: tar and Python's zipfile are on every developer's.
#[tokio::test]
async fn archives_that_were_made_by_the_usual_tools_are_taken() {
    let tree = tempfile::tempdir().expect("a folder");
    let run = |program: &str, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).current_dir(tree.path()).output().expect(program);
        assert!(done.status.success(), "{program} {arguments:?} {done:?}");
    };
    fs::create_dir_all(tree.path().join("top/a/.b")).expect("made");
    fs::write(tree.path().join("top/a/.b/c"), "text".repeat(50_000)).expect("written");
    fs::write(tree.path().join("top/ü"), "").expect("written");
    run("tar", &["-czf", "a.tar.gz", "top"]);
    run("tar", &["--format=pax", "-czf", "a.tgz", "top"]);
    run("python3", &["-m", "zipfile", "-c", "a.zip", "top"]);
    for name in ["a.tar.gz", "a.tgz", "a.zip"] {
        let archive = fs::read(tree.path().join(name)).expect("made");
        let outcome = extract(archive, &format!("/{name}")).await;
        assert!(outcome.result.is_ok(), "{name} {:?}", outcome.result);
        assert_eq!(names(outcome.work.path()), ["a/", "a/.b/", "a/.b/c", "ü"], "{name}");
        assert_eq!(fs::metadata(outcome.work.path().join("a/.b/c")).expect("there").len(), 200_000);
    }
}

#[tokio::test]
async fn zip_archives_of_every_honest_kind_are_taken() {
    let check = async |archive: Vec<u8>, expected: &[&str]| {
        let outcome = extract(archive, "/a.zip").await;
        assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        assert_eq!(names(outcome.work.path()), expected);
    };
    check(zip(&[stored("a", b"text"), file("b", &[b'x'; 100_000])]), &["a", "b"]).await;
    check(zip(&[Entry { flags: 8, ..file("a", b"its sizes follow") }]), &["a"]).await;
    check(zip(&[Entry { mode: None, ..file("a", b"made elsewhere") }]), &["a"]).await;
    check(zip(&[Entry { mode: Some(0), ..file("a/", b"").clone() }, file("b", b"x")]), &["a/", "b"]).await;
    check(zip64(&[file("a", b"large in words"), file("b", b"x")]), &["a", "b"]).await;
    let numbers = wide(&[4, 4]);
    let large = Entry { size_says: u32::MAX, packed_says: u32::MAX, extra: numbers, ..stored("a", b"text") };
    check(zip(&[large]), &["a"]).await;
    let mut commented = zip(&[file("a", b"x")]);
    let length = commented.len();
    commented[length - 2] = 5;
    commented.extend(b"hello");
    check(commented, &["a"]).await;
    // A comment may look like an end; the last that fits is the one.
    let mut end_in_comment = zip(&[file("a", b"x")]);
    let length = end_in_comment.len();
    end_in_comment[length - 2] = 8;
    end_in_comment.extend(b"PK\x05\x06zzzz");
    check(end_in_comment, &["a"]).await;
}

/// Bundles come in chunks of any size.
#[tokio::test]
async fn an_archive_may_come_as_chunks_from_anywhere() {
    let archive = zstd(&tar_of_small());
    let checksum = Checksum::parse(&sha256(&archive)).expect("a checksum");
    let from = async |chunks: Vec<Result<bytes::Bytes, SourceError>>, total: Option<u64>| {
        let (work, scratch) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let server = Server::of(vec![]).await;
        let settings = Try::of(&server).settings();
        let limits = Limits { idle: super::SHORT, ..Limits::default() };
        let request = Request { into: work.path(), scratch: scratch.path(), settings: &settings, limits };
        let mut events = Vec::new();
        let incoming = Incoming { total, chunks: Box::pin(tokio_stream::iter(chunks)) };
        let tell = &mut |event| events.push(event);
        let result = receive(request, incoming, (Format::TarZst, &checksum), tell).await;
        Outcome { result, events, work, scratch }
    };
    let chunks = || archive.chunks(7).map(|chunk| Ok(bytes::Bytes::copy_from_slice(chunk)));
    let bytes = archive.len() as u64;
    let outcome = from(chunks().collect(), Some(bytes)).await;
    assert_eq!(outcome.result.as_ref().ok(), Some(&Fetched { bytes, files: 2 }));
    assert!(outcome.events.contains(&Event::Progress { bytes, total: Some(bytes) }));
    // It was packed from a folder: what is at its top was there.
    assert_eq!(names(outcome.work.path()), ["top/", "top/.env", "top/bin/", "top/bin/run"]);
    from(chunks().skip(1).collect(), None).await.failed("its SHA-256 is");
    from(chunks().take(1).chain([Err(SourceError::Missing)]).collect(), None).await.failed("missing");
    from(vec![], Some(1 << 40)).await.failed("larger than");
}
