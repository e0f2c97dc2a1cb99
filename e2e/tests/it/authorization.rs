//! Every route of the API, as its description lists them, asked by everybody who may not: all are refused alike, and
//! nothing is changed. `walk_admin.py` does the same with every method that reflection lists.

use std::{collections::BTreeMap, time::Duration};

use podling_e2e::{
    podling::{Podling, Session},
    viewer::Viewer,
    wait::until,
};
use podling_session::id::AttachNonce;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Map, Value, json};

/// Whose everything is that the others are kept from.
const TENANT: &str = "acme:claim:one";
const OTHER_TENANT: &str = "other:claim:one";
const UPLOAD: &str = "application/offset+octet-stream";
/// What strangers may read.
const OPEN: [&str; 6] =
    ["/.well-known/jwks.json", "/api/openapi.json", "/api/shares/redeem", "/healthz", "/readyz", "/servez"];
/// A route, as the description has it.
#[derive(Debug)]
struct Operation {
    id: String,
    method: Method,
    path: String,
    content_type: Option<String>,
    is_open: bool,
    is_administration: bool,
}

impl Operation {
    fn all(api: &Value) -> Vec<Operation> {
        let paths = api["paths"].as_object().expect("paths");
        paths.iter().flat_map(|(path, methods)| of_path(path, methods.as_object().expect("methods"))).collect()
    }

    fn reads(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

fn of_path<'a>(path: &'a str, methods: &'a Map<String, Value>) -> impl Iterator<Item = Operation> + 'a {
    methods.iter().map(move |(method, described)| Operation {
        id: described["operationId"].as_str().unwrap_or_default().to_owned(),
        method: method.to_uppercase().parse().expect("a method"),
        path: path.to_owned(),
        content_type: described["requestBody"]["content"].as_object().and_then(|types| types.keys().next().cloned()),
        is_open: described["security"].as_array().is_some_and(|ways| ways.contains(&json!({}))),
        is_administration: described["tags"].as_array().is_some_and(|tags| tags.contains(&json!("keys"))),
    })
}

/// A server, and what of one tenant's is on it.
struct World {
    podling: Podling,
    session: Session,
    /// What stands in a path for its parameters.
    parameters: BTreeMap<&'static str, String>,
    owner: String,
}

impl World {
    async fn make() -> World {
        let podling = Podling::start_with(&["--creates-per-minute", "1000"]).await;
        let owner = podling.key(&[TENANT, "--subject", "one", "--role", "tenant-admin"]).await;
        let create = podling.http.post(format!("{}/api/sessions", podling.url)).bearer_auth(&owner);
        let made = create.json(&json!({ "command": "cat", "deadline_seconds": 600 })).send().await.expect("an answer");
        assert_eq!(made.status(), StatusCode::CREATED);
        let session = Session::from(made.json::<Value>().await.expect("a session"));
        let bundle = "ab".repeat(32);
        let key = owner.split('_').nth(1).expect("podling_<id>_<secret>").to_owned();
        let parameters = [("{id}", session.uid.clone()), ("{key}", key), ("{sha256}", bundle.clone())].into();
        let mut world = World { podling, session, parameters, owner };
        let shares = format!("/api/sessions/{}/shares", world.session.uid);
        let (_, share) = world.ask(&shares, Method::POST, Some(json!({}))).await;
        world.parameters.insert("{share}", share["id"].as_str().unwrap_or_else(|| panic!("{share}")).to_owned());
        let (status, _) = world.ask("/api/bundles", Method::POST, Some(json!({ "sha256": bundle, "bytes": 4 }))).await;
        assert!(status.is_success());
        let url = format!("{}/api/bundles/{bundle}", world.podling.url);
        let begin = world.podling.http.patch(url).bearer_auth(&world.owner).header("upload-offset", 0);
        let begin = begin.header("upload-length", 4).header("content-type", UPLOAD).body("bo");
        assert_eq!(begin.send().await.expect("an answer").status(), StatusCode::NO_CONTENT);
        world
    }

    async fn ask(&self, path: &str, method: Method, body: Option<Value>) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.podling.url);
        let request = self.podling.http.request(method, url).bearer_auth(&self.owner);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        (status, answer.json().await.unwrap_or_default())
    }

