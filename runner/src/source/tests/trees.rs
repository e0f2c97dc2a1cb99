//! Trees of GitHub: which part of the path is the branch, and the folder that comes of it.

use tar::{Builder, EntryType};

use super::{
    Event, Outcome, Try, names,
    server::{Server, Then, ok, redirect, status},
    tars::{add, gzip},
};

fn repository() -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    add(&mut tar, EntryType::XGlobalHeader, b"pax_global_header", 0o644, b"");
    for (kind, name, text) in [
        (EntryType::Directory, "r-abc/", ""),
        (EntryType::Regular, "r-abc/README.md", "top"),
        (EntryType::Symlink, "r-abc/link", ""),
        (EntryType::Regular, "r-abc/docs/.hidden", "1"),
        (EntryType::Regular, "r-abc/docs/guide/a.md", "a"),
        (EntryType::Regular, "r-abc/docs/guide/.b/c", "c"),
        (EntryType::Regular, "r-abc/docs/guidelines/x", "x"),
        (EntryType::Regular, "r-abc/other/deep/file", "x"),
    ] {
        add(&mut tar, kind, name.as_bytes(), 0o644, text.as_bytes());
    }
    gzip(&tar.into_inner().expect("finished"))
}

/// GitHub with these branches of `o/r`.
async fn github(branches: &'static [&'static str]) -> Server {
    Server::start(move |path| {
        let branch = path.strip_prefix("/github/o/r/tar.gz/").unwrap_or_default();
        let known = branches.contains(&branch);
        (if known { ok(&repository()) } else { status("404 Not Found") }, Then::Close)
    })
    .await
}

async fn fetch(server: &Server, path: &str) -> Outcome {
    Try { url: format!("https://github.com/o/r/tree/{path}"), ..Try::of(server) }.run().await
}

#[tokio::test]
async fn the_folder_of_a_tree_is_extracted_alone_with_its_dotfiles() {
    let server = github(&["main", "feature/new/ui"]).await;
    let check = async |path: &str, reference: &str, folder: &str, expected: &[&str]| {
        let outcome = fetch(&server, path).await;
        assert!(outcome.result.is_ok(), "{path} {:?}", outcome.result);
        let found = Event::Found { reference: reference.to_owned(), folder: folder.to_owned() };
        assert!(outcome.events.contains(&found), "{path} {:?}", outcome.events);
        assert_eq!(names(outcome.work.path()), expected, "{path}");
    };
    let guide = ["guide/", "guide/.b/", "guide/.b/c", "guide/a.md"];
    let below_guide = [".b/", ".b/c", "a.md"];
    check("main/docs/guide", "main", "docs/guide", &below_guide).await;
    check("feature/new/ui/docs/guide/", "feature/new/ui", "docs/guide", &below_guide).await;
    check("main/other/deep", "main", "other/deep", &["file"]).await;
    let docs = [&[".hidden"], &guide[..], &["guidelines/", "guidelines/x"]].concat();
    check("main/docs", "main", "docs", &docs).await;
}

#[tokio::test]
async fn the_longest_branch_that_exists_is_meant() {
    let server = github(&["a", "a/docs"]).await;
    let outcome = fetch(&server, "a/docs/guide").await;
    assert!(outcome.events.contains(&Event::Found { reference: "a/docs".into(), folder: "guide".into() }));
    outcome.failed("there are no files in the folder guide");
    let asked = server.asked();
    assert!(asked.len() == 2 && asked[0].starts_with("GET /github/o/r/tar.gz/a/docs/guide "), "{asked:?}");
}

#[tokio::test]
async fn a_branch_that_is_not_there_is_looked_for_a_few_times_only() {
    let server = github(&[]).await;
    let path = (0..20).map(|n| n.to_string()).collect::<Vec<_>>().join("/");
    fetch(&server, &path).await.failed("o/r has no branch, tag or commit with which 0/1/2");
    assert_eq!(server.asked().len(), 8);
}

#[tokio::test]
async fn links_count_where_they_are_wanted() {
    let server = github(&["main"]).await;
    fetch(&server, "main").await.failed("entry \"r-abc/link\": symbolic links are not allowed");
    fetch(&server, "main/README.md").await.failed("the path names no file");
    fetch(&server, "main/link").await.failed("symbolic links");
    fetch(&server, "main/nothing").await.failed("there are no files in the folder nothing");
}

#[tokio::test]
async fn other_answers_than_not_found_are_not_tried_around() {
    let server = Server::start(|_| (status("429 Too Many Requests"), Then::Close)).await;
    fetch(&server, "a/b/c").await.failed("429");
    assert_eq!(server.asked().len(), 1);
    let server = Server::start(|_| (redirect("http://169.254.169.254/"), Then::Close)).await;
    fetch(&server, "a/b").await.failed("Private IP addresses are not allowed: 169.254.169.254");
}

#[tokio::test]
async fn the_operators_choice_of_archives_needs_no_place_on_the_allowlist() {
    let server = github(&["main"]).await;
    let url = "https://github.com/o/r/tree/main/docs".to_owned();
    let outcome = Try { url, domains: "github.com", ..Try::of(&server) }.run().await;
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
}
