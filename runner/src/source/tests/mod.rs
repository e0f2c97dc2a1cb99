//! The whole way, from a URL to a work folder, against a server that misbehaves on demand.

mod extracting;
mod fetching;
mod server;

use std::{path::Path, time::Duration};

use podling_session::{
    address::AllowedSource,
    phase::Stage,
    spec::{Checksum, Source},
};
use sha2::{Digest, Sha256};

use super::{Event, Fetched, Limits, Request, SourceError, fetch};
use server::Server;

/// Tests that wait for a limit wait for this one.
const SHORT: Duration = Duration::from_millis(200);

/// One fetch and its surroundings; change what the test is about.
struct Try {
    url: String,
    checksum: Option<String>,
    allowed: Vec<AllowedSource>,
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
        Try { url: server.url("/a.tgz"), checksum: None, allowed, limits }
    }

    async fn run(self) -> Outcome {
        let (work, scratch) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let mut events = Vec::new();
        let checksum = self.checksum.map(|text| Checksum::parse(&text).expect("a checksum"));
        let source = Source { url: self.url.parse().expect("a URL"), checksum };
        let request = Request {
            source: &source,
            into: work.path(),
            scratch: scratch.path(),
            allowed: &self.allowed,
            limits: self.limits,
        };
        let result = fetch(request, &mut |event| events.push(event)).await;
        Outcome { result, events, work, scratch }
    }
}

impl Outcome {
    fn stages(&self) -> Vec<Stage> {
        let stage = |event: &Event| match event {
            Event::Stage(stage) => Some(*stage),
            Event::Progress { .. } => None,
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