    /// A request that its owner would be served.
    fn request(&self, operation: &Operation) -> RequestBuilder {
        let mut path = operation.path.clone();
        for (name, value) in &self.parameters {
            path = path.replace(name, value);
        }
        assert!(!path.contains('{'), "what stands for the parameters of {path}?");
        let request = self.podling.http.request(operation.method.clone(), format!("{}{path}", self.podling.url));
        // Behind a proxy nobody is the owner of the machine.
        let request = request.header("via", "1.1 test").timeout(Duration::from_secs(30));
        match operation.content_type.as_deref() {
            None => request,
            Some("application/json") => request.json(&self.body(&operation.id)),
            Some(kind) => {
                request.header("content-type", kind).header("upload-offset", 0).header("upload-length", 4).body("body")
            }
        }
    }

    fn body(&self, operation: &str) -> Value {
        match operation {
            "createSession" => json!({ "command": "true" }),
            "extendSession" => json!({ "deadline_seconds": 7200 }),
            "typeInput" => json!({ "text": "TYPED\n" }),
            "announceBundle" => json!({ "sha256": self.parameters["{sha256}"], "bytes": 4 }),
            "createShare" => json!({ "read_only": false }),
            "createKey" => json!({ "name": "another" }),
            "rotateKey" => json!({ "overlap_seconds": 0 }),
            _ => panic!("what is a body that {operation} takes?"),
        }
    }

    /// All that a refused request could have changed, but for what the program itself changes.
    async fn state(&self) -> Value {
        let (_, mut session) = self.ask(&format!("/api/sessions/{}", self.session.uid), Method::GET, None).await;
        let (_, sessions) = self.ask("/api/sessions", Method::GET, None).await;
        let (_, mut keys) = self.ask("/api/keys", Method::GET, None).await;
        let (_, shares) = self.ask(&format!("/api/sessions/{}/shares", self.session.uid), Method::GET, None).await;
        for volatile in ["idle_expires_at", "expires_at", "viewers"] {
            session.as_object_mut().expect("a session").remove(volatile);
        }
        for key in keys["keys"].as_array_mut().expect("keys") {
            key.as_object_mut().expect("a key").remove("last_used_at");
        }
        let log = format!("{}/api/sessions/{}/log", self.podling.url, self.session.uid);
        let log = self.podling.http.get(log).bearer_auth(&self.owner).send().await.expect("an answer");
        let log = log.text().await.expect("the log");
        let bundle = format!("{}/api/bundles/{}", self.podling.url, self.parameters["{sha256}"]);
        let bundle = self.podling.http.head(bundle).bearer_auth(&self.owner).send().await.expect("an answer");
        let offset = bundle.headers().get("upload-offset").and_then(|offset| offset.to_str().ok()).map(str::to_owned);
        let count = sessions["sessions"].as_array().map(Vec::len);
        json!({ "session": session, "sessions": count, "shares": shares, "keys": keys, "log": log, "offset": offset })
    }
}

/// The status, and the problem without what is its request's own.
async fn refusal(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    if status.is_success() {
        return (status, Value::Null); // It may be without end.
    }
    let mut problem: Value = answer.json().await.unwrap_or_default();
    if let Some(problem) = problem.as_object_mut() {
        assert!(problem.remove("requestId").is_some());
    }
    (status, problem)
}

