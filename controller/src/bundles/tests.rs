use std::sync::Arc;

use tempfile::TempDir;

use super::*;

struct Yard {
    root: TempDir,
    bundles: Bundles,
}

fn yard(change: impl FnOnce(&mut BundleArgs)) -> Yard {
    let root = tempfile::tempdir().expect("a directory");
    let mut limits = BundleArgs::default();
    change(&mut limits);
    let bundles = Bundles::in_directory(root.path(), limits, Duration::from_secs(60));
    Yard { root, bundles }
}

fn owner(tenant: &str, subject: &str) -> Owner {
    Owner { tenant: tenant.parse().expect(tenant), subject: Arc::from(subject) }
}

fn sum(bytes: &[u8]) -> Checksum {
    Checksum::parse(&hex(&Sha256::digest(bytes))).expect("64 digits")
}

async fn append(yard: &Yard, who: &Owner, whole: &[u8], from: usize, to: usize) -> Result<u64, BundleError> {
    match yard.bundles.resume(who, &sum(whole), from as u64, whole.len() as u64).await? {
        Resumed::Whole(bytes) => Ok(bytes),
        Resumed::Upload(mut upload) => {
            upload.append(&whole[from..to]).await?;
            upload.finish().await
        }
    }
}

/// Makes what is there look as if it had not been used for an hour.
fn age(yard: &Yard) {
    let hour_ago = SystemTime::now() - Duration::from_secs(3_600);
    for path in files(yard) {
        File::options().append(true).open(path).expect("a file").set_modified(hour_ago).expect("ours");
    }
}

