use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Source {
    Source::parse(text, None).expect(text)
}

fn rule(text: &str) -> String {
    let error = Source::parse(text, None).expect_err(text);
    assert_eq!(error.field, "code_url");
    error.message
}

#[test]
fn an_archive_is_known_by_the_end_of_its_path() {
    let check = |text: &str, expected: Format| match parsed(text) {
        Source::Archive { format, .. } => assert_eq!(format, expected, "{text}"),
        other => panic!("{text} is {other:?}"),
    };
    check("https://x.org/a.zip", Format::Zip);
    check("https://x.org/a.tar.gz", Format::TarGz);
    check("http://x.org:81/a.b/c.tgz?signature=1", Format::TarGz);
    check("https://x.org/a.tar.zst", Format::TarZst);
    check("https://x.org/A.ZIP", Format::Zip);
    check("https://github.com/o/r/archive/refs/heads/a/b.tar.gz", Format::TarGz);
    check("https://github.com/o/r/releases/download/v1/x.zip", Format::Zip);
}

#[test]
fn a_github_tree_keeps_its_path_whole() {
    let check = |text: &str, path: &[&str], again: &str| {
        let Source::GitHubTree(tree) = parsed(text) else { panic!("{text} is no tree") };
        assert_eq!((tree.owner(), tree.repo(), tree.path()), ("o", "r", &path.map_owned()[..]));
        assert_eq!(parsed(text).to_string(), again);
    };
    check("https://github.com/o/r/tree/main", &["main"], "https://github.com/o/r/tree/main");
    check(
        "http://www.github.com/o/r/tree/f/x/.d/e/?tab=a#b",
        &["f", "x", ".d", "e"],
        "https://github.com/o/r/tree/f/x/.d/e",
    );
    check("https://github.com/o/r/tree/a%20b%25c", &["a b%c"], "https://github.com/o/r/tree/a%20b%25c");
    check("https://github.com/o/r/tree/f%2Fx//d", &["f", "x", "d"], "https://github.com/o/r/tree/f/x/d");
    check("https://github.com/o/r/tree/x/y.zip", &["x", "y.zip"], "https://github.com/o/r/tree/x/y.zip");
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for &[&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|name| (*name).to_owned()).collect()
    }
}

#[test]
fn what_else_has_a_path_is_a_repository() {
    for text in [
        "https://x.org/o/r",
        "https://x.org/r.git",
        "http://x.org:3000/a/b/c.git/",
        "https://github.com/o/r",
        "https://github.com/o/r.git",
        "https://x.org/o/r/tree/main",
        "https://github.com:8443/o/r/tree/main",
        "https://github.com.x.org/o/r/tree/main",
    ] {
        assert!(matches!(parsed(text), Source::Repository { .. }), "{text}");
    }
}

#[test]
fn what_names_nothing_to_fetch_is_refused_with_its_rule() {
    let check = |text: &str, part: &str| assert!(rule(text).contains(part), "{text}: {}", rule(text));
    check("", "Invalid URL format");
    check("not a url", "Invalid URL format");
    check("https://", "Invalid URL format");
    check("git@github.com:o/r.git", "Invalid URL format");
    for scheme in ["ftp", "file", "ssh", "git", "ext", "data", "javascript", "gopher"] {
        check(&format!("{scheme}://x.org/a.zip"), "Only HTTP and HTTPS protocols are allowed");
    }
    check("ext::sh -c id", "Only HTTP and HTTPS protocols are allowed");
    check("https://u:p@x.org/a.zip", "user name or password");
    check("https://u@x.org/r.git", "user name or password");
    check("https://x.org/", "names no archive");
    check("https://github.com/o", "names no archive");
    check("https://github.com/o/r/blob/main/a", "names no archive");
    check("https://x.org/a?b=c.zip", "query");
    check("https://x.org/r.git#main", "fragment");
    check("https://github.com/o/r/tree/", "without its branch");
    check("https://github.com/o/r/tree", "without its branch");
    check("https://github.com/o%2Fp/r/tree/main", "[A-Za-z0-9._-]");
    check("https://github.com/o/.../tree/main", "[A-Za-z0-9._-]");
    check("https://github.com/o/r/tree/a%2F..%2Fb", "..");
    check("https://github.com/o/r/tree/a%0Ab", "control");
    check("https://github.com/o/r/tree/a%00b", "control");
    check("https://github.com/o/r/tree/%FF", "UTF-8");
    check(&format!("https://github.com/o/r/tree/{}", "d/".repeat(65)), "64 segments");
    check("bundle:sha256:12", "64 hex digits");
    check("bundle:md5:12", "Only HTTP and HTTPS");
}

