//! What an archive may hold: files and folders, at plain relative paths.
//!
//! Links are refused, not followed and not rewritten: with none in the tree, no path can lead out of it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use tar::EntryType;

/// Linux takes paths of 4096 bytes with their NUL; the work folder's own path comes in front.
const MAX_PATH_BYTES: usize = 3_072;
/// Names on every usual file system (NAME_MAX).
const MAX_NAME_BYTES: usize = 255;
/// The folders of one path are held open while it is extracted.
const MAX_DEPTH: usize = 64;

/// What an entry asks for, by its type and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// A pax header with records for the next entry.
    Records,
    /// A GNU entry whose data is the next entry's name.
    LongName,
    /// Tells nothing that we keep, such as the commit in an archive made by git.
    Ignored,
}

/// Sorts an entry, or says which rule refuses it.
pub(super) fn kind(entry: EntryType, name: &[u8]) -> Result<Kind, &'static str> {
    match entry {
        // Before there was a type for folders, a slash at the end told them.
        EntryType::Regular if name.ends_with(b"/") => Ok(Kind::Folder),
        EntryType::Regular | EntryType::Continuous => Ok(Kind::File),
        EntryType::Directory => Ok(Kind::Folder),
        EntryType::XHeader => Ok(Kind::Records),
        EntryType::GNULongName => Ok(Kind::LongName),
        // The target of a link, which is refused by itself.
        EntryType::GNULongLink | EntryType::XGlobalHeader => Ok(Kind::Ignored),
        EntryType::Symlink => Err("symbolic links are not allowed"),
        EntryType::Link => Err("hard links are not allowed"),
        EntryType::Char | EntryType::Block => Err("devices are not allowed"),
        EntryType::Fifo => Err("named pipes are not allowed"),
        EntryType::GNUSparse => Err("sparse files are not supported"),
        _ => Err("this type of entry is not supported"),
    }
}

/// The names on the way from the tree's root; empty for the root itself.
pub(super) fn parts(path: &[u8]) -> Result<Vec<&OsStr>, &'static str> {
    if path.is_empty() {
        return Err("the path is empty");
    }
    if path.len() > MAX_PATH_BYTES {
        return Err("the path is too long");
    }
    if path.contains(&0) {
        return Err("the path holds a NUL");
    }
    if path.starts_with(b"/") {
        return Err("absolute paths are not allowed");
    }
    let mut parts = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err("paths with .. are not allowed"),
            name if name.len() > MAX_NAME_BYTES => return Err("a name in the path is too long"),
            name => parts.push(OsStr::from_bytes(name)),
        }
    }
    if parts.len() > MAX_DEPTH { Err("the path is too deep") } else { Ok(parts) }
}

/// A name for messages: short, and without what would move a terminal's cursor.
pub(super) fn shown(name: &[u8]) -> String {
    const MAX_CHARS: usize = 120;
    let text = String::from_utf8_lossy(name);
    let mut shown: String = text.chars().take(MAX_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// The mode that a file gets: executable or not, and nothing else of what the archive says.
pub(super) fn file_mode(mode: u32) -> u32 {
    if mode & 0o111 == 0 { 0o644 } else { 0o755 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_relative_plain_and_bounded() {
        let good = |path: &str, expected: &[&str]| {
            assert_eq!(parts(path.as_bytes()), Ok(expected.iter().map(OsStr::new).collect()), "{path}")
        };
        good("a", &["a"]);
        good("a/b/.c", &["a", "b", ".c"]);
        good("./a//b/./", &["a", "b"]);
        good("./", &[]);
        good("...", &["..."]);
        good("a/..b/c..", &["a", "..b", "c.."]);
        good("..\\a", &["..\\a"]);
        let bad = |path: &str, part: &str| {
            let rule = parts(path.as_bytes()).expect_err(path);
            assert!(rule.contains(part), "{path}: {rule}");
        };
        bad("", "empty");
        bad("/", "absolute");
        bad("/etc/passwd", "absolute");
        bad("//etc", "absolute");
        bad("..", "..");
        bad("../a", "..");
        bad("a/../../b", "..");
        bad("a/..", "..");
        bad("./..", "..");
        bad("a\0b", "NUL");
        bad(&"x".repeat(256), "name");
        bad(&"x/".repeat(65), "deep");
        bad(&"x/".repeat(2_000), "long");
    }

    proptest! {
        #[test]
        fn no_path_leads_out_of_the_tree(path in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            prop::collection::vec(prop_oneof![Just("/"), Just(".."), Just("."), Just("a"), Just("\0"), Just("/../")], 0..20)
                .prop_map(|parts| parts.concat().into_bytes()),
        ]) {
            if let Ok(parts) = parts(&path) {
                prop_assert!(parts.len() <= MAX_DEPTH);
                for part in parts {
                    let bytes = part.as_bytes();
                    prop_assert!(!bytes.is_empty() && bytes != b"." && bytes != b"..");
                    prop_assert!(!bytes.contains(&b'/') && !bytes.contains(&0));
                }
            }
        }

        #[test]
        fn a_shown_name_moves_no_cursor(name in prop::collection::vec(any::<u8>(), 0..400)) {
            let shown = shown(&name);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }

    #[test]
    fn every_type_but_files_folders_and_their_records_is_refused() {
        for byte in 0..=u8::MAX {
            let admitted = matches!(byte, 0 | b'0' | b'5' | b'7' | b'x' | b'g' | b'L' | b'K');
            assert_eq!(kind(EntryType::new(byte), b"a").is_ok(), admitted, "{}", char::from(byte));
        }
        assert_eq!(kind(EntryType::Regular, b"a/"), Ok(Kind::Folder));
    }

    #[test]
    fn modes_keep_the_right_to_execute_and_nothing_else() {
        for (mode, kept) in
            [(0o644, 0o644), (0o600, 0o644), (0o100, 0o755), (0o6755, 0o755), (0o1777, 0o755), (0, 0o644)]
        {
            assert_eq!(file_mode(mode), kept, "{mode:o}");
        }
    }
}
