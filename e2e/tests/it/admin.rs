//! What operators do, as `podling admin` and as gRPC clients of other languages that know the service by reflection alone.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Stdio, time::Duration};

use podling_e2e::{
    form::{Form, only_embedded},
    operator::ran,
    podling::{Podling, Session, binary},
    viewer::Viewer,
    wait::until,
    workspace::e2e,
};
use podling_servers::{Certificates, certificates, free_port};
use podling_session::id::AttachNonce;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};

const PATIENCE: Duration = Duration::from_secs(60);

/// `{"alg":"none"}`, such as the emulator of Firebase makes.
const UNSIGNED: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJvbmUiLCJhdWQiOiJkZW1vLXgifQ.";

/// Where a controller of this Podling serves operators, and the file of its certificate.
fn service(podling: &Podling) -> (String, std::path::PathBuf) {
    let entry = std::fs::read_dir(podling.data_dir().join("admin")).expect("it is told").next();
    let told = std::fs::read(entry.expect("by one").expect("readable").path()).expect("readable");
    let told: Value = serde_json::from_slice(&told).expect("JSON");
    let certificate = podling.home().join("admin.pem");
    std::fs::write(&certificate, told["certificate"].as_str().expect("a certificate")).expect("room");
    (told["address"].as_str().expect("an address").trim_start_matches("https://").to_owned(), certificate)
}

async fn walk(podling: &Podling, session: &Session, program: &Path, script: &str) {
    let (address, certificate) = service(podling);
    let mut command = Command::new(program);
    command.arg(e2e().join(script)).arg(address).arg(certificate);
    command.arg(podling.data_dir().join("operator.key")).arg(&session.uid).args([&session.token, UNSIGNED]);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    assert!(ran(command).await.contains("walked"));
}

#[tokio::test]
async fn clients_of_two_other_languages_walk_the_admin_api_by_reflection() {
    let podling = Podling::start().await;
    let session = podling.create(json!({ "command": "sleep 600", "labels": { "walk": "yes" } })).await;
    podling.reaches(&session.uid, "running").await;
    let recorded = async || {
        let found = podling.admin(&["audit", "--action", "session.create"]).await;
        if found.is_empty() { Err(found) } else { Ok(()) }
    };
    until("the create is in the audit", PATIENCE, recorded).await;
    walk(&podling, &session, Path::new("node"), "grpc/walk.mjs").await;
    let python = e2e().join("python/venv/bin/python");
    walk(&podling, &session, &python, "python/walk_admin.py").await;
}

#[tokio::test]
async fn an_operator_sees_and_ends_everybodys_sessions_and_every_step_is_in_the_audit() {
    let podling = Podling::start().await;
    let made = &podling.admin(&["keys", "create", "test:claim:acme", "--subject", "ann"]).await[0];
    let key = made["secret"].as_str().expect("it is told once").to_owned();
    let as_ann = |request: reqwest::RequestBuilder| request.bearer_auth(&key).header("x-request-id", "anns-own");
    let created = as_ann(podling.http.post(format!("{}/api/sessions", podling.url)));
    let session: Value =
        created.json(&json!({ "command": "sleep 600" })).send().await.expect("an answer").json().await.expect("JSON");
    let uid = session["uid"].as_str().expect("a session").to_owned();
    let listed = podling.admin(&["sessions", "--tenant", "test:claim:acme"]).await;
    assert_eq!((listed.len(), &listed[0]["uid"], &listed[0]["subject"]), (1, &json!(uid), &json!("ann")));
    let killed = &podling.admin(&["kill", &uid, "--reason", "Too loud."]).await[0];
    assert_eq!((&killed["end_reason"], &killed["detail"]), (&json!("admin"), &json!("Too loud.")));
    let seen = as_ann(podling.http.get(format!("{}/api/sessions/{uid}", podling.url))).send().await.expect("an answer");
    assert_eq!(seen.json::<Value>().await.expect("JSON")["end_reason"], "admin");
    let id = made["key"]["id"].as_str().expect("an id");
    podling.admin(&["keys", "revoke", id]).await;
    let refused = as_ann(podling.http.get(format!("{}/api/sessions", podling.url))).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

    let told = until("the audit tells all of it", 2 * PATIENCE, async || {
        let told = podling.admin(&["audit"]).await;
        let done = |action: &str| told.iter().any(|record| record["action"] == action);
        match ["key.create", "session.create", "session.kill", "key.revoke", "auth.refuse"]
            .iter()
            .all(|action| done(action))
        {
            true => Ok(told),
            false => Err(told.len()),
        }
    })
    .await;
    let of = |action: &str| told.iter().find(|record| record["action"] == action).expect("it is there");
    let create = of("session.create");
    assert_eq!((&create["subject"], &create["uid"]), (&json!("ann"), &json!(uid)));
    assert_eq!((&create["request_id"], &create["address"]), (&json!("anns-own"), &json!("127.0.0.1")));
    assert_eq!((&of("session.kill")["role"], &of("session.kill")["detail"]), (&json!("operator"), &json!("Too loud.")));
    assert_eq!(of("auth.refuse")["outcome"], "refused");
    let whole = Value::from(told.clone()).to_string();
    assert!(!whole.contains(&key) && !whole.contains(&podling.operator_key()), "the audit holds a key");
}

