//! The key that controllers know gateways by: a line of a file that both have, or a secret made at start.

use std::{fmt, path::Path, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use crate::watched::{FileError, Watched, read_secret};

/// Shorter keys could be guessed.
const MIN_BYTES: usize = 32;
/// A header holds some kilobytes.
const MAX_BYTES: usize = 1024;
/// The one in use, and the one before or after it.
const MAX_KEYS: usize = 2;

/// One key, or two while one takes the place of the other. The first is the one that is shown, all are taken. Clones share
/// them.
#[derive(Clone)]
pub struct ServiceKeys(Arc<Watched<Keys>>);

/// Not empty.
pub struct Keys(Vec<SecretString>);

impl ServiceKeys {
    /// A file of mode 0600 with one key a line: 32 to 1024 visible ASCII characters each, two at most. To change a key:
    /// add the new one as the second line everywhere, then move it to the first, then take the old one out.
    ///
    /// # Errors
    /// When it cannot be read or breaks one of these rules.
    pub fn in_file(path: &Path) -> Result<(ServiceKeys, Arc<Watched<Keys>>), FileError> {
        let path = path.to_owned();
        let keys = Watched::open(move || {
            let text = String::from_utf8(read_secret(&path)?).unwrap_or_default();
            parse(&text).map_err(|why| FileError::Invalid { path: path.clone(), why })
        })?;
        Ok((ServiceKeys(keys.clone()), keys))
    }

    /// One that is made now, for those who are in one process or are handed it.
    pub fn random() -> ServiceKeys {
        let hex = rand::random::<[u8; MIN_BYTES]>().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        SecretString::from(hex).into()
    }

    /// The key to show.
    pub fn shown(&self) -> SecretString {
        self.0.now().0[0].clone()
    }

    /// Whether it is one of the keys, in a time that does not depend on where the first difference is.
    pub fn admits(&self, shown: &str) -> bool {
        let equal = |key: &SecretString| shown.as_bytes().ct_eq(key.expose_secret().as_bytes());
        self.0.now().0.iter().map(equal).fold(Choice::from(0), |one, other| one | other).into()
    }
}

impl From<SecretString> for ServiceKeys {
    /// One key that stays.
    fn from(key: SecretString) -> ServiceKeys {
        let read = move || Ok(Keys(vec![key.clone()]));
        ServiceKeys(Watched::open(read).expect("it is read from memory"))
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Keys) -> bool {
        // Of two readings of our own file: nobody measures the time of this.
        self.0.iter().map(SecretString::expose_secret).eq(other.0.iter().map(SecretString::expose_secret))
    }
}

impl fmt::Debug for ServiceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceKeys(…)")
    }
}

fn parse(text: &str) -> Result<Keys, String> {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_key =
        |line: &&str| (MIN_BYTES..=MAX_BYTES).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_graphic());
    if lines.is_empty() || lines.len() > MAX_KEYS || !lines.iter().all(is_key) {
        return Err(format!("must hold one or two keys, each a line of {MIN_BYTES} to {MAX_BYTES} visible characters"));
    }
    Ok(Keys(lines.into_iter().map(|line| line.to_owned().into()).collect()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn a_service_key_is_changed_without_a_moment_at_which_a_gateway_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("service.key");
        let write = |text: &str| {
            std::fs::write(&path, text).expect("a file");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("ours");
        };
        write(OLD);
        let (keys, file) = ServiceKeys::in_file(&path).expect("a key");
        let check = |text: &str, shown: &str, admitted: [bool; 2]| {
            write(text);
            file.look();
            assert_eq!(keys.shown().expose_secret(), shown, "{text}");
            assert_eq!([keys.admits(OLD), keys.admits(NEW)], admitted, "{text}");
        };
        check(&format!("{OLD}\n{NEW}\n"), OLD, [true, true]);
        check(&format!("{NEW}\n{OLD}\n"), NEW, [true, true]);
        check(NEW, NEW, [false, true]);
        check("", NEW, [false, true]); // Torn: what was before stays.
        assert!(!keys.admits("") && !keys.admits(&NEW[1..]));
    }

    #[test]
    fn a_key_that_could_be_guessed_or_read_is_refused() {
        let long = "x".repeat(MAX_BYTES + 1);
        for bad in ["", "\n", &OLD[1..], &long, "0123456789abcdef 0123456789abcdef", &format!("{OLD}\n{NEW}\n{OLD}x")] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("service.key");
        std::fs::write(&path, OLD).expect("a file");
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("ours");
            assert_eq!(ServiceKeys::in_file(&path).is_ok(), good, "{mode:o}");
        }
    }
}
