//! The session that a path names.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use podling_session::id::SessionId;
use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::Type,
    },
};

use super::refusal::Refusal;

/// [`SessionId`]'s own rule.
const PATTERN: &str = "^[A-Za-z0-9]([A-Za-z0-9_-]{0,62}[A-Za-z0-9])?$";

/// The `{id}` of a path: a session's id or uid.
pub(super) struct Named(pub(super) SessionId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, Refusal> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = text.and_then(|Path(text)| text.parse().ok());
        id.map(Named).ok_or_else(|| Refusal::bad_request("invalid-id", "Invalid session ID format"))
    }
}

impl IntoParams for Named {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN));
        let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
        vec![id.description(Some("The session's id or uid")).schema(Some(schema)).build()]
    }
}