fn files(yard: &Yard) -> Vec<PathBuf> {
    let below = |path: PathBuf| fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").path());
    below(yard.root.path().to_owned()).flat_map(below).flat_map(below).collect()
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_and_is_a_bundle_once_it_is_whole() {
    let (yard, me) = (yard(|_| ()), owner("a:user:me", "me"));
    let sum = sum(b"hello");
    let find = || yard.bundles.find(&me, &sum);
    assert_eq!(find().await.expect("readable"), None);
    assert_eq!(append(&yard, &me, b"hello", 0, 2).await.expect("taken"), 2);
    assert_eq!(find().await.expect("readable"), Some(Progress::Part(2)));
    assert!(matches!(append(&yard, &me, b"hello", 0, 5).await, Err(BundleError::Offset { offset: 2 })));
    assert!(matches!(append(&yard, &me, b"hello", 3, 5).await, Err(BundleError::Offset { offset: 2 })));
    assert_eq!(append(&yard, &me, b"hello", 2, 5).await.expect("taken"), 5);
    assert_eq!(find().await.expect("readable"), Some(Progress::Whole(5)));
    assert_eq!(files(&yard).len(), 1);
}

#[tokio::test]
async fn a_bundle_is_everybodys_of_its_tenant_and_of_no_other() {
    let yard = yard(|_| ());
    append(&yard, &owner("a:claim:t", "one"), b"hello", 0, 5).await.expect("taken");
    append(&yard, &owner("a:claim:t", "one"), b"other", 0, 2).await.expect("taken");
    let (colleague, stranger) = (owner("a:claim:t", "two"), owner("b:claim:t", "one"));
    assert_eq!(yard.bundles.find(&colleague, &sum(b"hello")).await.expect("readable"), Some(Progress::Whole(5)));
    assert_eq!(yard.bundles.find(&colleague, &sum(b"other")).await.expect("readable"), None, "not his upload");
    assert_eq!(yard.bundles.find(&stranger, &sum(b"hello")).await.expect("readable"), None);
    assert!(!yard.bundles.take(&stranger.tenant, &sum(b"hello")).await.expect("readable"));
    assert!(yard.bundles.open(&stranger.tenant, &sum(b"hello")).await.expect("readable").is_none());
}

#[tokio::test]
async fn what_does_not_match_its_hash_is_not_kept() {
    let (yard, me) = (yard(|_| ()), owner("a:user:me", "me"));
    let Resumed::Upload(mut upload) = yard.bundles.resume(&me, &sum(b"hello"), 0, 5).await.expect("begun") else {
        panic!("there is none yet")
    };
    upload.append(b"jello").await.expect("room");
    assert!(matches!(upload.append(b"!").await, Err(BundleError::TooLong { length: 5 })));
    let refused = upload.finish().await.expect_err("another bundle");
    assert!(matches!(refused, BundleError::Mismatch { found } if found == sum(b"jello").as_str()));
    assert!(files(&yard).is_empty());
}

#[tokio::test]
async fn one_request_at_a_time_writes_an_upload_and_two_uploaders_make_one_bundle() {
    let (yard, me, other) = (yard(|_| ()), owner("a:claim:t", "me"), owner("a:claim:t", "other"));
    let first = yard.bundles.resume(&me, &sum(b"hello"), 0, 5).await.expect("begun");
    assert!(matches!(yard.bundles.resume(&me, &sum(b"hello"), 0, 5).await, Err(BundleError::Busy)));
    let beside = yard.bundles.resume(&other, &sum(b"hello"), 0, 5).await.expect("its own upload");
    for resumed in [first, beside] {
        let Resumed::Upload(mut upload) = resumed else { panic!("there is none yet") };
        upload.append(b"hello").await.expect("room");
        assert_eq!(upload.finish().await.expect("the bundle"), 5);
    }
    assert_eq!(files(&yard).len(), 1);
}

#[tokio::test]
async fn a_full_disk_is_told_and_keeps_nothing_of_the_upload() {
    let (yard, me) = (yard(|_| ()), owner("a:user:me", "me"));
    let Resumed::Upload(mut upload) = yard.bundles.resume(&me, &sum(b"hello"), 0, 5).await.expect("begun") else {
        panic!("there is none yet")
    };
    upload.file = tokio::fs::OpenOptions::new().write(true).open("/dev/full").await.expect("a device of Linux");
    upload.append(b"hello").await.expect("a write is told of at the next step");
    assert!(matches!(upload.finish().await, Err(BundleError::DiskFull)));
    assert!(files(&yard).is_empty());
}

#[tokio::test]
async fn what_nobody_used_is_pruned_and_what_is_used_stays() {
    let (yard, me) = (
        yard(|limits| {
            (limits.keep_bundles, limits.keep_uploads) = (Duration::from_secs(600), Duration::from_secs(600))
        }),
        owner("a:user:me", "me"),
    );
    append(&yard, &me, b"used", 0, 4).await.expect("taken");
    append(&yard, &me, b"unused", 0, 6).await.expect("taken");
    append(&yard, &me, b"part", 0, 2).await.expect("taken");
    append(&yard, &me, b"going on", 0, 2).await.expect("taken");
    age(&yard);
    assert!(yard.bundles.take(&me.tenant, &sum(b"used")).await.expect("readable"));
    let open = yard.bundles.resume(&me, &sum(b"going on"), 2, 8).await.expect("it goes on");
    assert_eq!(yard.bundles.prune().await.expect("readable"), 2);
    drop(open);
    assert_eq!(yard.bundles.find(&me, &sum(b"used")).await.expect("readable"), Some(Progress::Whole(4)));
    assert_eq!(yard.bundles.find(&me, &sum(b"going on")).await.expect("readable"), Some(Progress::Part(2)));
    assert_eq!(yard.bundles.prune().await.expect("readable"), 1, "its writer has left");
}

#[tokio::test]
async fn a_tenant_has_its_share_and_old_bundles_make_room_for_new_ones() {
    let (yard, me) = (yard(|limits| limits.max_tenant_bundle_bytes = 10), owner("a:user:me", "me"));
    append(&yard, &me, b"hello", 0, 5).await.expect("taken");
    let refused = append(&yard, &me, b"hello!", 0, 6).await.expect_err("in use");
    assert!(matches!(refused, BundleError::TenantFull { max: 10 }));
    append(&yard, &owner("b:user:me", "me"), b"hello!", 0, 6).await.expect("another tenant's share");
    age(&yard);
    append(&yard, &me, b"hello!", 0, 6).await.expect("the old one went");
    assert_eq!(yard.bundles.find(&me, &sum(b"hello")).await.expect("readable"), None);
}
