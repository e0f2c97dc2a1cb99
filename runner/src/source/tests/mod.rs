//! The whole way, from a URL to a work folder, against a server that misbehaves on demand.

mod corpus;
mod extracting;
mod fetching;
mod formats;
mod mutating;
mod resuming;
mod server;
mod tars;
mod trees;
mod zips;

use std::{path::Path, time::Duration};

use podling_session::{
    address::AllowedSource,
    code_hosts::CodeHosts,
    phase::Stage,
    source::{Checksum, Source},
};
use sha2::{Digest, Sha256};

use super::{
    Cache, Event, Fetched, Incoming, Limits, Part, Request, Settings, SourceError, fetch_archive, fetch_tree, receive,
};
use server::Server;

/// Tests that wait for a limit wait for this one.
const SHORT: Duration = Duration::from_millis(200);

/// One fetch and its surroundings; change what the test is about.
struct Try {
    url: String,
    checksum: Option<String>,
    allowed: Vec<AllowedSource>,
    domains: &'static str,
    /// Where trees of GitHub are.
    github: String,
    cache: Option<Cache>,
    limits: Limits,
}

struct Outcome {
    result: Result<Fetched, SourceError>,
    events: Vec<Event>,
    work: tempfile::TempDir,
    scratch: tempfile::TempDir,
}

impl Try {
    /// The server's `/a.tgz`, with the server allowed.
    fn of(server: &Server) -> Try {
        let limits = Limits { connect: Duration::from_secs(5), idle: Duration::from_secs(5), ..Limits::default() };
        let allowed = vec![server.address().to_string().parse().expect("an address is a source")];
        let github = server.url("/github");
        Try { url: server.url("/a.tgz"), checksum: None, allowed, domains: "", github, cache: None, limits }
    }

    async fn run(self) -> Outcome {
        let (work, scratch) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let mut events = Vec::new();
        let checksum = self.checksum.as_ref().map(|text| Checksum::parse(text).expect("a checksum"));
        let source = Source::parse(&self.url, checksum).expect("a source");
        let settings = self.settings();
        let request = Request { into: work.path(), scratch: scratch.path(), settings: &settings, limits: self.limits };
        let tell = &mut |event| events.push(event);
        let result = match &source {
            Source::Archive { url, format, checksum } => {
                fetch_archive(request, (url, *format, checksum.as_ref()), tell).await
            }
            Source::GitHubTree(tree) => fetch_tree(request, tree, tell).await,
            other => panic!("{other:?} is not downloaded"),
        };
        Outcome { result, events, work, scratch }
    }

    fn settings(&self) -> Settings {
        let domains = self.domains.parse().expect("domains");
        Settings {
            hosts: CodeHosts { domains, private: self.allowed.clone() },
            github: self.github.parse().expect("a URL"),
            authorities: Vec::new(),
            authority_file: None,
            cache: self.cache.clone(),
        }
    }
}

impl Outcome {
    fn stages(&self) -> Vec<Stage> {
        let stage = |event: &Event| match event {
            Event::Stage(stage) => Some(*stage),
            _ => None,
        };
        self.events.iter().filter_map(stage).collect()
    }

    /// Asserts a failure whose sentence holds `part`, and that nothing is left of it.
    #[track_caller]
    fn failed(&self, part: &str) {
        let error = self.result.as_ref().expect_err(part);
        let detail = error.end().detail;
        assert!(detail.contains(part), "{detail} lacks {part}");
        assert_eq!(names(self.work.path()), [""; 0], "left behind");
        assert_eq!(names(self.scratch.path()), [""; 0], "left behind");
    }
}

/// Everything below a folder, sorted; folders with a slash at the end.
fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        if entry.file_type().expect("a type").is_dir() {
            found.extend(names(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
            found.push(format!("{name}/"));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
