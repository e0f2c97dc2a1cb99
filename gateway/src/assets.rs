//! The browser's files, built into the binary, and the terminal page.
//!
//! The page names its files under a version that is the hash of them all, so that browsers may keep them for ever and
//! a new release is never mixed with an old one.

use std::{fmt::Write as _, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use rust_embed::{EmbeddedFile, RustEmbed};

/// Where the files are.
pub(crate) const PREFIX: &str = "/assets/";

/// What stands in a page for the place of its files.
const PLACE: &str = "{{assets}}";

#[derive(RustEmbed)]
#[folder = "../web/src"]
#[prefix = "src/"]
struct Ours;

#[derive(RustEmbed)]
#[folder = "../web/vendor"]
#[prefix = "vendor/"]
struct Vendored;

/// 64 bits of the hash over all names and contents.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for name in Ours::iter().chain(Vendored::iter()) {
        let file = get(&name).map(|file| file.metadata.sha256_hash()).unwrap_or_default();
        hasher.update(name.as_bytes());
        hasher.update(&file);
    }
    hex(&hasher.finish().as_ref()[..8])
});

fn get(name: &str) -> Option<EmbeddedFile> {
    Ours::get(name).or_else(|| Vendored::get(name))
}

/// What the browser may load and do: our own files, and nothing else. xterm.js sets styles inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; object-src 'none'";

const PAGE_HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
];

/// The terminal page: the same bytes for every session and every query.
pub(crate) fn terminal_page() -> Response<Full<Bytes>> {
    page(StatusCode::OK, "src/terminal.html")
}

/// What a browser shows for a path that names no session.
pub(crate) fn not_found_page() -> Response<Full<Bytes>> {
    page(StatusCode::NOT_FOUND, "src/not-found.html")
}

fn page(status: StatusCode, name: &str) -> Response<Full<Bytes>> {
    let file = get(name).expect("the pages are embedded; a test opens both");
    let text = String::from_utf8_lossy(&file.data).replace(PLACE, &format!("{PREFIX}{}", *VERSION));
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    for (name, value) in PAGE_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A file by its path after [`PREFIX`], with or without the version in front; none when there is no such file.
pub(crate) fn file(path: &str, request: &HeaderMap) -> Option<Response<Full<Bytes>>> {
    let (name, versioned) = match path.split_once('/') {
        Some((version, rest)) if version == *VERSION => (rest, true),
        // Of another release, or without a version: right now, but not for ever.
        Some((first, rest)) if is_version(first) => (rest, false),
        _ => (path, false),
    };
    let file = get(name).filter(|_| !name.ends_with(".html"))?;
    Some(answer(&file, versioned, request))
}

fn answer(file: &EmbeddedFile, versioned: bool, request: &HeaderMap) -> Response<Full<Bytes>> {
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    let fresh = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let fresh = fresh.flat_map(|tags| tags.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    let keep = if versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::ETAG, HeaderValue::try_from(tag).expect("hexadecimal digits in quotes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let kind = file.metadata.mimetype();
    if let Ok(kind) = HeaderValue::try_from(if kind.starts_with("text/") {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    }) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Full::new(Bytes::from(file.data.to_vec()));
    }
    response
}

fn is_version(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Writing to a string cannot fail.
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_carry_their_policy_and_name_versioned_files() {
        for (page, status) in [(terminal_page(), 200), (not_found_page(), 404)] {
            assert_eq!(page.status(), status);
            assert!(
                page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("ASCII").contains("default-src 'none'")
            );
            assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
        }
    }

    #[test]
    fn a_file_is_kept_for_ever_under_its_version_and_checked_without() {
        let none = HeaderMap::new();
        let kept = file(&format!("{}/src/main.mjs", *VERSION), &none).expect("there");
        assert_eq!(kept.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert!(kept.headers()[header::CONTENT_TYPE].to_str().expect("ASCII").contains("javascript"));
        let checked = file("src/main.mjs", &none).expect("there");
        assert_eq!(checked.headers()[header::CACHE_CONTROL], "no-cache");
        let mut known = HeaderMap::new();
        known.insert(header::IF_NONE_MATCH, checked.headers()[header::ETAG].clone());
        assert_eq!(file("src/main.mjs", &known).expect("there").status(), StatusCode::NOT_MODIFIED);
        for absent in ["src/terminal.html", "../Cargo.toml", "", "package.json", "0123456789abcdef/nothing.mjs"] {
            assert!(file(absent, &none).is_none(), "{absent}");
        }
    }
}