#[tokio::test]
async fn whoever_is_no_operator_is_told_what_to_do() {
    let podling = Podling::start().await;
    let made = &podling.admin(&["keys", "create", "test:claim:acme"]).await[0];
    for (key, words) in [(made["secret"].as_str().expect("told once"), "for operators"), ("podling_0_0", "credential")]
    {
        let mut command = Command::new(binary());
        command.args(["admin", "stats", "--data-dir"]).arg(podling.data_dir()).env("PODLING_API_KEY", key);
        let output = timeout(PATIENCE, command.output()).await.expect("in time").expect("it can be started");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(125));
        assert!(said.contains(words) && said.contains("PODLING_API_KEY"), "{said}");
    }
    let gateways = Form::of_this_run().controllers(); // There are as many of each.
    until("every gateway is counted", PATIENCE, async || {
        let stats = podling.admin(&["stats"]).await;
        if stats[0]["gateways"] == gateways { Ok(()) } else { Err(stats) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_told_to_drain_hands_its_viewers_over_and_ends() {
    let podling = Podling::start_in(Form::Replicated, &[]).await;
    let gateways = until("both gateways report", PATIENCE, async || {
        let gateways = podling.admin(&["gateways"]).await;
        if gateways.len() == 2 { Ok(gateways) } else { Err(gateways) }
    })
    .await;
    let session = podling.run("echo ready; read -r line; echo \"got $line\"; exit 3").await;
    let mut viewer = Viewer::attach(&podling.url, &session.uid, &session.token, AttachNonce::random()).await;
    viewer.sees("ready").await;
    for gateway in &gateways {
        let id = gateway["id"].as_str().expect("an id");
        let told = &podling.admin(&["drain", id]).await[0];
        assert!(told["drain_ordered_at"].is_string(), "{told}");
        let gone = async || {
            let now = podling.admin(&["gateways"]).await;
            let left: Vec<_> = now.iter().filter(|gateway| gateway["id"] == id).cloned().collect();
            if left.is_empty() && now.len() == 2 { Ok(()) } else { Err(now) }
        };
        until("it is gone and another in its place", PATIENCE, gone).await;
    }
    assert_eq!(viewer.to_end().await.code, 1001);
    let (_, token) = viewer.resume.clone().expect("every stream begins with it");
    let mut again = Viewer::resume(&podling.url, &session.uid, &token, viewer.offset).await;
    again.type_in("hello\n").await;
    again.sees("got hello").await;
}

#[tokio::test]
async fn an_attach_is_in_the_audit_under_the_viewers_own_request_id() {
    let podling = Podling::start().await;
    let session = podling.run("sleep 600").await;
    let url = format!("{}/ws/{}", podling.url.replace("http", "ws"), session.uid);
    let mut request = url.into_client_request().expect("a request");
    let offered = format!("bearer, {}", session.token);
    request.headers_mut().insert("sec-websocket-protocol", offered.parse().expect("a value"));
    request.headers_mut().insert("x-request-id", "viewers-own".parse().expect("a value"));
    let (_socket, response) = connect_async(request).await.expect("it opens");
    assert_eq!(response.headers()["x-request-id"], "viewers-own");
    let attach = until("the attach is in the audit", PATIENCE, async || {
        let found = podling.admin(&["audit", "--action", "session.attach", "--session", &session.uid]).await;
        if found.len() == 1 { Ok(found[0].clone()) } else { Err(found) }
    })
    .await;
    assert_eq!((&attach["request_id"], &attach["address"]), (&json!("viewers-own"), &json!("127.0.0.1")));
    assert_eq!((&attach["source"], &attach["subject"]), (&json!("session-token"), &json!("owner")));
}

#[tokio::test]
async fn where_operators_come_with_certificates_one_of_the_authority_is_enough_and_another_opens_nothing() {
    if only_embedded("two controllers of one machine cannot both serve operators on one port") {
        return;
    }
    let (ours, others, folder) = (certificates(), certificates(), tempfile::tempdir().expect("a directory"));
    let written = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).expect("room");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("our own file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let free = format!("127.0.0.1:{}", free_port());
    let (authority, certificate, key) =
        (written("ca.pem", &ours.ca), written("server.pem", &ours.certificate), written("server.key", &ours.key));
    let tls = ["--admin-tls-cert", &certificate, "--admin-tls-key", &key, "--admin-client-ca", &authority];
    let podling = Podling::start_with(&[&["--admin-listen", &free], &tls[..]].concat()).await;
    let ask = async |own: Option<&Certificates>| {
        let mut command = Command::new(binary());
        command.args(["admin", "stats", "--json", "--admin", &format!("https://{free}"), "--admin-ca", &authority]);
        if let Some(Certificates { certificate, key, .. }) = own {
            command.args(["--admin-cert", &written("own.pem", certificate), "--admin-key", &written("own.key", key)]);
        } else {
            command.arg("--api-key-file").arg(podling.data_dir().join("operator.key"));
        }
        // There is no key in this data directory.
        command.arg("--data-dir").arg(folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(PATIENCE, command.output()).await.expect("in time").expect("it can be started");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (served, said) = ask(Some(&ours)).await;
    assert!(served, "{said}");
    for own in [Some(&others), None] {
        let (served, said) = ask(own).await;
        assert!(!served, "{said}");
    }
}
