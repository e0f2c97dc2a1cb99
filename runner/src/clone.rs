//! Clones a repository: the git binary, in the sandbox, which has no network but the runner's checked proxy.
//!
//! What git does with a hostile repository it does as the command's user, and nothing of a repository is run: no hooks,
//! no filters, no submodules, no other transports. It is bounded by the sandbox's limits of disk and processes, by the
//! proxy's limit of bytes, and in time.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use podling_session::phase::{End, EndReason};
use tokio::time::sleep;
use tracing::error;
use url::Url;

use crate::{
    program::Programs,
    source::{Limits, Proxy, Settings, SourceError},
};

/// Of all options of git that are not its own defaults.
const OPTIONS: [&str; 12] = [
    "protocol.allow=never",
    "protocol.http.allow=always",
    "protocol.https.allow=always",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "filter.lfs.smudge=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
    "submodule.recurse=false",
    "gc.auto=0",
];
/// Where systems keep the authorities that they trust.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// In the home of the command's user, while git runs.
const AUTHORITIES: &str = ".podling-authorities.pem";
/// What is said when there is no such program, as by a shell.
const NOT_FOUND: i32 = 127;

/// Clones into the work folder. `Err` is how the session ends.
pub(crate) async fn clone(programs: &mut Programs, url: &Url, settings: &Settings) -> Result<(), End> {
    let limits = Limits::default();
    programs.stage.log.print(&format!("Cloning {url}\r\n"));
    let proxy = programs.sandbox.listen(0).await.map_err(io::Error::other);
    let proxy = proxy.and_then(|listener| Proxy::serve(listener, url, settings.hosts.clone(), limits));
    let proxy = proxy.map_err(internal("git's proxy cannot listen"))?;
    let authorities = Authorities::write(settings, programs).map_err(internal("git cannot be told its authorities"))?;
    let home = programs.sandbox.base_env();
    let known = authorities.as_ref().zip(home.get("HOME")).map(|(_, home)| Path::new(home).join(AUTHORITIES));
    let argv = arguments(url, &proxy.url(), known.as_deref());
    let outcome = programs.run_argv(&argv, &environment(home), sleep(limits.total), || {}).await;
    drop(authorities);
    let outcome = outcome.map_err(|error| SourceError::Git(format!("git could not be started: {error}")).end())?;
    match outcome.code {
        _ if outcome.order.is_some() || outcome.breach.is_some() => Err(outcome.end()),
        _ if outcome.late => Err(SourceError::Deadline.end()),
        Some(0) => Ok(()),
        Some(NOT_FOUND) => Err(SourceError::Git("git is not installed".to_owned()).end()),
        Some(code) => {
            let cause = proxy.refusal().unwrap_or(SourceError::Git(format!("git ended with exit code {code}")));
            Err(cause.end())
        }
        None => Err(outcome.end()),
    }
}

fn internal(what: &'static str) -> impl FnOnce(io::Error) -> End {
    move |error| {
        error!(%error, "{what}");
        End::because(EndReason::Internal)
    }
}

/// `git … clone … -- URL .`
fn arguments(url: &Url, proxy: &str, authorities: Option<&Path>) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec!["git".into()];
    let mut option = |text: OsString| argv.extend(["-c".into(), text]);
    for text in OPTIONS {
        option(text.into());
    }
    option(format!("http.proxy={proxy}").into());
    if let Some(file) = authorities {
        let mut text = OsString::from("http.sslCAInfo=");
        text.push(file);
        option(text);
    }
    let clone = ["clone", "--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template="];
    argv.extend(clone.map(Into::into));
    argv.extend(["--progress", "--", url.as_str(), "."].map(Into::into));
    argv
}

/// Nothing of the user's: they may name other transports, proxies and programs.
fn environment(base: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let ours = [
        ("GIT_ALLOW_PROTOCOL", "http:https"),
        ("GIT_ASKPASS", ""),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_LFS_SKIP_SMUDGE", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LANG", "C.UTF-8"),
        ("TERM", "xterm-256color"),
    ];
    base.into_iter().chain(ours.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// The file of authorities in the command's home, which goes when it is dropped.
struct Authorities(PathBuf);

impl Authorities {
    /// The system's and the operator's together, for git takes one file; `None` when the system's will do. A few hundred
    /// kilobytes at most.
    fn write(settings: &Settings, programs: &Programs) -> io::Result<Option<Authorities>> {
        let Some(ours) = &settings.authority_file else { return Ok(None) };
        let mut pem = fs::read(ours)?;
        pem.push(b'\n');
        if let Some(system) = SYSTEM_AUTHORITIES.iter().find_map(|path| fs::read(path).ok()) {
            pem.extend(system);
        }
        let path = programs.sandbox.home_dir().join(AUTHORITIES);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.write_all(&pem)?;
        file.set_permissions(Permissions::from_mode(0o644))?; // Not narrowed by the umask.
        Ok(Some(Authorities(path)))
    }
}

impl Drop for Authorities {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // It is no secret; the sandbox's end takes it.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_no_option_and_git_is_told_its_one_way_out() {
        let url = "https://x.org/r.git".parse().expect("a URL");
        let argv = arguments(&url, "http://127.0.0.1:1", Some(Path::new("/h/a.pem")));
        let words: Vec<_> = argv.iter().map(|word| word.to_string_lossy()).collect();
        let line = words.join(" ");
        assert!(line.ends_with("-- https://x.org/r.git ."), "{line}");
        for part in ["-c http.proxy=http://127.0.0.1:1 ", "-c http.sslCAInfo=/h/a.pem ", "--depth=1"] {
            assert!(line.contains(part), "{line} lacks {part}");
        }
    }
}
