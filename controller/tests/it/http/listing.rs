//! Pages, and what they are filtered by.

use serde_json::{Value, json};

use super::app::App;

fn ids(page: &Value) -> Vec<String> {
    let sessions = page["sessions"].as_array().expect("sessions");
    sessions.iter().map(|session| session["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn pages_follow_each_other_from_the_youngest_on() {
    let app = App::start().await;
    for number in 0..5 {
        app.create(&json!({ "command": "true", "id": format!("s{number}") })).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = app.get(&format!("/api/sessions?limit=2{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        assert_eq!(page["count"].as_u64(), Some(ids(&page).len() as u64));
        seen.extend(ids(&page));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["s4", "s3", "s2", "s1", "s0"]);
}

#[tokio::test]
async fn a_listing_is_filtered_by_phase_and_by_every_label() {
    let app = App::start().await;
    for (id, team, stage) in [("a", "x", "dev"), ("b", "x", "prod"), ("c", "y", "dev")] {
        app.create(&json!({ "command": "true", "id": id, "labels": { "team": team, "stage": stage } })).await;
    }
    app.post("/api/sessions/b/stop", &json!({})).await;
    for (query, expected) in [
        ("label=team=x", vec!["b", "a"]),
        ("label=team=x&label=stage=dev", vec!["a"]),
        ("phase=ended", vec!["b"]),
        ("phase=pending&label=stage=dev", vec!["c", "a"]),
        ("label=team=z", vec![]),
    ] {
        let (_, page) = app.get(&format!("/api/sessions?{query}")).await;
        assert_eq!(ids(&page), expected, "{query}");
    }
    let too_many = ["label=team=x"; 33].join("&");
    for bad in ["phase=gone", "label=team", "limit=0", "limit=1001", "cursor=x", "offset=3", &too_many] {
        assert_eq!(app.get(&format!("/api/sessions?{bad}")).await.0, 400, "{bad}");
    }
}
