use std::os::unix::fs::{MetadataExt, symlink};

use tempfile::TempDir;

use super::*;

fn disk() -> (TempDir, Disk) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk = Disk::at(dir.path());
    disk.create().expect("the places can be made");
    (dir, disk)
}

/// So deep that neither a path nor a descriptor for each level would do.
fn dig(at: &Path, levels: usize) {
    let mut folder = open_dir(rustix::fs::CWD, at).expect("a folder");
    for _ in 0..levels {
        rustix::fs::mkdirat(&folder, "d", Mode::RWXU).expect("one more");
        folder = open_dir(&folder, "d").expect("it is there");
    }
    openat(&folder, "f", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).expect("a file at the bottom");
}

#[test]
fn blocks_count_and_not_lengths_and_links_once() {
    let (_dir, disk) = disk();
    let empty = disk.used_bytes().expect("readable");
    fs::write(disk.tmp.join("a"), vec![1; 1 << 20]).expect("a file");
    fs::hard_link(disk.tmp.join("a"), disk.work.join("b")).expect("a link");
    fs::File::create(disk.home.join("sparse")).and_then(|file| file.set_len(1 << 40)).expect("a file with a hole");
    symlink("/", disk.home.join("root")).expect("a link");
    let used = disk.used_bytes().expect("readable") - empty;
    assert!((1 << 20..(1 << 20) + 65_536).contains(&used), "{used}");
}

#[test]
fn empty_files_are_not_free() {
    let (_dir, disk) = disk();
    let empty = disk.used_bytes().expect("readable");
    (0..100).for_each(|n| fs::write(disk.work.join(n.to_string()), "").expect("a file"));
    assert!(disk.used_bytes().expect("readable") >= empty + 100 * INODE_BYTES);
}

#[test]
fn what_is_too_deep_to_count_is_full() {
    let (dir, disk) = disk();
    dig(&disk.work, 3_000);
    assert_eq!(disk.used_bytes().expect("readable"), u64::MAX);
    remove(dir.path()).expect("it can be removed nevertheless");
    assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 0);
}

#[test]
fn a_closed_folder_hides_nothing() {
    let (dir, disk) = disk();
    let closed = disk.work.join("closed");
    fs::create_dir(&closed).expect("a folder");
    fs::write(closed.join("big"), vec![1; 1 << 20]).expect("a file");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("ours");
    assert!(disk.used_bytes().expect("readable") > 1 << 20);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).expect("ours");
    remove(dir.path()).expect("it can be removed");
    remove(dir.path()).expect("nothing there is fine");
}

#[test]
fn removing_goes_on_where_it_was_broken_off() {
    let (dir, disk) = disk();
    fs::create_dir_all(dir.path().join("disk.removed/1/2")).expect("a folder");
    fs::create_dir_all(dir.path().join("disk.removed/disk/2")).expect("a folder");
    dig(&disk.tmp, 3);
    remove(dir.path()).expect("it can be removed");
    assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 0);
}

#[test]
fn links_are_neither_followed_nor_their_targets_removed() {
    let (dir, disk) = disk();
    let outside = tempfile::tempdir().expect("a temporary folder");
    fs::write(outside.path().join("kept"), "x").expect("a file");
    symlink(outside.path(), disk.work.join("out")).expect("a link");
    symlink(outside.path().join("kept"), disk.work.join("file")).expect("a link");
    let uid = rustix::process::geteuid();
    let other = if uid.is_root() { 1_900_001 } else { uid.as_raw() };
    disk.give_to(other).expect("it can be given away");
    assert_eq!(fs::symlink_metadata(disk.work.join("out")).expect("the link").uid(), other);
    assert_eq!(fs::metadata(outside.path()).expect("the folder").uid(), uid.as_raw());
    assert_eq!(fs::metadata(outside.path().join("kept")).expect("the file").uid(), uid.as_raw());
    remove(dir.path()).expect("it can be removed");
    assert!(outside.path().join("kept").exists());
}
