//! Where a session's code comes from: what `code_url` names, parsed once, at the edge.
//!
//! On the wire and in the store a source stays the text of its `code_url` and its checksum; [`Source`] says what that
//! text means. Which hosts may be asked for it is told by [`crate::code_hosts`].

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::spec::InvalidField;

/// The most segments behind `/tree/`: no folder that can be extracted lies deeper.
const MAX_TREE_SEGMENTS: usize = 64;
/// A bundle's address, in front of the SHA-256 of its bytes.
const BUNDLE: &str = "bundle:sha256:";

/// SHA-256 of a source as 64 lower case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checksum(String);

impl Checksum {
    pub fn parse(text: &str) -> Result<Checksum, InvalidField> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Checksum(text.to_ascii_lowercase()));
        }
        Err(InvalidField::new("code_checksum_sha256", "Invalid SHA-256 checksum format"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How an archive is packed, told by the end of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Zip,
    /// `.tar.gz` or `.tgz`.
    TarGz,
    TarZst,
}

impl Format {
    pub fn of_path(path: &str) -> Option<Format> {
        let path = path.to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
        match () {
            () if ends(&[".zip"]) => Some(Format::Zip),
            () if ends(&[".tar.gz", ".tgz"]) => Some(Format::TarGz),
            () if ends(&[".tar.zst"]) => Some(Format::TarZst),
            () => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Format::Zip => ".zip",
            Format::TarGz => ".tar.gz",
            Format::TarZst => ".tar.zst",
        }
    }
}

/// Where the code comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub enum Source {
    Archive {
        url: Url,
        format: Format,
        checksum: Option<Checksum>,
    },
    GitHubTree(GitHubTree),
    /// To be cloned by git over http or https.
    Repository {
        url: Url,
    },
    /// A folder that was uploaded before, as `.tar.zst` with this SHA-256.
    Bundle(Checksum),
}

/// `https://github.com/{owner}/{repo}/tree/{path}`. A branch may have slashes in its name, so that where it ends and
/// the folder begins is only known to GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHubTree {
    owner: String,
    repo: String,
    path: Vec<String>,
}

impl GitHubTree {
    /// `[A-Za-z0-9._-]`, as the name of the repository is.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// The names behind `/tree/`, decoded, at least one: those of the branch, tag or commit, then those of the folder.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    fn url(&self) -> Url {
        let mut url = Url::parse("https://github.com").expect("it is a URL");
        let mut segments = url.path_segments_mut().expect("https URLs have a path");
        segments.extend([self.owner.as_str(), &self.repo, "tree"]).extend(&self.path);
        drop(segments);
        url
    }
}

impl Source {
    /// Tells what a `code_url` names.
    ///
    /// # Errors
    /// When it names nothing that can be fetched, or something that has no bytes for a checksum to be of.
    pub fn parse(text: &str, checksum: Option<Checksum>) -> Result<Source, InvalidField> {
        match (Source::parse_url(text)?, checksum) {
            (Source::Archive { url, format, .. }, checksum) => Ok(Source::Archive { url, format, checksum }),
            (other, None) => Ok(other),
            (_, Some(_)) => Err(InvalidField::new(
                "code_checksum_sha256",
                "code_checksum_sha256 goes with archives: .zip, .tar.gz, .tgz or .tar.zst",
            )),
        }
    }

