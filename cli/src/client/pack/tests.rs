use std::{
    collections::BTreeMap,
    io::Seek,
    os::unix::fs::{PermissionsExt, symlink},
};

use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it is below the folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

fn packed(folder: &TempDir) -> Packed {
    pack(folder.path(), &mut |_| ()).expect("packed")
}

/// Names with modes and contents.
fn entries(mut packed: Packed) -> BTreeMap<String, (u32, String)> {
    packed.file.rewind().expect("a file");
    let mut archive = tar::Archive::new(zstd::Decoder::new(packed.file).expect("zstd"));
    let mut found = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("whole");
        let header = entry.header();
        assert_eq!((header.mtime().ok(), header.uid().ok(), header.gid().ok()), (Some(0), Some(0), Some(0)));
        let (name, mode) = (entry.path().expect("a name").display().to_string(), header.mode().expect("a mode"));
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        found.insert(name, (mode, text));
    }
    found
}

#[test]
fn the_same_files_are_the_same_bundle_whatever_their_times_and_owners() {
    let files = [("b", "2"), ("a/x", "1"), ("a.txt", "3")];
    let (one, other) = (folder(&files), folder(&[files[2], files[0], files[1]]));
    File::options()
        .append(true)
        .open(other.path().join("b"))
        .expect("there")
        .set_modified(std::time::UNIX_EPOCH)
        .expect("ours");
    fs::set_permissions(other.path().join("b"), PermissionsExt::from_mode(0o600)).expect("ours");
    assert_eq!(packed(&one).sha256, packed(&other).sha256);
    fs::set_permissions(other.path().join("b"), PermissionsExt::from_mode(0o700)).expect("ours");
    assert_ne!(packed(&one).sha256, packed(&other).sha256, "whether a file can be executed counts");
    let packed = packed(&one);
    assert_eq!(packed.file.metadata().expect("a file").len(), packed.bytes);
}

#[test]
fn what_is_ignored_stays_here_and_hidden_files_go_along() {
    let folder = folder(&[
        (".gitignore", "target\n*.log\n!keep.log\n"),
        (".podlingignore", "big\n"),
        (".git/config", "token"),
        (".env.example", "e"),
        ("target/debug/x", "t"),
        ("a.log", "l"),
        ("keep.log", "k"),
        ("sub/.gitignore", "own\n"),
        ("sub/own", "o"),
        ("sub/kept", "s"),
        ("big", "b"),
        ("own", "root"),
    ]);
    fs::create_dir(folder.path().join("empty")).expect("made");
    let names: Vec<_> = entries(packed(&folder)).into_keys().collect();
    let expected = [
        ".env.example",
        ".gitignore",
        ".podlingignore",
        "empty",
        "keep.log",
        "own",
        "sub",
        "sub/.gitignore",
        "sub/kept",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_link_within_the_folder_is_packed_as_its_file_and_others_are_left_out_and_named() {
    let folder = folder(&[("bin/tool", "#!/bin/sh"), ("d/x", "1")]);
    fs::set_permissions(folder.path().join("bin/tool"), PermissionsExt::from_mode(0o755)).expect("ours");
    for (target, name) in [("bin/tool", "tool"), ("/etc/passwd", "out"), ("nowhere", "dangling"), ("d", "folder")] {
        symlink(target, folder.path().join(name)).expect("linked");
    }
    rustix::fs::mkfifoat(rustix::fs::CWD, folder.path().join("fifo"), rustix::fs::Mode::RWXU).expect("made");
    let packed = packed(&folder);
    let left_out: Vec<_> = packed.left_out.iter().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(left_out, ["dangling", "fifo", "folder", "out"]);
    let entries = entries(packed);
    assert_eq!(entries["tool"], (0o755, "#!/bin/sh".to_owned()));
    assert!(!entries.contains_key("out"));
}

#[test]
fn long_names_and_names_that_are_no_text_are_packed() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let long = ["a-rather-long-name-of-a-folder"; 12].join("/");
    let folder = folder(&[(&format!("{long}/file"), "deep")]);
    fs::write(folder.path().join(OsStr::from_bytes(b"\xff\xfe")), "odd").expect("written");
    assert_eq!(packed(&folder).contents.entries, 14);
    let found = entries(packed(&folder));
    assert_eq!(found[&format!("{long}/file")].1, "deep");
}
