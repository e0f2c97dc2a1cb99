//! Whose pages may open a terminal. Only a token does that, and no cookie carries one; but a page of another origin that
//! came by a token should not get far with it either.

use http::{Request, header};

/// Whether the upgrade comes from no page (programs send no Origin), from our own, or from one that the operator allows.
pub(crate) fn may_attach<B>(request: &Request<B>, allowed: &[String]) -> bool {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    if origins.next().is_some() {
        return false;
    }
    let Ok(origin) = origin.to_str() else { return false };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    is_own(origin, host) || allowed.iter().any(|allowed| allowed == "*" || allowed == origin)
}

/// Whoever ends TLS before us knows the scheme; we know the host that was asked for.
fn is_own(origin: &str, host: Option<&str>) -> bool {
    let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    rest.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_own_pages_and_allowed_ones_may_attach() {
        let check = |origin: Option<&str>, allowed: &[&str], expected: bool| {
            let mut request = Request::get("/ws/x").header(header::HOST, "pods.example:8080");
            if let Some(origin) = origin {
                request = request.header(header::ORIGIN, origin);
            }
            let allowed: Vec<_> = allowed.iter().map(|&origin| origin.to_owned()).collect();
            let request = request.body(()).expect("a request");
            assert_eq!(may_attach(&request, &allowed), expected, "{origin:?} {allowed:?}");
        };
        check(None, &[], true);
        check(Some("http://pods.example:8080"), &[], true);
        check(Some("https://PODS.example:8080"), &[], true);
        for foreign in
            ["https://pods.example", "https://evil.example", "null", "", "file://", "https://pods.example:8080.evil"]
        {
            check(Some(foreign), &[], false);
            check(Some(foreign), &["https://app.example"], false);
        }
        check(Some("https://app.example"), &["https://app.example"], true);
        check(Some("https://evil.example"), &["*"], true);
    }
}
