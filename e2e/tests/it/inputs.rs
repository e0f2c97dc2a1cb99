//! Bad input: its status, its message naming the field, and nothing left behind.

use std::time::Duration;

use podling_e2e::{
    archive::{Answer, ArchiveServer, tar_gz},
    podling::Podling,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn a_bad_request_is_refused_with_the_field_and_the_limit_and_leaves_nothing() {
    let podling = Podling::start().await;
    let long = "x".repeat(1001);
    let rows: Vec<(Value, &str)> = vec![
        (json!({}), "command"),
        (json!({ "command": 5 }), "command must be a string"),
        (json!({ "command": long }), "1000"),
        (json!({ "command": "true", "prompt": "x".repeat(10_001) }), "10000"),
        (json!({ "command": "true", "limits": { "pids": 1 } }), "limits.pids"),
        (json!({ "command": "true", "limits": { "pids": "many" } }), "pids"),
        (json!({ "command": "true", "env": { "A B": "c" } }), "env"),
        (json!({ "command": "true", "colour": "red" }), "colour"),
        (json!({ "command": "true", "id": "-bad-" }), "id must be"),
        (json!({ "command": "true", "egress": "yes" }), "egress must be true or false"),
        (json!({ "command": "true", "deadline_seconds": 0 }), "deadline_seconds"),
        (json!({ "command": "true", "code_url": "ftp://x.org/a.tar.gz" }), "Only HTTP and HTTPS"),
        (json!({ "command": "true", "code_url": "http://169.254.169.254/a.tar.gz" }), "Private IP"),
        (json!({ "command": "true", "code_url": "http://10.0.0.1/a.tar.gz" }), "Private IP"),
        (json!({ "command": "true", "code_url": "http://[::1]/a.tar.gz" }), "Private IP"),
        (
            json!({ "command": "true", "code_url": "https://x.org/a.tar.gz", "code_checksum_sha256": "12" }),
            "Invalid SHA-256 checksum format",
        ),
    ];
    for (body, message) in rows {
        let (status, answer) = podling.post("/api/sessions", body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body} {answer}");
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.contains(message), "{body}: {error:?} lacks {message:?}");
        assert!(answer["type"].as_str().is_some_and(|kind| kind.starts_with("urn:podling:problem:")));
    }
    for body in ["{", "[]", "\"x\"", "{\"command\":", "\u{0}"] {
        let request = podling.http.post(format!("{}/api/sessions", podling.url));
        let response = request.header("content-type", "application/json").body(body).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body:?}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let (_, page) = podling.get("/api/sessions").await;
    assert_eq!(page["sessions"], json!([]), "nothing was made");
}

#[tokio::test]
async fn a_wrong_host_or_origin_is_refused_and_foreign_ids_answer_like_unknown_ones() {
    let podling = Podling::start().await;
    let url = format!("{}/api/sessions", podling.url);
    let wrong = [("host", "evil.example"), ("origin", "https://evil.example")];
    for (header, value) in wrong {
        let response = podling.http.get(&url).header(header, value).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{header}: {value}");
    }
    let own = podling.http.get(&url).header("origin", &podling.url).send().await.expect("an answer");
    assert_eq!(own.status(), StatusCode::OK);
    let key = podling.http.get(&url).bearer_auth("podling_0123_wrong").send().await.expect("an answer");
    assert_eq!(key.status(), StatusCode::UNAUTHORIZED, "a wrong key is never taken for the local owner");
    for id in ["unknown", "019ab3c0-0000-7000-8000-000000000000"] {
        for path in [format!("/api/sessions/{id}"), format!("/api/sessions/{id}/log")] {
            assert_eq!(podling.get(&path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn hostile_sources_end_the_session_before_any_code_runs_and_leave_nothing() {
    let good = tar_gz(&[("main.sh", "echo ran", 0o755)]);
    let inner = ArchiveServer::start([("/good.tar.gz", Answer::Body(good.clone()))]).await;
    let server = ArchiveServer::start([
        ("/good.tar.gz", Answer::Body(good)),
        ("/dotdot.tar.gz", Answer::Body(hostile(|tar| entry(tar, "../escape", tar::EntryType::Regular, None)))),
        ("/absolute.tar.gz", Answer::Body(hostile(|tar| entry(tar, "/etc/escape", tar::EntryType::Regular, None)))),
        ("/symlink.tar.gz", Answer::Body(hostile(|tar| entry(tar, "link", tar::EntryType::Symlink, Some("/etc"))))),
        (
            "/hardlink.tar.gz",
            Answer::Body(hostile(|tar| entry(tar, "link", tar::EntryType::Link, Some("/etc/passwd")))),
        ),
        ("/device.tar.gz", Answer::Body(hostile(|tar| entry(tar, "null", tar::EntryType::Char, None)))),
        ("/bomb.tar.gz", Answer::Body(bomb())),
        ("/garbage.tar.gz", Answer::Body(b"no archive at all".to_vec())),
        ("/redirect.tar.gz", Answer::Redirect(inner.url("/good.tar.gz"))),
        ("/metadata.tar.gz", Answer::Redirect("http://169.254.169.254/good.tar.gz".into())),
    ])
    .await;
    let podling = Podling::start_with(&["--allow-source", &server.address.to_string()]).await;
    let wrong_sum = "0".repeat(64);
    for (path, sum, reason) in [
        ("/good.tar.gz", Some(wrong_sum.as_str()), "checksum"),
        ("/dotdot.tar.gz", None, "source"),
        ("/absolute.tar.gz", None, "source"),
        ("/symlink.tar.gz", None, "source"),
        ("/hardlink.tar.gz", None, "source"),
        ("/device.tar.gz", None, "source"),
        ("/bomb.tar.gz", None, "source"),
        ("/garbage.tar.gz", None, "source"),
        ("/redirect.tar.gz", None, "source"),
        ("/metadata.tar.gz", None, "source"),
        ("/missing.tar.gz", None, "source"),
    ] {
        let mut body = json!({ "command": "echo it ran", "code_url": server.url(path) });
        if let Some(sum) = sum {
            body["code_checksum_sha256"] = json!(sum);
        }
        let session = podling.create(body).await;
        let ended = podling.reaches(&session.uid, "ended").await;
        assert_eq!(ended["end_reason"], reason, "{path}: {ended}");
        let output = podling.output(&session.uid).await;
        assert!(output.contains("[fatal]") && !output.contains("it ran\r"), "{path}: {output}");
        podling.released(&session.uid, Duration::from_secs(15)).await;
    }
}

type Tar = tar::Builder<flate2::write::GzEncoder<Vec<u8>>>;

fn hostile(add: fn(&mut Tar)) -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best()));
    add(&mut builder);
    builder.into_inner().expect("memory takes all").finish().expect("memory takes all")
}

/// An entry whose name is written as it stands, which the library's own setters would refuse.
fn entry(tar: &mut Tar, name: &str, kind: tar::EntryType, link: Option<&str>) {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().expect("a GNU header").name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_mode(0o644);
    if let Some(link) = link {
        header.set_link_name(link).expect("a short link");
    }
    header.set_cksum();
    tar.append(&header, std::io::empty()).expect("memory takes all");
}

/// 200 MiB of zeros in 200 KiB: past the ratio of what may come out.
fn bomb() -> Vec<u8> {
    hostile(|tar| {
        let mut header = tar::Header::new_gnu();
        header.set_size(200 << 20);
        header.set_mode(0o644);
        tar.append_data(&mut header, "zeros", std::io::Read::take(std::io::repeat(0), 200 << 20))
            .expect("memory takes all");
    })
}