/// Everything that is a credential somewhere, or looks like one, and none here.
async fn wrong_credentials(world: &World) -> Vec<(&'static str, String)> {
    let (id, secret) = world.owner.rsplit_once('_').expect("podling_<id>_<secret>");
    let path = format!("/api/sessions/{}/token", world.session.uid);
    let (_, ticket) = world.ask(&path, Method::POST, Some(json!({}))).await;
    let token = ticket["token"].as_str().expect("a token").to_owned();
    let mut viewer = Viewer::attach(&world.podling.url, &world.session.uid, &token, AttachNonce::random()).await;
    while viewer.resume.is_none() {
        assert_eq!(viewer.step().await, None);
    }
    let (_, resume) = viewer.resume.take().expect("it came");
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJvbmUiLCJhdWQiOiJkZW1vLXgifQ.";
    vec![
        ("another secret", format!("{id}_{}", secret.chars().rev().collect::<String>())),
        ("another id", format!("podling_0000000000000000_{secret}")),
        ("a session token", token.clone()),
        ("the token of a session, cut", token[..token.len() - 1].to_owned()),
        ("a resume token", resume),
        ("an unsigned token", unsigned.to_owned()),
        ("words", "let me in".to_owned()),
        ("nothing", String::new()),
        ("a long one", "x".repeat(6_000)),
    ]
}

#[tokio::test]
async fn every_route_refuses_whoever_may_not_and_changes_nothing() {
    let world = World::make().await;
    until("the session runs", Duration::from_secs(60), async || {
        let (_, session) = world.ask(&format!("/api/sessions/{}", world.session.uid), Method::GET, None).await;
        if session["phase"] == "running" { Ok(()) } else { Err(session) }
    })
    .await;
    let (_, api) = world.podling.get("/api/openapi.json").await;
    let operations = Operation::all(&api);
    let open: Vec<_> = operations.iter().filter(|operation| operation.is_open).map(|open| open.path.as_str()).collect();
    assert_eq!(open, OPEN, "a route that needs nobody's name is here by intent");
    let wrong = wrong_credentials(&world).await;
    let other = world.podling.key(&[OTHER_TENANT, "--subject", "one", "--role", "tenant-admin"]).await;
    let reader = world.podling.key(&[TENANT, "--subject", "one", "--scope", "sessions:read"]).await;
    let user = world.podling.key(&[TENANT, "--subject", "one"]).await;
    let before = world.state().await;
    let mut asked = 0;
    for operation in operations.iter().filter(|operation| !operation.is_open) {
        let bare = refusal(world.request(operation)).await;
        assert_eq!(bare.0, StatusCode::UNAUTHORIZED, "{operation:?}");
        let mut first = None;
        for (kind, credential) in &wrong {
            let bearer = world.request(operation).header("authorization", format!("Bearer {credential}"));
            let (status, problem) = refusal(bearer).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{kind}: {operation:?}");
            if !credential.is_empty() {
                let keyed = refusal(world.request(operation).header("x-api-key", credential)).await;
                assert_eq!(keyed.0, StatusCode::UNAUTHORIZED, "{kind}: {operation:?}");
                assert_eq!(&problem, first.get_or_insert_with(|| problem.clone()), "{kind}: {operation:?}");
            }
            asked += 2;
        }
        check_known(&world, operation, [&other, &reader, &user]).await;
    }
    assert!(asked > 280, "{asked} requests");
    assert_eq!(world.state().await, before);
}

/// Callers with a good key that opens other things.
async fn check_known(world: &World, operation: &Operation, [other, reader, user]: [&str; 3]) {
    let of = async |key: &str| refusal(world.request(operation).bearer_auth(key)).await.0;
    if operation.id == "metrics" {
        for key in [other, reader, user, world.owner.as_str()] {
            assert_eq!(of(key).await, StatusCode::FORBIDDEN, "{operation:?}");
        }
        return;
    }
    if operation.is_administration {
        for key in [reader, user] {
            assert_eq!(of(key).await, StatusCode::FORBIDDEN, "{operation:?}");
        }
    } else if !operation.reads() {
        assert_eq!(of(reader).await, StatusCode::FORBIDDEN, "{operation:?}");
    }
    // A stranger has collections of its own, and a folder for its own upload, which is refused as it is another's bytes.
    let expected = match operation.id.as_str() {
        "uploadBundle" => StatusCode::UNPROCESSABLE_ENTITY,
        "createSession" | "createKey" => StatusCode::CREATED,
        _ if operation.path.contains('{') => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    };
    assert_eq!(of(other).await, expected, "{operation:?}");
}
