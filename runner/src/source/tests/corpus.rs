//! Archives, addresses and servers that mean harm. None escapes, hangs or leaves a file.

use podling_session::source::Source;
use tar::{Builder, EntryType};

use super::{
    Limits, Outcome, SHORT, Try,
    server::{Server, Then, announced, redirect, status},
    tars::{add, archive, gzip, header, record, small, zstd},
    zips::{self, Entry, end, file, stored, wide, zip},
};

/// A name, how its address ends, its bytes, and what its refusal says.
type Row = (&'static str, &'static str, Vec<u8>, &'static str);

fn tars() -> Vec<Row> {
    let one = |kind: EntryType, name: &[u8], data: &[u8]| archive(&[(kind, name, data)]);
    let pax = |records: Vec<u8>| archive(&[(EntryType::XHeader, b"m", &records), (EntryType::Regular, b"x", b"")]);
    let file = EntryType::Regular;
    let bomb = || gzip(&[header(file, b"zeros", 70 << 20).as_bytes().as_slice(), &vec![0; 70 << 20]].concat());
    let mut lying = header(file, b"big", 1 << 33).as_bytes().to_vec();
    lying.extend([b'x'; 2_000]);
    vec![
        ("a path that leads up", ".tgz", one(file, b"../x", b""), "paths with .."),
        ("a path that leads up later", ".tgz", one(file, b"a/b/../../../x", b""), "paths with .."),
        ("an absolute path", ".tgz", one(file, b"/etc/cron.d/x", b""), "absolute"),
        ("a path of two slashes", ".tgz", one(file, b"//etc/x", b""), "absolute"),
        ("a folder that leads up", ".tgz", one(EntryType::Directory, b"../x/", b""), "paths with .."),
        ("a link to /etc", ".tgz", one(EntryType::Symlink, b"etc", b""), "symbolic links"),
        (
            "a link and a file below it",
            ".tgz",
            archive(&[(EntryType::Symlink, b"out", b""), (file, b"out/x", b"y")]),
            "symbolic links",
        ),
        ("a hard link", ".tgz", one(EntryType::Link, b"passwd", b""), "hard links"),
        ("a device", ".tgz", one(EntryType::Char, b"mem", b""), "devices"),
        ("a disk", ".tgz", one(EntryType::Block, b"sda", b""), "devices"),
        ("a pipe", ".tgz", one(EntryType::Fifo, b"p", b""), "named pipes"),
        ("a sparse file", ".tgz", one(EntryType::GNUSparse, b"s", b""), "sparse"),
        ("a file below a file", ".tgz", one(file, b"honest/x", b""), "both a file and a folder"),
        ("an unknown type", ".tgz", one(EntryType::new(b'V'), b"v", b""), "type of entry"),
        (
            "a long name that leads up",
            ".tgz",
            archive(&[(EntryType::GNULongName, b"m", b"../../x\0"), (file, b"x", b"")]),
            "paths with ..",
        ),
        ("a pax path that is absolute", ".tgz", pax(record("path", "/etc/x")), "absolute"),
        ("a pax path with a NUL", ".tgz", pax(record("path", "a\0b")), "NUL"),
        ("a pax size that is another", ".tgz", pax(record("size", "99")), "told twice"),
        ("pax records of a sparse file", ".tgz", pax(record("GNU.sparse.realsize", "1")), "sparse"),
        ("pax records without end", ".tgz", pax(record("comment", &"x".repeat(70_000))), "too long"),
        ("a name without end", ".tgz", one(EntryType::GNULongName, b"m", &[b'x'; 70_000]), "too long"),
        ("zeros without end", ".tgz", bomb(), "expands to more than"),
        ("zeros without end, better packed", ".tar.zst", zstd(&vec![0; 80 << 20]), "expands to more than"),
        ("a size beyond its bytes", ".tgz", gzip(&lying), "not a sound .tar.gz"),
        ("half a gzip", ".tgz", small()[..small().len() / 2].to_vec(), "not a sound .tar.gz"),
        ("half a zstd", ".tar.zst", zstd(&[b'x'; 5_000])[..9].to_vec(), "not a sound .tar.zst"),
        ("a window of gigabytes", ".tar.zst", b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00".to_vec(), "not a sound .tar.zst"),
        ("gzip named zstd", ".tar.zst", small(), "not a sound .tar.zst"),
        ("a page", ".tar.gz", b"<html>404</html>".to_vec(), "not a sound .tar.gz"),
        ("nothing", ".tar.gz", vec![], "not a sound .tar.gz"),
    ]
}

fn zipped() -> Vec<Row> {
    let named = |name: &str| zip(&[file(name, b"x")]);
    let mode = |mode: u32| zip(&[Entry { mode: Some(mode), ..file("x", b"/etc/passwd") }]);
    let quoted = {
        // One body of zeros, told to be the content of many: a bomb without nesting.
        let body = file("a", &vec![0; 1 << 20]);
        zip(&[body.clone(), Entry { name: b"b".to_vec(), at: Some(0), ..body }])
    };
    let mut outside = zip(&[file("x", b"y")]);
    let length = outside.len();
    outside[length - 6] = 0xff;
    let size = zips::length(&outside);
    let mut many = end(60_000, 10, 0);
    many.splice(0..0, [0; 10]);
    vec![
        ("a zip path that leads up", ".zip", named("../x"), "paths with .."),
        ("a zip path that is absolute", ".zip", named("/etc/x"), "absolute"),
        ("a zip path that leads up later", ".zip", named("a/../../x"), "paths with .."),
        ("a zip path that is empty", ".zip", named(""), "empty"),
        ("a zip path with a NUL", ".zip", named("a\0b"), "NUL"),
        ("a zip path that is too long", ".zip", named(&"x".repeat(300)), "too long"),
        ("a zip link", ".zip", mode(0o120_777), "symbolic links"),
        ("a zip device", ".zip", mode(0o020_666), "devices"),
        ("a zip pipe", ".zip", mode(0o010_666), "devices"),
        ("an encrypted entry", ".zip", zip(&[Entry { flags: 1, ..file("x", b"y") }]), "encrypted"),
        ("an encrypted directory", ".zip", zip(&[Entry { flags: 1 << 13, ..file("x", b"y") }]), "encrypted"),
        ("an unknown compression", ".zip", zip(&[Entry { method: 99, ..file("x", b"y") }]), "compression"),
        ("two of one name", ".zip", zip(&[file("x", b"1"), file("x", b"2")]), "there twice"),
        ("two of one name, spelled apart", ".zip", zip(&[file("x", b"1"), file("./x", b"2")]), "there twice"),
        ("a file and a folder", ".zip", zip(&[file("x", b"1"), file("x/y", b"2")]), "both a file and a folder"),
        (
            "two names of one entry",
            ".zip",
            zip(&[Entry { local_name: b"../x".to_vec(), ..file("ok", b"") }]),
            "different",
        ),
        ("entries that share bytes", ".zip", quoted, "header and the directory"),
        ("an entry twice", ".zip", zip(&[file("x", b"1"), Entry { at: Some(0), ..file("x", b"1") }]), "shares bytes"),
        ("a size too small", ".zip", zip(&[Entry { size_says: 1, ..file("x", b"more") }]), "larger than it says"),
        ("a size too large", ".zip", zip(&[Entry { size_says: 1 << 30, ..file("x", b"y") }]), "smaller than it says"),
        (
            "a packed size too large",
            ".zip",
            zip(&[Entry { packed_says: 1 << 20, ..file("x", b"y") }]),
            "into the directory",
        ),
        ("content that was changed", ".zip", zip(&[Entry { crc: 1, ..file("x", b"y") }]), "CRC"),
        (
            "noise as content",
            ".zip",
            zip(&[Entry { packed: vec![0xff; 9], packed_says: 9, ..file("x", b"y") }]),
            "not a sound .zip",
        ),
        ("a stored bomb", ".zip", zip(&[Entry { method: 0, size_says: u32::MAX - 1, ..file("x", b"y") }]), "smaller"),
        ("a deflated bomb", ".zip", zip(&[file("zeros", &vec![0; 70 << 20])]), "expands to more than"),
        (
            "large numbers that are missing",
            ".zip",
            zip(&[Entry { size_says: u32::MAX, ..file("x", b"y") }]),
            "not a sound .zip",
        ),
        (
            "large numbers that point nowhere",
            ".zip",
            zip(&[Entry { at: Some(u32::MAX), extra: wide(&[u64::MAX]), ..file("x", b"y") }]),
            "not a sound .zip",
        ),
        ("a folder with content", ".zip", zip(&[stored("d/", b"text")]), "no content"),
        ("a directory beyond the end", ".zip", outside, "not a sound .zip"),
        ("a directory of nothing", ".zip", end(1, 0, 0), "not a sound .zip"),
        ("more entries than there are", ".zip", many, "not a sound .zip"),
        ("no entries", ".zip", end(0, 0, 0), "holds no files"),
        (
            "no end",
            ".zip",
            zip(&[file("x", b"y")])[..usize::try_from(size).expect("small") - 1].to_vec(),
            "not a sound .zip",
        ),
    ]
}

#[tokio::test]
async fn archives_that_mean_harm_are_refused_whole() {
    let rows: Vec<Row> = tars().into_iter().chain(zipped()).collect();
    assert!(rows.len() > 60, "{}", rows.len());
    for (name, end, bytes, part) in rows {
        let server = Server::of(bytes).await;
        let outcome = Try { url: server.url(&format!("/a{end}")), ..Try::of(&server) }.run().await;
        refused(name, &outcome, part);
    }
}

#[track_caller]
fn refused(name: &str, outcome: &Outcome, part: &str) {
    let detail = outcome.result.as_ref().expect_err(name).end().detail;
    assert!(detail.contains(part), "{name}: {detail} lacks {part}");
    outcome.failed(part);
}

#[tokio::test]
async fn servers_that_mean_harm_are_left_in_time() {
    let limits = Limits { idle: SHORT, connect: SHORT, ..Limits::default() };
    type Answer = fn(&str) -> (Vec<u8>, Then);
    let rows: [(&str, Answer, &str); 12] = [
        ("says nothing", |_| (vec![], Then::Stall), "fell silent"),
        ("stops in the middle", |_| (announced(9_000, b"part"), Then::Stall), "fell silent"),
        ("hangs up", |_| (vec![], Then::Close), "the download from 127.0.0.1 failed"),
        ("hangs up in the middle", |_| (announced(9_000, b"part"), Then::Close), "the download from 127.0.0.1 failed"),
        ("announces too much", |_| (announced(1 << 40, b""), Then::Stall), "larger than"),
        ("announces too little", |_| (announced(small().len() / 2, &small()), Then::Close), "not a sound"),
        ("sends to itself for ever", |_| (redirect("/a.tgz"), Then::Close), "more than 5 redirects"),
        ("sends to the metadata", |_| (redirect("http://169.254.169.254/latest/"), Then::Close), "Private IP"),
        ("sends to a number", |_| (redirect("http://2130706433:1/"), Then::Close), "Private IP"),
        ("sends to a mapped address", |_| (redirect("http://[::ffff:10.0.0.1]/"), Then::Close), "Private IP"),
        ("sends to a file", |_| (redirect("file:///etc/passwd"), Then::Close), "Only HTTP and HTTPS"),
        ("is no server", |_| (status("999 \u{7f}\u{0}"), Then::Close), "the download from 127.0.0.1 failed"),
    ];
    for (name, answer, part) in rows {
        let server = Server::start(answer).await;
        refused(name, &Try { limits, ..Try::of(&server) }.run().await, part);
    }
    let endless =
        Server::start(|_| ([b"HTTP/1.0 200 OK\r\n".as_slice(), &b"x: y\r\n".repeat(1 << 20)].concat(), Then::Stall));
    refused("headers without end", &Try { limits, ..Try::of(&endless.await) }.run().await, "failed");
}

#[test]
fn addresses_that_mean_harm_are_no_sources() {
    for text in [
        "file:///etc/passwd",
        "ftp://x.org/a.zip",
        "ssh://x.org/r.git",
        "git://x.org/r.git",
        "ext::sh -c 'touch /tmp/x'",
        "--upload-pack=touch /tmp/x",
        "git@x.org:o/r.git",
        "https://user:secret@x.org/r.git",
        "https://x.org/r.git?service=x",
        "https://github.com/o/r/tree/a%2F..%2F..%2Fb",
        "https://github.com/..%2F..%2Fx/r/tree/main",
        "jar:https://x.org/a.zip",
        "bundle:sha256:../../etc/passwd",
    ] {
        assert!(Source::parse(text, None).is_err(), "{text}");
    }
}

#[test]
fn a_source_may_cost_so_much() {
    let Limits { archive_bytes, expanded_bytes, entries, connect, idle, total } = Limits::default();
    assert_eq!((archive_bytes, expanded_bytes, entries), (512 << 20, 4 << 30, 200_000));
    assert_eq!((connect.as_secs(), idle.as_secs(), total.as_secs()), (10, 30, 270));
}

/// Nothing of this corpus is a mistake of its builders.
#[tokio::test]
async fn the_builders_make_good_archives_too() {
    let mut tar = Builder::new(Vec::new());
    add(&mut tar, EntryType::Regular, b"x", 0o644, b"y");
    let tar = tar.into_inner().expect("finished");
    for (end, bytes) in [(".tgz", gzip(&tar)), (".tar.zst", zstd(&tar)), (".zip", zip(&[file("x", b"y")]))] {
        let server = Server::of(bytes).await;
        let outcome = Try { url: server.url(&format!("/a{end}")), ..Try::of(&server) }.run().await;
        assert!(outcome.result.is_ok(), "{end} {:?}", outcome.result);
    }
}