#[test]
fn a_checksum_goes_with_archives_alone() {
    let sum = || Checksum::parse(&"AB".repeat(32)).expect("64 hex digits");
    assert_eq!(sum().as_str(), "ab".repeat(32));
    let archive = Source::parse("https://x.org/a.zip", Some(sum())).expect("an archive");
    assert_eq!(archive.checksum(), Some(&sum()));
    let bundle = format!("bundle:sha256:{}", "AB".repeat(32));
    assert_eq!(parsed(&bundle).checksum(), Some(&sum()));
    for text in ["https://github.com/o/r/tree/main", "https://x.org/r.git", &bundle] {
        let error = Source::parse(text, Some(sum())).expect_err(text);
        assert_eq!(error.field, "code_checksum_sha256");
    }
    for text in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"ä".repeat(32)] {
        assert_eq!(Checksum::parse(text).expect_err(text).message, "Invalid SHA-256 checksum format");
    }
}

#[test]
fn people_are_not_shown_what_may_be_a_signature() {
    let shown = |text: &str| parsed(text).shown();
    assert_eq!(shown("https://x.org/a.tgz?signature=secret#part"), "https://x.org/a.tgz");
    assert_eq!(shown("https://x.org/r.git"), "https://x.org/r.git");
}

#[test]
fn sources_that_were_stored_before_there_were_kinds_are_read() {
    let sum = "ab".repeat(32);
    let read = |json: &str| serde_json::from_str::<Source>(json).expect(json);
    let old = read(&format!(r#"{{"url":"https://x.org/a.tgz?s=1","checksum":"{sum}"}}"#));
    assert_eq!(old, Source::parse("https://x.org/a.tgz?s=1", Checksum::parse(&sum).ok()).expect("an archive"));
    assert_eq!(read(r#"{"url":"https://x.org/a.tgz","checksum":null}"#), parsed("https://x.org/a.tgz"));
    assert!(serde_json::from_str::<Source>(r#"{"url":"file:///etc/passwd","checksum":null}"#).is_err());
}

/// Texts near to those that mean something.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("https://"),
        Just("http://"),
        Just("github.com"),
        Just("x.org"),
        Just("/"),
        Just("/tree/"),
        Just("o"),
        Just(".git"),
        Just(".zip"),
        Just(".tar.gz"),
        Just("?"),
        Just("#"),
        Just("@"),
        Just(":"),
        Just("%2F"),
        Just("%2e%2e"),
        Just(".."),
        Just("\\"),
        Just("bundle:sha256:"),
        Just("127.0.0.1"),
        Just("[::1]"),
        Just("ü"),
    ];
    let pieces = prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat());
    let near = pieces.clone().prop_map(|rest| format!("https://github.com/o/r/tree/{rest}"));
    prop_oneof![any::<String>(), pieces.clone(), pieces.prop_map(|rest| format!("https://{rest}")), near]
}

proptest! {
    #[test]
    fn whatever_is_taken_is_plain_http_and_means_the_same_when_it_is_read_again(text in texts()) {
        let Ok(source) = Source::parse(&text, None) else { return Ok(()) };
        let again = Source::parse(&source.to_string(), None);
        prop_assert_eq!(again.as_ref(), Ok(&source));
        let stored = serde_json::to_string(&source).expect("it is plain data");
        prop_assert_eq!(&serde_json::from_str::<Source>(&stored).expect("it was stored"), &source);
        if let Some(url) = source.url() {
            prop_assert!(matches!(url.scheme(), "http" | "https"));
            prop_assert!(url.host().is_some() && url.username().is_empty() && url.password().is_none());
        }
        if let Source::GitHubTree(tree) = &source {
            prop_assert!(!tree.path().is_empty() && tree.path().len() <= MAX_TREE_SEGMENTS);
            for name in tree.path() {
                prop_assert!(!matches!(name.as_str(), "" | "." | "..") && !name.contains('/'));
            }
        }
    }
}
