//! The description of the API, made from the handlers themselves.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use axum::response::IntoResponse;
use http::header;
use podling_daemon::problem::Problem;
use utoipa::{
    IntoResponses, OpenApi,
    openapi::{
        Components, Content, Ref, RefOr, Response,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Door, bundles, create, events, health, input, keys, log, screen, sessions, shares};

#[derive(OpenApi)]
#[openapi(
    info(title = "Podling", description = "Short-lived command-line agents in isolation, streamed live."),
    components(schemas(Problem, events::EventView)),
    security(("bearer" = []), ("key" = [])),
    tags(
        (name = "sessions", description = "Sessions of the caller"),
        (name = "keys", description = "API keys of the caller's tenant, for its admins"),
        (name = "shares", description = "Links that let others attach to a session"),
        (name = "bundles", description = "Folders that are uploaded to be run"),
        (name = "operations", description = "For probes, monitors and verifiers of tokens"),
    ),
)]
struct Api;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $statuses:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                problems(&$statuses)
            }
        }
    )*};
}
refusals! {
    /// Of any request for one session.
    Refusals = [400, 401, 403, 404, 500, 503];
    /// Of a listing.
    ListRefusals = [400, 401, 403, 500, 503];
    /// Of a create.
    CreateRefusals = [400, 401, 403, 408, 409, 413, 415, 429, 500, 503, 507];
    /// Of a change of a session.
    ExtendRefusals = [400, 401, 403, 404, 408, 409, 413, 415, 500, 503];
    /// Of the reading of a log.
    LogRefusals = [400, 401, 403, 404, 410, 500, 503];
    /// Of the making of a link.
    ShareRefusals = [400, 401, 403, 404, 408, 409, 413, 415, 500, 503];
    /// Of the use of a link.
    RedeemRefusals = [400, 404, 408, 413, 415, 429, 500, 503];
    /// Of input.
    InputRefusals = [400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503];
    /// Of the look at a screen.
    ScreenRefusals = [400, 401, 403, 404, 409, 500, 503];
    /// Of a stream of events.
    EventsRefusals = [400, 401, 403, 429, 500, 503];
    /// Of a stream of one session's events.
    SessionEventsRefusals = [400, 401, 403, 404, 429, 500, 503];
    /// Of the announcement of a bundle.
    AnnounceRefusals = [400, 401, 403, 408, 413, 415, 500, 503, 507];
    /// Of the look for a bundle.
    BundleRefusals = [400, 401, 403, 404, 500, 503];
    /// Of the upload of a bundle.
    UploadRefusals = [400, 401, 403, 408, 409, 413, 415, 422, 423, 500, 503, 507];
    /// Of a listing of keys.
    KeysRefusals = [400, 401, 403, 500, 503];
    /// Of the revocation of a key.
    KeyRefusals = [400, 401, 403, 404, 500, 503];
    /// Of the making and the rotation of a key.
    MakeKeyRefusals = [400, 401, 403, 404, 408, 409, 413, 415, 500, 503];
    /// Of the reading of metrics.
    MetricsRefusals = [401, 403, 500, 503];
}

fn problems(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let response = |status: &u16| {
        let response =
            Response::builder().description(meaning(*status)).content("application/problem+json", content.clone());
        (status.to_string(), response.build().into())
    };
    statuses.iter().map(response).collect()
}

/// What a status of refusal says, wherever it is answered.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "A field or parameter breaks a rule; it is named",
        401 => "No key, or a wrong one",
        403 => "The credential lacks the scope or its holder the role; without one: a foreign Host or Origin",
        404 => "No such session, bundle or key that the caller may see",
        408 => "The body took too long to arrive; Upload-Offset tells what of an upload is kept",
        409 => {
            "The id is taken, or the Idempotency-Key came with another body; an upload goes on at Upload-Offset; the \
            session has no terminal yet, none any more, or has ended; a key is over"
        }
        410 => "Output at `from` is no longer kept; X-Log-First-Offset tells what is",
        413 => "The body is larger than 1 MiB, or the bundle than the server takes",
        415 => "The body is not of the type that is described",
        422 => "What was uploaded has another SHA-256; nothing is kept of it",
        423 => "Another request is uploading the same; see Retry-After",
        429 => "Too many creates, streams, tries or bytes of input (see Retry-After), or too many sessions at once",
        503 => "A dependency is down; see Retry-After",
        507 => "The disk, or the owner's or tenant's share of it, is full",
        _ => "A fault of the server's own; quote requestId",
    }
}

/// Every handler, with its path and its description.
pub(super) fn routes() -> OpenApiRouter<Arc<Door>> {
    OpenApiRouter::with_openapi(api())
        .routes(routes!(create::create, sessions::list))
        .routes(routes!(sessions::get, sessions::extend, sessions::delete))
        .routes(routes!(sessions::stop))
        .routes(routes!(sessions::token))
        .routes(routes!(log::log))
        .routes(routes!(input::type_in))
        .routes(routes!(screen::screen))
        .routes(routes!(events::of_session))
        .routes(routes!(events::all))
        .routes(routes!(shares::create, shares::list))
        .routes(routes!(shares::revoke))
        .routes(routes!(shares::redeem))
        .routes(routes!(bundles::announce))
        .routes(routes!(bundles::progress, bundles::upload))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(health::jwks))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::servez))
        .routes(routes!(health::metrics))
        .routes(routes!(served))
}

/// The description of the API, as JSON with a line feed at its end: what is checked in, and what is served.
pub fn document() -> String {
    let (_, api) = routes().split_for_parts();
    let text = api.to_pretty_json().expect("the description is strings, numbers and maps");
    text + "\n"
}

/// This description (OpenAPI 3.1).
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "describe", tag = "operations", security(()),
    responses((status = 200, description = "The description", body = Object)),
)]
async fn served() -> impl IntoResponse {
    static DOCUMENT: LazyLock<String> = LazyLock::new(document);
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

fn api() -> utoipa::openapi::OpenApi {
    let mut api = Api::openapi();
    let components = api.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An ID token of Firebase or an OpenID Connect issuer, or an API key"))
        .build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    components.add_security_scheme("key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))));
    api
}
