//! Signing keys in a directory: `00000001-1795315200000.pem`, `00000002-1795401600000.pem`, … Each is named by its number
//! and by when it was made, in milliseconds since the epoch; a name without a time says that it was long ago.
//!
//! Controllers that share the directory share the ring. One at a time makes a key, under the directory's lock; all see it
//! whole or not at all.

use std::{
    ffi::OsStr,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, EncodingKey,
    errors::ErrorKind,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use rsa::{
    RsaPrivateKey,
    pkcs8::{EncodePrivateKey, LineEnding},
};
use rustix::fs::{FlockOperation, flock};

use super::{
    ring::{BoxError, Keeper, Key, Keys, Ring},
    schedule::Schedule,
};

/// RS256 wants 2048 bits at least (RFC 7518, 3.3); more would only make every signature dearer.
const KEY_BITS: usize = 2048;
/// A PEM file is a few kilobytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("signing keys in {} cannot be read or written", .0.display())]
    File(PathBuf, #[source] io::Error),
    #[error("{} must be a plain file with mode 0600", .0.display())]
    Exposed(PathBuf),
    #[error("{} holds no RSA key in PKCS#8 PEM", .0.display())]
    NotAKey(PathBuf, #[source] jsonwebtoken::errors::Error),
    #[error("{} must be named by its number and by when it was made, such as 00000001-1795315200000.pem", .0.display())]
    NotAName(PathBuf),
    #[error("no signing key could be made")]
    Generate(#[source] rsa::pkcs8::Error),
}

/// The directory of a ring.
pub struct KeyFiles {
    directory: Arc<Path>,
}

/// A key that was read.
pub struct FileKey {
    place: Place,
    /// Kept whole: to read and check it takes longer than to sign with it.
    pair: RsaKeyPair,
}

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    number: u64,
    made_at: Timestamp,
    path: PathBuf,
}

/// The ring of the keys in a directory.
pub type KeyRing = Ring<KeyFiles>;

impl KeyRing {
    /// Reads the keys, and makes the first one where there is none.
    ///
    /// # Errors
    /// When a key cannot be read or made, or others could have read it.
    pub async fn open(directory: PathBuf, schedule: Schedule) -> Result<KeyRing, BoxError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(|error| KeyFileError::File(directory.clone(), error))?;
        Ring::of(KeyFiles { directory: directory.into() }, schedule).await
    }
}

#[async_trait]
impl Keeper for KeyFiles {
    type Handle = FileKey;

    async fn list(&self, known: &Keys<FileKey>) -> Result<Keys<FileKey>, BoxError> {
        let (directory, known) = (Arc::clone(&self.directory), known.clone());
        blocking(move || list(&directory, &known)).await
    }

    async fn make(&self, known: &Keys<FileKey>) -> Result<(), BoxError> {
        let directory = Arc::clone(&self.directory);
        let last = known.last().map_or(0, |key| key.handle.place.number);
        blocking(move || make(&directory, last)).await
    }

    async fn sign(&self, key: Arc<Key<FileKey>>, message: String) -> Result<Vec<u8>, BoxError> {
        // 0.2 ms of arithmetic, which would hold up everything else on its thread.
        blocking(move || {
            let pair = &key.handle.pair;
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)?;
            Ok::<_, aws_lc_rs::error::Unspecified>(signature)
        })
        .await
    }

    async fn forget(&self, key: &Key<FileKey>) -> Result<(), BoxError> {
        let path = key.handle.place.path.clone();
        blocking(move || match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(KeyFileError::File(path, error)),
            _ => Ok(()),
        })
        .await
    }
}

async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, BoxError>
where
    T: Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await.map_err(BoxError::from)?;
    done.map_err(Into::into)
}

fn list(directory: &Path, known: &Keys<FileKey>) -> Result<Keys<FileKey>, KeyFileError> {
    let mut keys = Keys::new();
    for place in places(directory)? {
        match known.iter().find(|key| key.handle.place == place) {
            Some(key) => keys.push(Arc::clone(key)),
            None => keys.extend(read(place)?.map(Arc::new)),
        }
    }
    Ok(keys)
}

fn places(directory: &Path) -> Result<Vec<Place>, KeyFileError> {
    let failed = |error| KeyFileError::File(directory.to_owned(), error);
    let mut places = Vec::new();
    for entry in directory.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension() == Some(OsStr::new("pem")) {
            places.push(Place::of(&path).ok_or(KeyFileError::NotAName(path))?);
        }
    }
    places.sort();
    Ok(places)
}

impl Place {
    fn of(path: &Path) -> Option<Place> {
        let stem = path.file_stem()?.to_str()?;
        let (number, made_at) = match stem.split_once('-') {
            Some((number, millis)) => (number, Timestamp::from_millisecond(millis.parse().ok()?).ok()?),
            None => (stem, Timestamp::UNIX_EPOCH),
        };
        Some(Place { number: number.parse().ok()?, made_at, path: path.to_owned() })
    }

    fn new(directory: &Path, number: u64, made_at: Timestamp) -> Place {
        let path = directory.join(format!("{number:08}-{}.pem", made_at.as_millisecond()));
        Place { number, made_at, path }
    }
}

/// One that another controller has just removed is no key any more.
fn read(place: Place) -> Result<Option<Key<FileKey>>, KeyFileError> {
    let path = &place.path;
    let failed = |error| KeyFileError::File(path.clone(), error);
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() || about.mode() & 0o077 != 0 {
        return Err(KeyFileError::Exposed(path.clone()));
    }
    let mut pem = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut pem).map_err(failed)?;
    let (pair, jwk) = parse(&pem).map_err(|error| KeyFileError::NotAKey(path.clone(), error))?;
    Ok(Some(Key { made_at: place.made_at, jwk, handle: FileKey { place, pair } }))
}

/// The key and its public half, named by its RFC 7638 thumbprint.
fn parse(pem: &[u8]) -> Result<(RsaKeyPair, Jwk), jsonwebtoken::errors::Error> {
    let key = EncodingKey::from_rsa_pem(pem)?;
    let pair = RsaKeyPair::from_der(key.as_bytes());
    let pair = pair.map_err(|rejected| ErrorKind::InvalidRsaKey(rejected.to_string()))?;
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256)?;
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
    Ok((pair, jwk))
}

/// Makes the key behind number `last`, unless there is one already. It is made before the lock is taken, as that takes
/// longest, and named by the time when it can be seen.
fn make(directory: &Path, last: u64) -> Result<(), KeyFileError> {
    let failed = |error| KeyFileError::File(directory.to_owned(), error);
    let pem = generate()?;
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(directory.join("lock"));
    let lock = lock.map_err(failed)?;
    // Held for a file's writing; the kernel releases it however its holder ends.
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    if places(directory)?.last().is_some_and(|place| place.number > last) {
        return Ok(());
    }
    write(&Place::new(directory, last + 1, Timestamp::now()).path, pem.as_bytes()).map_err(failed)
}

fn generate() -> Result<rsa::pkcs8::der::zeroize::Zeroizing<String>, KeyFileError> {
    let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, KEY_BITS).map_err(|_| rsa::pkcs8::Error::KeyMalformed);
    key.and_then(|key| key.to_pkcs8_pem(LineEnding::LF)).map_err(KeyFileError::Generate)
}

/// Written aside and moved into place: whoever looks sees a whole key or none.
fn write(path: &Path, pem: &[u8]) -> io::Result<()> {
    let aside = path.with_extension(format!("{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(pem)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

#[cfg(test)]
mod tests;
