//! Archives with a checksum, kept for the next session of this machine.
//!
//! They lie in `cache/` of the data directory, where no command sees them. Each is found by its URL and checksum
//! together: who knows the one and not the other gets nothing by it. The content is hashed again whenever it is used.
//! Whoever puts one in makes room first, the longest unused going, so that no more than the limit is ever kept.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use podling_session::source::Checksum;
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tracing::warn;
use url::Url;

use super::intake::{blocking, hex};

/// The front of names of what is not complete yet.
const PART: &str = ".part-";
/// No fetch takes so long: a part of this age is of a runner that was killed.
const ABANDONED: Duration = Duration::from_secs(3_600);

#[derive(Clone, Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// The most bytes in it.
    limit: u64,
}

impl Cache {
    pub(crate) fn new(dir: PathBuf, limit: u64) -> Cache {
        Cache { dir, limit }
    }

    /// What was kept of this URL and checksum, which may be anything.
    pub(super) fn open(&self, url: &Url, checksum: &Checksum) -> Option<File> {
        let file = File::open(self.path(url, checksum)).ok()?;
        let _ = file.set_modified(SystemTime::now()); // Who may not note the use may use it.
        Some(file)
    }

    /// A file for an archive on its way; `None` where none can be made, which is worth a warning and no more.
    pub(super) fn part(&self) -> Option<NamedTempFile> {
        let part = tempfile::Builder::new().prefix(PART).tempfile_in(&self.dir);
        part.inspect_err(|error| warn!(%error, "the cache of sources cannot be written to")).ok()
    }

    /// Keeps an archive that is what its checksum says.
    pub(super) async fn keep(&self, url: &Url, checksum: &Checksum, archive: TempPath) {
        let (cache, path) = (self.clone(), self.path(url, checksum));
        let kept = blocking(move || {
            let bytes = fs::metadata(&archive)?.len();
            if cache.make_room(bytes)? {
                archive.persist(path).map_err(|error| error.error)?;
            }
            Ok(())
        });
        if let Err(error) = kept.await {
            warn!(%error, "a source could not be kept for the next session");
        }
    }

    fn path(&self, url: &Url, checksum: &Checksum) -> PathBuf {
        let mut hash = Sha256::new();
        hash.update(checksum.as_str());
        hash.update(url.as_str());
        self.dir.join(hex(&hash.finalize()))
    }

    /// Removes what has to go for so many bytes more. `false` when they are more than the limit.
    fn make_room(&self, bytes: u64) -> io::Result<bool> {
        let Some(mut room) = self.limit.checked_sub(bytes) else { return Ok(false) };
        let mut kept = self.kept()?;
        kept.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
        for (_, bytes, path) in kept {
            match room.checked_sub(bytes) {
                Some(left) => room = left,
                None => remove(&path)?,
            }
        }
        Ok(true)
    }

    /// Last use, length and path of each; what was abandoned is removed.
    fn kept(&self) -> io::Result<Vec<(SystemTime, u64, PathBuf)>> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let Ok(about) = entry.metadata() else { continue }; // Another runner has just removed it.
            let used = about.modified()?;
            let is_part = entry.file_name().as_encoded_bytes().starts_with(PART.as_bytes());
            match is_part {
                false => kept.push((used, about.len(), entry.path())),
                true if used.elapsed().is_ok_and(|age| age > ABANDONED) => remove(&entry.path())?,
                true => {}
            }
        }
        Ok(kept)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().expect(text)
    }

    fn sum(digit: &str) -> Checksum {
        Checksum::parse(&digit.repeat(64)).expect("64 hex digits")
    }

    async fn put(cache: &Cache, name: &str, bytes: usize, age: u64) {
        let mut part = cache.part().expect("a file");
        part.write_all(&vec![b'x'; bytes]).expect("written");
        cache.keep(&url(name), &sum("a"), part.into_temp_path()).await;
        if let Ok(file) = File::options().write(true).open(cache.path(&url(name), &sum("a"))) {
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("set");
        }
    }

    fn has(cache: &Cache, name: &str) -> bool {
        cache.path(&url(name), &sum("a")).exists()
    }

    #[tokio::test]
    async fn an_archive_is_found_by_its_url_and_checksum_together() {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(dir.path().to_owned(), 100);
        put(&cache, "http://a/x", 3, 0).await;
        let mut found = cache.open(&url("http://a/x"), &sum("a")).expect("kept");
        let mut text = String::new();
        found.read_to_string(&mut text).expect("readable");
        assert_eq!(text, "xxx");
        assert!(cache.open(&url("http://a/y"), &sum("a")).is_none());
        assert!(cache.open(&url("http://a/x"), &sum("b")).is_none());
    }

    #[tokio::test]
    async fn the_longest_unused_goes_when_there_is_no_room() {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(dir.path().to_owned(), 100);
        put(&cache, "http://a/old", 40, 300).await;
        put(&cache, "http://a/used", 40, 200).await;
        let part = cache.part().expect("a file").into_temp_path();
        cache.open(&url("http://a/old"), &sum("a")).expect("kept");
        put(&cache, "http://a/new", 50, 0).await;
        assert!(has(&cache, "http://a/old") && !has(&cache, "http://a/used") && has(&cache, "http://a/new"));
        assert!(part.exists());
        put(&cache, "http://a/huge", 101, 0).await;
        assert!(!has(&cache, "http://a/huge") && has(&cache, "http://a/new"));
    }

    #[tokio::test]
    async fn what_a_killed_runner_left_goes() {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(dir.path().to_owned(), 100);
        let left = dir.path().join(".part-left");
        File::create(&left).expect("made").set_modified(SystemTime::now() - 2 * ABANDONED).expect("set");
        put(&cache, "http://a/x", 1, 0).await;
        assert!(!left.exists() && has(&cache, "http://a/x"));
    }
}
