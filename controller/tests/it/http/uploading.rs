//! Bundles: uploaded once, in pieces, and never another tenant's.

use std::time::Duration;

use podling_controller::bundles::{BundleArgs, Bundles};
use reqwest::{Method, Response};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::app::{App, answer, header, send};

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn patch(app: &App, sum: &str, offset: u64, length: u64, bytes: &'static [u8]) -> Response {
    let request = app.request(Method::PATCH, &format!("/api/bundles/{sum}")).body(bytes);
    let request = request.header("content-type", "application/offset+octet-stream");
    send(request.header("upload-offset", offset).header("upload-length", length)).await
}

fn offset(response: &Response) -> Option<u64> {
    header(response, "upload-offset").map(|offset| offset.parse().expect("a number"))
}

async fn limited(change: impl FnOnce(&mut BundleArgs)) -> App {
    let mut limits = BundleArgs::default();
    change(&mut limits);
    App::start_with(|core| {
        let blobs = core.logs.directory(&podling_session::principal::Tenant::local(), life()).expect("a directory");
        let root = blobs.ancestors().nth(4).expect("tenant, uid, incarnation and log below it").to_owned();
        core.bundles = Bundles::in_directory(&root, limits, Duration::from_secs(300));
    })
    .await
}

fn life() -> podling_session::id::Incarnation {
    podling_session::id::Incarnation { uid: podling_session::id::Uid::new(), number: 1 }
}

#[tokio::test]
async fn a_bundle_is_uploaded_in_pieces_and_the_second_time_not_at_all() {
    let app = App::start().await;
    let (whole, sum) = (b"a whole bundle", sum(b"a whole bundle"));
    let path = format!("/api/bundles/{sum}");
    let announcement = json!({ "sha256": sum, "bytes": 14 });
    let announce = || app.post("/api/bundles", &announcement);
    let expected = json!({ "sha256": sum, "code_url": format!("bundle:sha256:{sum}"), "complete": false, "offset": 0, "max_bytes": 512 << 20 });
    assert_eq!(announce().await, (200, expected));
    assert_eq!(send(app.request(Method::HEAD, &path)).await.status(), 404);
    let first = patch(&app, &sum, 0, 14, &whole[..5]).await;
    assert_eq!((first.status().as_u16(), offset(&first)), (204, Some(5)));
    assert_eq!(header(&first, "tus-resumable").as_deref(), Some("1.0.0"));
    let head = send(app.request(Method::HEAD, &path)).await;
    assert_eq!((head.status().as_u16(), offset(&head), header(&head, "upload-length")), (200, Some(5), None));
    assert_eq!(announce().await.1["offset"], 5);
    let wrong = patch(&app, &sum, 0, 14, whole).await;
    assert_eq!((wrong.status().as_u16(), offset(&wrong)), (409, Some(5)));
    let last = patch(&app, &sum, 5, 14, &whole[5..]).await;
    assert_eq!((last.status().as_u16(), offset(&last)), (204, Some(14)));
    let head = send(app.request(Method::HEAD, &path)).await;
    assert_eq!((offset(&head), header(&head, "upload-length").as_deref()), (Some(14), Some("14")));
    let (_, again) = announce().await;
    assert_eq!((&again["complete"], &again["offset"]), (&json!(true), &json!(14)));
    assert_eq!(patch(&app, &sum, 0, 14, whole).await.status(), 204, "it is there");
}

#[tokio::test]
async fn a_refusal_names_the_limit_and_leaves_nothing() {
    let app = limited(|limits| limits.max_bundle_bytes = 10).await;
    let eleven = sum(b"eleven byte");
    let (status, problem) = app.post("/api/bundles", &json!({ "sha256": eleven, "bytes": 11 })).await;
    assert_eq!((status, &problem["type"]), (413, &json!("urn:podling:problem:bundle-too-large")));
    assert!(problem["detail"].as_str().expect("a sentence").contains("10 bytes"), "{problem}");
    assert_eq!(patch(&app, &eleven, 0, 11, b"eleven byte").await.status(), 413);
    let other = patch(&app, &sum(b"hello"), 0, 5, b"jello").await;
    assert_eq!(other.status(), 422);
    assert_eq!(patch(&app, &sum(b"hello"), 0, 5, b"hello, too long").await.status(), 400);
    assert_eq!(send(app.request(Method::HEAD, &format!("/api/bundles/{eleven}"))).await.status(), 404);
    for (body, field) in [(json!({ "sha256": "x", "bytes": 1 }), "sha256"), (json!({ "bytes": 1 }), "sha256")] {
        let (status, problem) = app.post("/api/bundles", &body).await;
        assert!(status == 400 && problem["detail"].as_str().is_some_and(|text| text.contains(field)), "{problem}");
    }
    let bare = app.request(Method::PATCH, &format!("/api/bundles/{eleven}"));
    assert_eq!(answer(bare.body("x")).await.0, 415);
    assert_eq!(answer(app.bare(Method::HEAD, &format!("/api/bundles/{eleven}"))).await.0, 401);
}

#[tokio::test]
async fn a_share_that_is_full_is_507() {
    let app = limited(|limits| limits.max_tenant_bundle_bytes = 8).await;
    assert_eq!(patch(&app, &sum(b"hello"), 0, 5, b"hello").await.status(), 204);
    let refused = patch(&app, &sum(b"world"), 0, 5, b"world").await;
    assert_eq!(refused.status(), 507);
    assert!(refused.text().await.expect("a problem").contains("8 bytes"));
}
