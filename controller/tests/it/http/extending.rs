//! Other deadlines, and what operators say of quotas.

use podling_controller::quotas;
use podling_session::{
    principal::{Owner, Principal},
    quota::{QuotaOf, QuotaOverride},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::app::{Answer, App, answer, command, header, send};

async fn patch(app: &App, id: &str, body: &Value) -> Answer {
    answer(app.request(Method::PATCH, &format!("/api/sessions/{id}")).json(body)).await
}

fn owner() -> Owner {
    Principal::local_owner().owner
}

async fn say(app: &App, of: QuotaOf, said: QuotaOverride) {
    quotas::set(&app.core, &of, &said).await.expect("the store answers");
}

#[tokio::test]
async fn a_patch_gives_another_deadline_within_the_maximum() {
    let app = App::start().await;
    let session = app.create(&command()).await;
    let id = session["id"].as_str().expect("an id");
    let (status, changed) = patch(&app, id, &json!({ "deadline_seconds": 7_200 })).await;
    assert_eq!((status, &changed["deadline_seconds"]), (200, &json!(7_200)));
    assert_eq!(changed["idle_seconds"], session["idle_seconds"]);
    assert_ne!(changed["expires_at"], session["expires_at"]);
    assert_eq!(app.get(&format!("/api/sessions/{id}")).await.1, changed);
    let refused = async |body: Value, field: &str| {
        let (status, problem) = patch(&app, id, &body).await;
        assert_eq!((status, &problem["field"]), (400, &json!(field)), "{problem}");
    };
    refused(json!({ "deadline_seconds": 86_401 }), "deadline_seconds").await;
    refused(json!({ "idle_seconds": 0 }), "idle_seconds").await;
    refused(json!({ "idle_seconds": "soon" }), "idle_seconds").await;
    refused(json!({ "command": "ls" }), "command").await;
    refused(json!({}), "deadline_seconds").await;
    assert_eq!(patch(&app, id, &json!(7)).await.0, 400);
    assert_eq!(patch(&app, "another", &json!({ "idle_seconds": 5 })).await.0, 404);
    app.post(&format!("/api/sessions/{id}/stop"), &json!({})).await;
    let (status, problem) = patch(&app, id, &json!({ "idle_seconds": 5 })).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:podling:problem:session-ended")));
}

#[tokio::test]
async fn what_operators_say_of_an_owner_or_its_tenant_holds_for_its_creates_and_patches() {
    let app = App::start().await;
    let id = app.create(&command()).await["id"].as_str().expect("an id").to_owned();
    let hour = std::time::Duration::from_secs(3_600);
    let tenants = QuotaOverride { sessions: Some(9), max_deadline: Some(hour), ..QuotaOverride::default() };
    say(&app, QuotaOf::Tenant(owner().tenant), tenants).await;
    let (status, problem) = patch(&app, &id, &json!({ "deadline_seconds": 3_601 })).await;
    assert_eq!((status, &problem["error"]), (400, &json!("deadline_seconds must be from 1 to 3600")));
    let long = json!({ "command": "true", "deadline_seconds": 3_601 });
    assert_eq!(app.post("/api/sessions", &long).await.0, 400);
    let owners = QuotaOverride {
        sessions: Some(2),
        creates_per_minute: Some(3),
        max_deadline: Some(hour * 2),
        ..QuotaOverride::default()
    };
    say(&app, QuotaOf::Owner(owner()), owners).await;
    let response = send(app.request(Method::POST, "/api/sessions").json(&long)).await;
    assert_eq!((response.status().as_u16(), header(&response, "ratelimit-limit").as_deref()), (201, Some("3")));
    let (status, problem) = app.post("/api/sessions", &command()).await;
    assert_eq!((status, &problem["type"]), (429, &json!("urn:podling:problem:session-quota")));
    let answer = quotas::get(&app.core, &QuotaOf::Owner(owner())).await.expect("the store answers");
    assert_eq!((answer.said.sessions, answer.effective.sessions), (Some(2), 2));
    assert_eq!(answer.effective.viewers, app.core.settings.quota.viewers);
    // Nothing is said any more, and what holds is the tenant's.
    say(&app, QuotaOf::Owner(owner()), QuotaOverride::default()).await;
    assert_eq!(app.post("/api/sessions", &command()).await.0, 201);
    assert_eq!(quotas::effective(&app.core, &owner()).await.expect("the store answers").sessions, 9);
}

#[tokio::test]
async fn a_quota_that_makes_no_sense_is_refused_and_changes_nothing() {
    let app = App::start().await;
    let wrong = QuotaOverride { creates_per_minute: Some(0), sessions: Some(1), ..QuotaOverride::default() };
    let refused = quotas::set(&app.core, &QuotaOf::Owner(owner()), &wrong).await.expect_err("a refusal");
    assert!(refused.to_string().contains("creates_per_minute"), "{refused}");
    let answer = quotas::get(&app.core, &QuotaOf::Owner(owner())).await.expect("the store answers");
    assert_eq!(answer.said, QuotaOverride::default());
}
