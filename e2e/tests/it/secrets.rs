//! Secrets reach the command and nothing else.

use std::{fs, path::Path, time::Duration};

use podling_e2e::{podling::Podling, process::with_argument, viewer::Viewer};
use serde_json::json;

const SECRET: &str = "planted-4f1c9e-secret";

#[tokio::test]
async fn a_dump_of_store_data_directory_logs_and_arguments_holds_no_planted_secret_and_no_token() {
    let mut podling = Podling::start_with(&["--log", "trace"]).await;
    let body = json!({
        "command": "test \"$API_KEY\" = planted-4f1c9e-\"secret\" && echo it is there; read x",
        "install_cmd": "echo install has \"${API_KEY-nothing}\"",
        "secrets": { "API_KEY": SECRET },
    });
    let session = podling.create(body).await;
    let mut viewer = Viewer::of(&podling, &session).await;
    viewer.sees("install has nothing").await;
    viewer.sees("it is there").await;
    for listed in [format!("/api/sessions/{}", session.uid), "/api/sessions".to_owned()] {
        let (_, shown) = podling.get(&listed).await;
        assert!(!shown.to_string().contains(SECRET), "{listed} shows it");
    }
    let resume = viewer.resume.clone().expect("a resume token").1;
    let planted = [SECRET, session.token.as_str(), resume.as_str()];
    nowhere(&podling, &planted).await;
    assert_eq!(with_argument(SECRET), [], "not in any argument while it runs");
    viewer.type_in("\n").await;
    viewer.to_end().await;
    podling.released(&session.uid, Duration::from_secs(15)).await;
    nowhere(&podling, &planted).await;
    podling.terminate().await;
    nowhere(&podling, &planted).await;
}

async fn nowhere(podling: &Podling, planted: &[&str]) {
    let mut looked_at = 0;
    scan(podling.home(), &mut |path, bytes| {
        looked_at += 1;
        for secret in planted {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds {secret}", path.display());
        }
    });
    assert!(looked_at > 3, "the store, a key and a log at the least");
    for row in podling.store.dump().await {
        for secret in planted {
            let bytes: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(!row.contains(secret) && !row.contains(&bytes), "a row holds {secret}: {row}");
        }
    }
}

fn scan(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => scan(&entry.path(), look),
            Ok(kind) if kind.is_file() => look(&entry.path(), &fs::read(entry.path()).unwrap_or_default()),
            _ => {}
        }
    }
}
