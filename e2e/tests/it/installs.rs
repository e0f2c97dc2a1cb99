//! What a source needs is installed before its command runs: by the real tools, in the sandbox, without a network.

use std::time::Duration;

use podling_e2e::{
    archive::{Answer, ArchiveServer, tar_gz},
    podling::Podling,
};
use serde_json::{Value, json};

/// A tool that has to be fetched, built or linked before the command can use it.
struct Project {
    path: &'static str,
    files: &'static [(&'static str, &'static str, u32)],
    command: &'static str,
    /// What the log says of the installation.
    install: &'static str,
}

const NODE_PACKAGE: (&str, &str, u32) =
    ("greeter/package.json", r#"{"name":"greeter","version":"1.0.0","bin":{"greet":"greet.js"}}"#, 0o644);
const NODE_PROGRAM: (&str, &str, u32) = ("greeter/greet.js", "#!/usr/bin/env node\nconsole.log('greetings')\n", 0o755);
const NODE_PROJECT: (&str, &str, u32) =
    ("package.json", r#"{"name":"x","version":"1.0.0","dependencies":{"greeter":"file:greeter"}}"#, 0o644);
const NODE_LOCK: &str = r#"{"name":"x","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{
"":{"name":"x","version":"1.0.0","dependencies":{"greeter":"file:greeter"}},
"greeter":{"version":"1.0.0","bin":{"greet":"greet.js"}},
"node_modules/greeter":{"resolved":"greeter","link":true}}}"#;

/// A build backend of the project's own (PEP 517), as there is no network to fetch another from.
const PYTHON_BACKEND: &str = r#"
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = 'greeter-1.0-py3-none-any.whl'
    with zipfile.ZipFile(f'{folder}/{name}', 'w') as wheel:
        wheel.writestr('greeter.py', 'def main(): print("greetings")\n')
        wheel.writestr('greeter-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n')
        wheel.writestr('greeter-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        wheel.writestr('greeter-1.0.dist-info/entry_points.txt', '[console_scripts]\ngreet = greeter:main\n')
        wheel.writestr('greeter-1.0.dist-info/RECORD', '')
    return name
"#;
const PYTHON_PROJECT: &str = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";

const PROJECTS: [Project; 6] = [
    Project {
        path: "/ci.tar.gz",
        files: &[NODE_PROJECT, NODE_PACKAGE, NODE_PROGRAM, ("package-lock.json", NODE_LOCK, 0o644)],
        command: "node_modules/.bin/greet",
        install: "Installing: npm ci (found package-lock.json)",
    },
    Project {
        path: "/npm.tar.gz",
        files: &[NODE_PROJECT, NODE_PACKAGE, NODE_PROGRAM],
        command: "npx greet",
        install: "Installing: npm install (found package.json)",
    },
    Project {
        path: "/requirements.tar.gz",
        files: &[
            ("requirements.txt", "--no-index\n./greeter\n", 0o644),
            ("greeter/pyproject.toml", PYTHON_PROJECT, 0o644),
            ("greeter/backend.py", PYTHON_BACKEND, 0o644),
        ],
        command: "greet",
        install: "~/venv/bin/pip install -r requirements.txt (found requirements.txt)",
    },
    Project {
        path: "/pyproject.tar.gz",
        files: &[("pyproject.toml", PYTHON_PROJECT, 0o644), ("backend.py", PYTHON_BACKEND, 0o644)],
        command: "python3 -c 'import greeter; greeter.main()'",
        install: "~/venv/bin/pip install . (found pyproject.toml)",
    },
    Project {
        path: "/cargo.tar.gz",
        files: &[
            ("Cargo.toml", "[package]\nname = 'x'\nversion = '1.0.0'\n[dependencies]\ny = { path = 'y' }\n", 0o644),
            ("src/main.rs", "fn main() {}", 0o644),
            ("y/Cargo.toml", "[package]\nname = 'y'\nversion = '1.0.0'\n", 0o644),
            ("y/src/lib.rs", "", 0o644),
        ],
        command: "grep -q 'name = \"y\"' Cargo.lock && echo greetings",
        install: "Installing: cargo fetch (found Cargo.toml)",
    },
    Project {
        path: "/go.tar.gz",
        files: &[
            ("go.mod", "module x\n\ngo 1.19\n\nrequire y v1.0.0\n\nreplace y => ./y\n", 0o644),
            ("main.go", "package main\n\nimport \"y\"\n\nfunc main() { println(y.Word) }\n", 0o644),
            ("y/go.mod", "module y\n\ngo 1.19\n", 0o644),
            ("y/y.go", "package y\n\nconst Word = \"greetings\"\n", 0o644),
        ],
        command: "go list -m -f '{{.Dir}}' y && echo greetings",
        install: "Installing: go mod download (found go.mod)",
    },
];

async fn serve(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> (ArchiveServer, Podling) {
    let server = ArchiveServer::start(answers).await;
    let podling = Podling::start_with(&["--allow-source", &server.address.to_string()]).await;
    (server, podling)
}

async fn ended(podling: &Podling, body: Value) -> (Value, String) {
    let session = podling.create(body).await;
    let ended = podling.reaches_within(&session.uid, "ended", Duration::from_secs(120)).await;
    (ended, podling.output(&session.uid).await)
}

#[tokio::test]
async fn what_a_source_needs_is_told_from_its_files_and_found_by_its_command() {
    let archives = PROJECTS.iter().map(|project| (project.path, Answer::Body(tar_gz(project.files))));
    let (server, podling) = serve(archives).await;
    let podling = &podling;
    let running = PROJECTS.iter().map(|project| {
        let body = json!({ "code_url": server.url(project.path), "command": project.command, "egress": false });
        async move { (project, ended(podling, body).await) }
    });
    for (project, (end, output)) in futures_util::future::join_all(running).await {
        assert_eq!((&end["end_reason"], &end["exit_code"]), (&json!("exit"), &json!(0)), "{}: {output}", project.path);
        assert!(output.contains(project.install), "{}: {output}", project.path);
        let (_, after) = output.split_once("Installed in ").expect("it tells how long it took");
        assert!(after.contains("greetings\r\n"), "{}: {output}", project.path);
    }
}

#[tokio::test]
async fn an_install_cmd_replaces_what_the_files_tell() {
    let files = tar_gz(&[("package.json", r#"{"dependencies":{"left-pad":"1.3.0"}}"#, 0o644)]);
    let (server, podling) = serve([("/x.tar.gz", Answer::Body(files))]).await;
    let mut body = json!({ "code_url": server.url("/x.tar.gz"), "command": "echo ran", "egress": false });
    body["install_cmd"] = json!("true");
    let (end, output) = ended(&podling, body.clone()).await;
    assert_eq!(end["exit_code"], 0, "{output}");
    assert!(
        output.contains("Installing: true\r\n") && !output.contains("npm") && output.ends_with("ran\r\n"),
        "{output}"
    );

    body["install_cmd"] = Value::Null;
    let (end, output) = ended(&podling, body).await;
    assert_eq!((&end["end_reason"], &end["exit_code"]), (&json!("install"), &json!(4)), "{output}");
    let detail = end["detail"].as_str().expect("a sentence");
    assert!(detail.contains("npm install. The session has no network"), "{detail}");
    assert!(output.contains("[fatal]\u{1b}[m The installation") && !output.contains("ran\r\n"), "{output}");
}

#[tokio::test]
async fn without_a_source_nothing_is_detected() {
    let podling = Podling::start().await;
    let (_, output) = ended(&podling, json!({ "command": "echo ran" })).await;
    assert_eq!(output, "ran\r\n");
}
