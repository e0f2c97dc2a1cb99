//! RFC 9457 `application/problem+json`, the one body of every refusal over HTTP.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use utoipa::ToSchema;

/// A problem. `error` repeats `detail` for clients that know only that name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:podling:problem:` and a stable name.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status's own words.
    pub title: String,
    pub status: u16,
    /// What was wrong, for people.
    pub detail: String,
    /// The same as `detail`.
    pub error: String,
    /// The field of the request that broke a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Seconds after which to try again; the same as the Retry-After header.
    #[serde(rename = "retryAfter", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The id of a session that stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The request's `X-Request-Id`.
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    pub fn new(status: StatusCode, name: &str, detail: impl Into<String>) -> Problem {
        let detail = detail.into();
        Problem {
            kind: format!("urn:podling:problem:{name}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            error: detail.clone(),
            detail,
            field: None,
            retry_after: None,
            id: None,
            request_id: None,
        }
    }

    /// A dependency is down: 503 with Retry-After.
    pub fn unavailable(dependency: &str) -> Problem {
        let detail = format!("The {dependency} is temporarily unavailable, try again");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(Duration::from_secs(1))
    }

    /// Rounded up to whole seconds.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Problem {
        self.retry_after = Some(after.as_secs() + u64::from(after.subsec_nanos() > 0));
        self
    }

    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Problem {
        self.field = Some(field.into());
        self
    }

    /// The response with a body that needs no framework.
    pub fn response(&self) -> http::Response<Full<Bytes>> {
        let body = serde_json::to_vec(self).expect("strings and numbers always serialize");
        let mut response = http::Response::new(Full::new(body.into()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.response().map(axum::body::Body::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_carries_its_error_twice_and_its_retry_time_rounded_up() {
        let problem = Problem::unavailable("session store").retry_after(Duration::from_millis(1_200));
        let response = problem.response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!((&problem.error, problem.retry_after), (&problem.detail, Some(2)));
    }
}
