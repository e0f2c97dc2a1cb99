//! What archives hold.

use std::{fs, os::unix::fs::PermissionsExt};

use podling_session::source::Format;
use tar::{Builder, EntryType};

use super::{
    Limits, Outcome, Request, Try, fetch_archive, names,
    server::Server,
    tars::{add, archive, gzip, header, record, small},
};

async fn extract(archive: Vec<u8>, limits: Limits) -> Outcome {
    let server = Server::of(archive).await;
    Try { limits, ..Try::of(&server) }.run().await
}

#[tokio::test]
async fn a_single_top_folder_is_entered_and_modes_are_plain() {
    let outcome = extract(small(), Limits::default()).await;
    let work = outcome.work.path();
    assert_eq!(names(work), [".env", "bin/", "bin/run"]);
    let mode = |name: &str| fs::metadata(work.join(name)).expect("there").permissions().mode() & 0o7777;
    assert_eq!((mode(".env"), mode("bin"), mode("bin/run")), (0o644, 0o755, 0o755));
    let modified = fs::metadata(work.join(".env")).expect("there").modified().expect("a time");
    let seconds = modified.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    assert_eq!(seconds, 1_000_000_000);
}

#[tokio::test]
async fn several_top_entries_stay_as_they_are() {
    let outcome = extract(archive(&[(EntryType::Regular, b"./a/b", b"")]), Limits::default()).await;
    assert_eq!(names(outcome.work.path()), ["a/", "a/b", "honest"]);
    let folder: &[u8] = b"honest/honest/x";
    let mut tar = Builder::new(Vec::new());
    add(&mut tar, EntryType::Regular, folder, 0o644, b"");
    let outcome = extract(gzip(&tar.into_inner().expect("finished")), Limits::default()).await;
    assert_eq!(names(outcome.work.path()), ["honest/", "honest/x"]);
}

#[tokio::test]
async fn entries_that_lead_out_or_are_no_files_are_refused_by_name() {
    let check = async |kind: EntryType, name: &str, rule: &str| {
        let outcome = extract(archive(&[(kind, name.as_bytes(), b"")]), Limits::default()).await;
        outcome.failed(&format!("entry \"{name}\": {rule}"));
    };
    check(EntryType::Regular, "../up", "paths with .. are not allowed").await;
    check(EntryType::Regular, "a/../../up", "paths with .. are not allowed").await;
    check(EntryType::Directory, "../up", "paths with .. are not allowed").await;
    check(EntryType::Regular, "/etc/cron.d/x", "absolute paths are not allowed").await;
    check(EntryType::Symlink, "link", "symbolic links are not allowed").await;
    check(EntryType::Link, "link", "hard links are not allowed").await;
    check(EntryType::Char, "null", "devices are not allowed").await;
    check(EntryType::Block, "sda", "devices are not allowed").await;
    check(EntryType::Fifo, "pipe", "named pipes are not allowed").await;
    check(EntryType::GNUSparse, "sparse", "sparse files are not supported").await;
    check(EntryType::Regular, "honest/below", "the path is both a file and a folder").await;
    check(EntryType::Directory, "honest", "the path is both a file and a folder").await;
}

#[tokio::test]
async fn the_last_of_equal_entries_wins() {
    let archive = archive(&[(EntryType::Regular, b"honest", b"first"), (EntryType::Regular, b"./honest", b"last")]);
    let outcome = extract(archive, Limits::default()).await;
    assert_eq!(fs::read_to_string(outcome.work.path().join("honest")).expect("there"), "last");
}

#[tokio::test]
async fn long_names_of_both_kinds_are_taken_and_checked_like_others() {
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(150));
    let named =
        |kind: EntryType, data: Vec<u8>| archive(&[(kind, b"meta", &data), (EntryType::Regular, b"short", b"")]);
    for archive in [
        named(EntryType::GNULongName, format!("{long}\0").into_bytes()),
        named(EntryType::XHeader, record("path", &long)),
    ] {
        let outcome = extract(archive, Limits::default()).await;
        assert!(names(outcome.work.path()).contains(&long), "{:?}", outcome.result);
    }
    let refused = async |archive: Vec<u8>, part: &str| extract(archive, Limits::default()).await.failed(part);
    refused(named(EntryType::GNULongName, b"../../x\0".to_vec()), "..").await;
    refused(named(EntryType::XHeader, record("path", "/etc/x")), "absolute").await;
    refused(named(EntryType::XHeader, record("path", "a\0b")), "NUL").await;
    refused(named(EntryType::XHeader, record("size", "18446744073709551615")), "size").await;
    refused(named(EntryType::XHeader, record("size", "-1")), "not a number").await;
    refused(named(EntryType::XHeader, record("GNU.sparse.major", "1")), "sparse").await;
    refused(named(EntryType::XHeader, b"nonsense".to_vec()), "not a sound").await;
    refused(named(EntryType::GNULongName, vec![b'x'; 70_000]), "too long").await;
    refused(named(EntryType::XHeader, record("comment", &"x".repeat(70_000))), "too long").await;
}

#[tokio::test]
async fn a_bomb_is_stopped_at_its_limit() {
    // 70 MiB of zeros are 70 kB of gzip: past the free 64 MiB at a ratio of a thousand. Gzip files may be joined.
    let zeros = gzip(&vec![0; 1 << 20]);
    let mut bomb = gzip(header(EntryType::Regular, b"zeros", 70 << 20).as_bytes());
    bomb.extend(zeros.repeat(70));
    extract(bomb, Limits::default()).await.failed("expands to more than 67108864 bytes");
    let limits = Limits { expanded_bytes: 600, ..Limits::default() };
    extract(small(), limits).await.failed("expands to more than 600 bytes");
}

#[tokio::test]
async fn files_and_folders_are_counted() {
    let limits = Limits { entries: 3, ..Limits::default() };
    extract(archive(&[(EntryType::Regular, b"a/b/c", b"")]), limits).await.failed("more than 3 files and folders");
    assert!(extract(archive(&[(EntryType::Regular, b"a/b", b"")]), limits).await.result.is_ok());
}

#[tokio::test]
async fn a_truncated_or_empty_archive_is_refused() {
    let whole = archive(&[(EntryType::Regular, b"big", &[b'x'; 5_000])]);
    for kept in [whole.len() / 2, whole.len() - 1, whole.len() - 8] {
        extract(whole[..kept].to_vec(), Limits::default()).await.failed("not a sound .tar.gz");
    }
    let mut raw = header(EntryType::Regular, b"big", 5_000).as_bytes().to_vec();
    raw.extend([b'x'; 2_000]);
    extract(gzip(&raw), Limits::default()).await.failed("not a sound .tar.gz");
    let empty = Builder::new(Vec::new()).into_inner().expect("finished");
    extract(gzip(&empty), Limits::default()).await.failed("holds no files");
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_left_alone() {
    let server = Server::of(small()).await;
    let work = tempfile::tempdir().expect("a folder");
    let url = server.url("/a.tgz").parse().expect("a URL");
    fs::write(work.path().join("mine"), "").expect("written");
    let settings = Try::of(&server).settings();
    let request = Request { into: work.path(), scratch: work.path(), settings: &settings, limits: Limits::default() };
    assert!(fetch_archive(request, (&url, Format::TarGz, None), &mut |_| ()).await.is_err());
    assert_eq!(names(work.path()), ["mine"]);
}
