//! Which part of an archive becomes the work folder.

use std::ffi::{OsStr, OsString};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it; a single top folder is entered.
    Whole,
    /// All of it, as it is: it was a folder, and may have been an empty one.
    AsIs,
    /// What is below this folder of the one at the top, whose name nobody knows before.
    Below(Vec<OsString>),
}

impl Part {
    /// The names below the part that a path has; `None` when it leads elsewhere.
    pub(super) fn of<'p, 'a>(&self, path: &'p [&'a OsStr]) -> Option<&'p [&'a OsStr]> {
        match self {
            Part::Whole | Part::AsIs => Some(path),
            Part::Below(folder) => {
                let below_top = path.get(1..)?;
                let same = below_top.len() >= folder.len() && below_top.iter().zip(folder).all(|(a, b)| a == b);
                same.then(|| &below_top[folder.len()..])
            }
        }
    }

    /// For people.
    pub(super) fn folder(&self) -> Option<String> {
        match self {
            Part::Below(folder) if !folder.is_empty() => {
                let names: Vec<_> = folder.iter().map(|name| name.to_string_lossy()).collect();
                Some(names.join("/"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_lies_below_its_folder_and_nothing_beside_it() {
        let check = |folder: &[&str], path: &[&str], expected: Option<&[&str]>| {
            let part = Part::Below(folder.iter().map(Into::into).collect());
            let path: Vec<_> = path.iter().map(OsStr::new).collect();
            let expected = expected.map(|names| names.iter().map(OsStr::new).collect::<Vec<_>>());
            assert_eq!(part.of(&path).map(<[_]>::to_vec), expected, "{folder:?} {path:?}");
        };
        check(&["d"], &["top", "d", "a"], Some(&["a"]));
        check(&["d"], &["top", "d"], Some(&[]));
        check(&["d"], &["top", "dd", "a"], None);
        check(&["d"], &["d", "a"], None);
        check(&["d", "e"], &["top", "d", "e", "f", "g"], Some(&["f", "g"]));
        check(&["d", "e"], &["top", "d"], None);
        check(&[], &["top", ".a"], Some(&[".a"]));
        check(&[], &["top"], Some(&[]));
        check(&[], &[], None);
    }
}
