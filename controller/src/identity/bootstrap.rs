//! The first key of an empty store, written to a file that only its owner may read.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use podling_session::{
    principal::{Principal, Role},
    scopes::Scopes,
    store::{NewKey, PrincipalStore, StoreError},
};
use secrecy::ExposeSecret;

use super::{ApiKey, api_key::NotAKey};
use crate::seal::Seal;

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("the bootstrap key file {} cannot be used", .0.display())]
    File(PathBuf, #[source] io::Error),
    #[error("{} exists and holds no API key", .0.display())]
    NotAKey(PathBuf, #[source] NotAKey),
    #[error("{} must be a plain file of this user with mode 0600", .0.display())]
    Exposed(PathBuf),
    #[error("the store of principals failed")]
    Store(#[from] StoreError),
}

/// Gives a store without keys its first: an operator's, whose sessions are those of the local owner. `false` when the
/// store has keys, whereupon no file is left that was not there before.
///
/// The file comes before the row, and a file that is there is taken up, so that a crash between the two leaves neither
/// a key that nobody knows nor a second one.
pub async fn bootstrap_key(keys: &dyn PrincipalStore, seal: &Seal, path: &Path) -> Result<bool, BootstrapError> {
    let (key, made) = on_disk(path.to_owned()).await?;
    let added = keys.add_first_key(&first(&key, seal)).await;
    if made && !matches!(added, Ok(true)) {
        tokio::fs::remove_file(path).await.map_err(|error| BootstrapError::File(path.to_owned(), error))?;
    }
    Ok(added?)
}

fn first(key: &ApiKey, seal: &Seal) -> NewKey {
    NewKey {
        id: key.id().to_owned(),
        hash: key.hash(seal),
        owner: Principal::local_owner().owner,
        role: Role::Operator,
        scopes: Scopes::of(Role::Operator),
        name: "bootstrap".to_owned(),
        life: None,
    }
}

/// The key of the file, and whether the file was made just now.
async fn on_disk(path: PathBuf) -> Result<(ApiKey, bool), BootstrapError> {
    let work = tokio::task::spawn_blocking(move || match write_new(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&path).map(|key| (key, false)),
        Err(error) => Err(BootstrapError::File(path, error)),
        Ok(key) => Ok((key, true)),
    });
    work.await.expect("reading and writing a file does not panic")
}

fn write_new(path: &Path) -> io::Result<ApiKey> {
    let key = ApiKey::random();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", key.expose().expose_secret())?;
    file.sync_all()?;
    Ok(key)
}

fn read(path: &Path) -> Result<ApiKey, BootstrapError> {
    let failed = |error| BootstrapError::File(path.to_owned(), error);
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path).map_err(failed)?;
    // A file that others could have put here would make their key an operator's.
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() || about.mode() & 0o077 != 0 || about.uid() != rustix::process::geteuid().as_raw() {
        return Err(BootstrapError::Exposed(path.to_owned()));
    }
    let text = read_text(file).map_err(failed)?;
    text.trim().parse().map_err(|error| BootstrapError::NotAKey(path.to_owned(), error))
}

fn read_text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text)?;
    Ok(text)
}
