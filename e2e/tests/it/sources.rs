//! Every form of source: what it takes for its files to be in the work folder, and where none may come from.

use std::process::Command;

use podling_e2e::{
    archive::{Answer, ArchiveServer, sha256, tar_gz},
    git::GitServer,
    podling::Podling,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Its session after the end, and what was on its terminal.
async fn run(podling: &Podling, body: Value) -> (Value, String) {
    let session = podling.create(body).await;
    let ended = podling.reaches(&session.uid, "ended").await;
    (ended, podling.output(&session.uid).await)
}

/// Prints every file but git's own, in order, with its content.
const LIST: &str =
    "find . -path ./.git -prune -o -type f -print | LC_ALL=C sort | while read -r f; do echo \"$f=$(cat $f)\"; done";

#[tokio::test]
async fn a_repository_is_cloned_over_http_and_https_and_nothing_of_it_is_run() {
    let modules = "[submodule \"s\"]\n\tpath = s\n\turl = file:///etc\n";
    let files = [
        ("run.sh", "echo it runs"),
        (".hidden", "dot"),
        ("a/b/c", "deep"),
        (".gitmodules", modules),
        (".gitattributes", "big filter=lfs"),
        ("big", "a pointer"),
    ];
    let git = GitServer::start(&files, "").await;
    let authority = git.authority().display().to_string();
    let podling = Podling::start_with(&["--allow-source", "127.0.0.1", "--source-ca", &authority]).await;
    for url in [format!("http://{}/r.git", git.plain), format!("https://{}/r.git", git.secure)] {
        let command = format!("{LIST}; git log --oneline | wc -l; sh ./run.sh; ls -A ~");
        let (ended, output) = run(&podling, json!({ "command": command, "code_url": url })).await;
        assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("exit"), &json!(0)), "{output}");
        for part in ["Cloning ", "./.hidden=dot", "./a/b/c=deep", "./big=a pointer", "\n1\r", "\nit runs\r"] {
            assert!(output.contains(part), "{url}: {part:?} is not in {output}");
        }
        assert!(!output.contains("authorities.pem"), "{output}");
    }
}

#[tokio::test]
async fn git_goes_nowhere_that_a_download_may_not_go() {
    let inside = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = inside.local_addr().expect("bound");
    let git = GitServer::start(&[("a", "b")], &format!("http://{address}")).await;
    let (plain, secure) = (git.plain.to_string(), git.secure.to_string());
    let authority = git.authority().display().to_string();
    let podling =
        Podling::start_with(&["--allow-source", &plain, "--allow-source", &secure, "--source-ca", &authority]).await;
    for (url, part) in [
        (format!("http://{plain}/moved/r.git"), "Private IP addresses are not allowed: 127.0.0.1"),
        (format!("https://{secure}/moved/r.git"), "a redirect leads from https to http"),
        (format!("http://{plain}/none.git"), "git ended with exit code 128"),
    ] {
        let (ended, output) = run(&podling, json!({ "command": "echo it ran", "code_url": url })).await;
        assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("source"), &json!(3)), "{output}");
        let fatal = output.lines().find(|line| line.contains("[fatal]")).unwrap_or_default();
        assert!(fatal.contains(part) && !output.contains("it ran"), "{url}: {output}");
    }
    let asked = futures_util::FutureExt::now_or_never(inside.accept());
    assert!(asked.is_none(), "git reached a host that was not listed");
}

fn archives() -> Vec<(&'static str, Vec<u8>)> {
    let files = [("run.sh", "echo it runs", 0o755), (".hidden", "dot", 0o644), ("a/b/c", "deep", 0o644)];
    let gzip = tar_gz(&files);
    let mut tar = Vec::new();
    std::io::copy(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut tar).expect("it is gzip");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.tgz"), &gzip).expect("written");
    for words in [&["tar", "-xzmf", "a.tgz"][..], &["python3", "-m", "zipfile", "-c", "a.zip", "top"]] {
        let done = Command::new(words[0]).args(&words[1..]).current_dir(folder.path()).status().expect(words[0]);
        assert!(done.success(), "{words:?}");
    }
    vec![
        ("/a.zip", std::fs::read(folder.path().join("a.zip")).expect("made")),
        ("/a.tar.zst", zstd::encode_all(&tar[..], 3).expect("memory takes all")),
        ("/a.tgz", gzip.clone()),
        ("/a.tar.gz", gzip),
    ]
}

#[tokio::test]
async fn every_archive_ends_with_its_files_in_the_work_folder_and_is_fetched_once() {
    let archives = archives();
    let server = ArchiveServer::start(archives.iter().map(|(path, bytes)| (*path, Answer::Body(bytes.clone())))).await;
    let podling = Podling::start_with(&["--allow-source", &server.address.to_string()]).await;
    let body = |path: &str, bytes: &[u8]| {
        let command = format!("pwd; {LIST}");
        json!({ "command": command, "code_url": server.url(path), "code_checksum_sha256": sha256(bytes) })
    };
    for (path, bytes) in &archives {
        let (ended, output) = run(&podling, body(path, bytes)).await;
        assert_eq!(ended["end_reason"], "exit", "{path}: {output}");
        for part in ["./.hidden=dot", "./a/b/c=deep", "./run.sh=echo it runs"] {
            assert!(output.contains(part), "{path}: {part} is not in {output}");
        }
    }
    let (path, bytes) = &archives[0];
    let body = body(path, bytes);
    drop(server);
    let (ended, output) = run(&podling, body).await;
    assert!(ended["end_reason"] == "exit" && output.contains("kept from an earlier session"), "{output}");
}

#[tokio::test]
async fn a_folder_of_a_github_tree_is_found_behind_a_branch_with_slashes() {
    let files = [("docs/guide/.hidden", "dot", 0o644), ("docs/guide/run.sh", "echo guided", 0o755), ("b", "", 0o644)];
    let archive = Answer::Body(tar_gz(&files));
    let server = ArchiveServer::start([("/gh/o/r/tar.gz/feature/new/ui", archive)]).await;
    let source = server.address.to_string();
    let base = server.url("/gh");
    let domains = ["--allowed-code-domains", "github.com", "--github-archives", &base];
    let podling = Podling::start_with(&[&["--allow-source", &source][..], &domains].concat()).await;
    let url = "https://github.com/o/r/tree/feature/new/ui/docs/guide";
    let (ended, output) = run(&podling, json!({ "command": "ls -A; ./run.sh", "code_url": url })).await;
    assert_eq!(ended["end_reason"], "exit", "{output}");
    assert!(output.contains("at feature/new/ui, the folder docs/guide") && output.contains("guided"), "{output}");
    assert!(output.contains(".hidden") && !output.contains("docs\r"), "{output}");
    let (ended, output) =
        run(&podling, json!({ "command": "true", "code_url": "https://github.com/o/r/tree/none/x" })).await;
    assert_eq!((&ended["end_reason"], &ended["exit_code"]), (&json!("source"), &json!(3)), "{output}");
    let (status, answer) =
        podling.post("/api/sessions", json!({ "command": "true", "code_url": "https://evil.com/x" })).await;
    assert_eq!((status.as_u16(), &answer["error"]), (400, &json!("Domain evil.com is not in the allowlist")));
}
