//! The terminal page and its files over HTTP.

use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request, Response};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use podling_session::id::Uid;

use crate::world::World;

async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<String> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(format!("http://{}{path}", world.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<bytes::Bytes>::new()).expect("a request");
    let response = client.request(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Response::from_parts(parts, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn the_page_is_the_same_for_every_session_and_reflects_nothing() {
    let world = World::start().await;
    let page = ask(&world, Method::GET, &format!("/ws/{}", world.uid), &[]).await;
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-type"]),
        (200, &"text/html; charset=utf-8".parse().expect("ASCII"))
    );
    for query in ["token=';alert(1)//", "token=%3Cscript%3Ealert(1)%3C/script%3E", "x=%22onload=alert(1)"] {
        let other = ask(&world, Method::GET, &format!("/ws/{}?{query}", Uid::new()), &[]).await;
        assert_eq!(other.body(), page.body(), "{query}");
    }
    let policy = page.headers()["content-security-policy"].to_str().expect("ASCII");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    for (name, value) in
        [("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff"), ("cache-control", "no-store")]
    {
        assert_eq!(page.headers()[name], value);
    }
    assert!(!page.body().contains("<script>") && !page.body().contains("://"), "no inline script, no other origin");
}

#[tokio::test]
async fn every_file_that_the_page_names_is_there_and_stays() {
    let world = World::start().await;
    let page = ask(&world, Method::GET, &format!("/ws/{}", world.uid), &[]).await;
    let names: Vec<_> = page.body().split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let file = ask(&world, Method::GET, name, &[]).await;
        assert_eq!(file.status(), 200, "{name}");
        assert!(file.headers()["cache-control"].to_str().expect("ASCII").contains("immutable"));
        let tag = file.headers()["etag"].to_str().expect("ASCII").to_owned();
        let again = ask(&world, Method::GET, name, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status().as_u16(), again.body().as_str()), (304, ""));
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let world = World::start().await;
    let uid = world.uid;
    let status = async |method, path: &str| ask(&world, method, path, &[]).await.status().as_u16();
    assert_eq!(status(Method::HEAD, &format!("/ws/{uid}")).await, 200);
    assert_eq!(ask(&world, Method::HEAD, &format!("/ws/{uid}"), &[]).await.body(), "");
    assert_eq!(status(Method::POST, &format!("/ws/{uid}")).await, 405);
    for path in ["/ws/", "/ws/x", "/ws/..%2f..%2fetc", "/assets/", "/assets/../Cargo.toml", "/assets/src/terminal.html"]
    {
        assert_eq!(status(Method::GET, path).await, 404, "{path}");
    }
    let page = ask(&world, Method::GET, "/ws/x", &[("accept", "text/html")]).await;
    assert!(page.status() == 404 && page.body().contains("no such session"));
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "8")];
    assert_eq!(ask(&world, Method::GET, &format!("/ws/{uid}"), &upgrade).await.status(), 400);
}