    fn parse_url(text: &str) -> Result<Source, InvalidField> {
        if let Some(hash) = text.strip_prefix(BUNDLE) {
            let named = Checksum::parse(hash).map_err(|_| refused("a bundle is bundle:sha256: and 64 hex digits"))?;
            return Ok(Source::Bundle(named));
        }
        let url = Url::parse(text).map_err(|_| refused("Invalid URL format"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("Only HTTP and HTTPS protocols are allowed"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("code_url must not carry a user name or password"));
        }
        let names: Vec<&str> = url.path_segments().into_iter().flatten().filter(|name| !name.is_empty()).collect();
        if let (true, [owner, repo, "tree", path @ ..]) = (is_github(&url), &names[..]) {
            return tree(owner, repo, path);
        }
        if let Some(format) = Format::of_path(url.path()) {
            return Ok(Source::Archive { url, format, checksum: None });
        }
        if names.is_empty() || is_github(&url) && names.len() != 2 {
            return Err(refused("code_url names no archive (.zip, .tar.gz, .tgz, .tar.zst), tree or repository"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("code_url of a repository must not have a query or a fragment"));
        }
        Ok(Source::Repository { url })
    }

    /// What is asked for it; nothing for a bundle, which is here.
    pub fn url(&self) -> Option<Url> {
        match self {
            Source::Archive { url, .. } | Source::Repository { url } => Some(url.clone()),
            Source::GitHubTree(tree) => Some(tree.url()),
            Source::Bundle(_) => None,
        }
    }

    pub fn checksum(&self) -> Option<&Checksum> {
        match self {
            Source::Archive { checksum, .. } => checksum.as_ref(),
            Source::GitHubTree(_) | Source::Repository { .. } => None,
            Source::Bundle(checksum) => Some(checksum),
        }
    }

    /// For people: without query and fragment, which may be what makes it secret.
    pub fn shown(&self) -> String {
        match self {
            Source::Archive { url, .. } => {
                let mut url = url.clone();
                url.set_query(None);
                url.set_fragment(None);
                url.into()
            }
            other => other.to_string(),
        }
    }
}

/// As `code_url` says it. Parsing this gives the same source.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Archive { url, .. } | Source::Repository { url } => write!(f, "{url}"),
            Source::GitHubTree(tree) => write!(f, "{}", tree.url()),
            Source::Bundle(checksum) => write!(f, "{BUNDLE}{}", checksum.as_str()),
        }
    }
}

fn refused(rule: &str) -> InvalidField {
    InvalidField::new("code_url", rule)
}

fn is_github(url: &Url) -> bool {
    let named = matches!(url.host(), Some(Host::Domain("github.com" | "www.github.com")));
    named && url.port().is_none()
}

fn tree(owner: &str, repo: &str, path: &[&str]) -> Result<Source, InvalidField> {
    if !is_github_name(owner) || !is_github_name(repo) {
        return Err(refused("code_url has a GitHub owner or repository that is not [A-Za-z0-9._-]"));
    }
    let mut names = Vec::new();
    for segment in path {
        let decoded = percent_decode_str(segment).decode_utf8();
        let decoded = decoded.map_err(|_| refused("code_url has a tree whose path is not UTF-8"))?;
        names.extend(decoded.split('/').filter(|name| !name.is_empty()).map(str::to_owned));
    }
    if names.is_empty() {
        return Err(refused("code_url names a tree without its branch, tag or commit"));
    }
    if names.len() > MAX_TREE_SEGMENTS {
        return Err(refused(&format!("code_url names a tree of more than {MAX_TREE_SEGMENTS} segments")));
    }
    if names.iter().any(|name| matches!(name.as_str(), "." | "..") || name.contains(char::is_control)) {
        return Err(refused("code_url names a tree by a path with ., .. or a control character"));
    }
    Ok(Source::GitHubTree(GitHubTree { owner: owner.to_owned(), repo: repo.to_owned(), path: names }))
}

fn is_github_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    name.bytes().all(plain) && name.bytes().any(|b| b != b'.')
}

/// The shape that stored specifications have, from before there were other sources than archives.
#[derive(Serialize, Deserialize)]
struct Stored {
    url: String,
    checksum: Option<Checksum>,
}

impl From<Source> for Stored {
    fn from(source: Source) -> Stored {
        let url = source.to_string();
        // A bundle's stands in its address.
        let checksum = if let Source::Archive { checksum, .. } = source { checksum } else { None };
        Stored { url, checksum }
    }
}

impl TryFrom<Stored> for Source {
    type Error = InvalidField;

    fn try_from(stored: Stored) -> Result<Source, InvalidField> {
        Source::parse(&stored.url, stored.checksum)
    }
}

#[cfg(test)]
mod tests;
