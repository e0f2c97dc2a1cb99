//! The checked-in description of the API is the one that is served.

use std::path::Path;

use podling_controller::http::document;
use reqwest::Method;
use serde_json::Value;

use super::app::{App, send};

/// Tests run in the folder of their package.
const CHECKED_IN: &str = "openapi.json";

#[tokio::test]
async fn the_served_description_is_the_one_that_is_checked_in() {
    let app = App::start().await;
    let served = send(app.bare(Method::GET, "/api/openapi.json")).await.text().await.expect("text");
    assert_eq!(served, document());
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
    std::fs::write(&fresh, &served).expect("a place to write to");
    let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap_or_default();
    assert!(served == checked_in, "controller/{CHECKED_IN} is stale: copy {} over it", fresh.display());
}

#[test]
fn every_refusal_is_described_as_a_problem() {
    let api: Value = serde_json::from_str(&document()).expect("JSON");
    assert_eq!(api["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    let create = &api["paths"]["/api/sessions"]["post"];
    for status in ["400", "401", "403", "409", "413", "415", "429", "503"] {
        let schema = &create["responses"][status]["content"]["application/problem+json"]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{status}");
    }
    assert!(api["components"]["schemas"]["Problem"]["properties"]["retryAfter"].is_object());
    let fields = &api["components"]["schemas"]["CreateSession"]["properties"];
    for field in ["command", "code_url", "secrets", "limits", "session_id", "egress"] {
        assert!(fields[field].is_object(), "{field}");
    }
}
