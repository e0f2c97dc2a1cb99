//! The log as a whole: writer, files and readers together.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use podling_session::{
    log::{Body, Record, Segment, hash, segment_file},
    phase::End,
};
use proptest::prelude::*;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{Head, Log, NotKept, ReadError, write};

const PATIENCE: Duration = Duration::from_secs(20);

fn log(directory: &Path, keep_bytes: u64) -> Arc<Log> {
    Arc::new(Log::new(directory.to_owned(), keep_bytes, watch::Sender::<Head>::default()))
}

fn writer(log: &Arc<Log>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(write(Arc::clone(log)));
    tasks
}

async fn settled(mut writer: JoinSet<()>) {
    timeout(PATIENCE, writer.join_next()).await.expect("the writer ends").expect("a task").expect("no panic");
}

/// `count` bytes that tell their own offset.
fn pattern(offset: u64, count: usize) -> Bytes {
    (offset..).take(count).map(|at| u8::try_from(at % 251).expect("below 256")).collect()
}

async fn output(log: &Log, count: usize) {
    log.output(pattern(log.range().end, count)).await;
}

/// Everything from an offset on, as (offset, bytes) of what is contiguous.
async fn read_all(log: &Arc<Log>, from: u64) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
    let mut cursor = log.seek(Some(from))?.cursor;
    let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
    while cursor.is_behind(*log.head().borrow()) {
        for Record { mut offset, body, .. } in log.read(&mut cursor).await? {
            let Body::Output(mut bytes) = body else { continue };
            let seen = usize::try_from(from.saturating_sub(offset)).expect("small").min(bytes.len());
            offset += seen as u64;
            bytes = bytes.slice(seen..);
            match runs.last_mut() {
                _ if bytes.is_empty() => {}
                Some((start, run)) if *start + run.len() as u64 == offset => run.extend_from_slice(&bytes),
                _ => runs.push((offset, bytes.to_vec())),
            }
        }
    }
    Ok(runs)
}

fn segments(directory: &Path) -> Vec<Bytes> {
    let mut names: Vec<_> = std::fs::read_dir(directory).expect("a directory").flatten().map(|e| e.path()).collect();
    names.sort();
    names.iter().map(|path| std::fs::read(path).expect("a file").into()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_written_is_read_back_from_any_offset(
        sizes in prop::collection::vec(1usize..65_536, 1..90),
        cuts in prop::collection::vec(0.0..1.0f64, 4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let directory = tempfile::tempdir().expect("a directory");
            let log = log(directory.path(), u64::MAX);
            let writing = writer(&log);
            for size in sizes {
                output(&log, size).await;
                log.mark("between");
            }
            assert!(log.end(End::exit(0)) && !log.end(End::exit(1)), "there is one exit");
            settled(writing).await;
            let end = log.range().end;
            assert_eq!(log.stored_end(), end);
            for cut in cuts {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small log")]
                let from = (end as f64 * cut) as u64;
                let runs = read_all(&log, from).await.expect("it is kept");
                assert_eq!(runs, [(from, pattern(from, usize::try_from(end - from).expect("small")).to_vec())]);
            }
        });
    }
}

#[tokio::test]
async fn segments_are_bounded_chained_and_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = log(directory.path(), u64::MAX);
    let writing = writer(&log);
    for _ in 0..50 {
        output(&log, 60_000).await;
    }
    log.end(End::exit(0));
    settled(writing).await;
    let (mut previous, mut offset) = ([0; 32], 0);
    let files = segments(directory.path());
    assert!(files.len() >= 3);
    for (sequence, bytes) in files.iter().enumerate() {
        assert!(bytes.len() <= podling_session::log::MAX_SEGMENT_BYTES);
        let segment = Segment::parse(bytes.clone()).expect("a segment");
        assert_eq!((segment.header.previous, segment.header.first_offset), (previous, offset), "segment {sequence}");
        assert_eq!(segment.whole_bytes, bytes.len());
        let (entry, _) = log.sealed_from(sequence as u64).expect("sealed");
        previous = hash(bytes);
        assert_eq!(entry.hash, Some(previous));
        offset = segment.end();
    }
    assert_eq!(offset, log.range().end);
}

#[tokio::test]
async fn past_its_size_the_log_loses_its_oldest_segments_and_says_where_it_begins() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = log(directory.path(), 3 << 20);
    let writing = writer(&log);
    for _ in 0..160 {
        output(&log, 60_000).await;
    }
    log.end(End::exit(0));
    settled(writing).await;
    let kept = log.range();
    assert!(kept.first > 0 && kept.end - kept.first <= 3 << 20, "{kept:?}");
    assert_eq!(log.seek(Some(0)).expect_err("gone"), NotKept { first: kept.first });
    assert!(log.seek(Some(kept.end + 1)).is_err());
    let runs = read_all(&log, kept.first).await.expect("it is kept");
    assert_eq!(runs.len(), 1);
    assert!(!directory.path().join(segment_file(0)).exists());
}

#[tokio::test]
async fn a_reader_that_was_overtaken_learns_where_the_log_begins_now() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = log(directory.path(), 2 << 20);
    let writing = writer(&log);
    output(&log, 10).await;
    let mut cursor = log.seek(None).expect("it begins").cursor;
    for _ in 0..120 {
        output(&log, 60_000).await;
    }
    log.end(End::exit(0));
    settled(writing).await;
    match log.read(&mut cursor).await {
        Err(ReadError::FellOff(NotKept { first })) => assert_eq!(first, log.range().first),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn while_storage_refuses_the_command_goes_on_and_what_is_lost_is_a_gap() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("log");
    std::fs::create_dir(&directory).expect("a directory");
    // What is written to segment 0 meets a full disk.
    std::os::unix::fs::symlink("/dev/full", directory.join(segment_file(0))).expect("a link");
    let log = log(&directory, u64::MAX);
    let writing = writer(&log);
    for _ in 0..200 {
        timeout(PATIENCE, output(&log, 60_000)).await.expect("the command does not wait");
    }
    std::fs::remove_file(directory.join(segment_file(0))).expect("the link");
    output(&log, 1).await;
    log.end(End::exit(0));
    settled(writing).await;
    let end = log.range().end;
    assert_eq!(log.stored_end(), end);
    let stored: Vec<Record> =
        segments(&directory).into_iter().flat_map(|bytes| Segment::parse(bytes).expect("a segment").records).collect();
    let Body::Gap { to } = stored[0].body else { panic!("no gap: {:?}", stored[0].offset) };
    assert_eq!((stored[0].offset, stored[1].offset), (0, to));
    let first = log.range().first;
    let runs = read_all(&log, first).await.expect("it is kept");
    assert_eq!(runs, [(to, pattern(to, usize::try_from(end - to).expect("small")).to_vec())]);
}

#[tokio::test]
async fn without_any_storage_the_tail_is_what_there_is() {
    let parent = tempfile::tempdir().expect("a directory");
    let log = log(&parent.path().join("missing"), u64::MAX);
    let writing = writer(&log);
    for _ in 0..60 {
        timeout(PATIENCE, output(&log, 60_000)).await.expect("the command does not wait");
    }
    log.end(End::exit(0));
    let kept = log.range();
    let runs = read_all(&log, kept.first).await.expect("it is kept");
    assert_eq!(runs.len(), 1);
    assert!(kept.end - kept.first >= 900_000, "{kept:?}");
    drop(writing);
}
