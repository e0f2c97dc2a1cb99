//! What an ID token must say beside its signature, and whom it then names. No signature is checked here.

use jiff::Timestamp;
use podling_session::{
    principal::{Membership, Owner, Principal, Role, Source, Tenant, display_name},
    scopes::Scopes,
};
use serde_json::Value;

use super::claims::Claims;

/// How far an issuer's clock may be from ours, in seconds.
const SKEW: i64 = 60;
/// The longest `sub` of Firebase, in bytes.
const MAX_SUBJECT: usize = 128;

/// Why an ID token names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("it is malformed")]
    Malformed,
    #[error("it is not signed by a key of its issuer")]
    Signature,
    #[error("it is for another audience")]
    Audience,
    #[error("it has expired")]
    Expired,
    #[error("it was revoked, or its account is disabled")]
    Revoked,
    #[error("it is from the future")]
    Future,
    #[error("{0} is missing or not what it must be")]
    Claim(&'static str),
}

/// Of which kind an issuer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// <https://firebase.google.com/docs/auth/admin/verify-id-tokens>
    Firebase,
    /// <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
    Oidc,
}

/// # Errors
/// The first rule that is broken.
pub(super) fn check(claims: &Claims, kind: Kind, audience: &str, now: Timestamp) -> Result<(), Wrong> {
    let now = now.as_second();
    match kind {
        Kind::Firebase if claims.text("aud") != Some(audience) => return Err(Wrong::Audience),
        Kind::Oidc if !claims.says("aud", audience) => return Err(Wrong::Audience),
        // One that was made for somebody else's client is not meant for us, though it names us.
        Kind::Oidc if claims.get("azp").is_some() && claims.text("azp") != Some(audience) => {
            return Err(Wrong::Audience);
        }
        Kind::Firebase | Kind::Oidc => {}
    }
    let exp = claims.second("exp").ok_or(Wrong::Claim("exp"))?;
    let iat = claims.second("iat").ok_or(Wrong::Claim("iat"))?;
    if exp.saturating_add(SKEW) <= now {
        return Err(Wrong::Expired);
    }
    let mut not_after_now = vec![iat];
    match claims.second("auth_time") {
        Some(time) => not_after_now.push(time),
        None if kind == Kind::Firebase || claims.get("auth_time").is_some() => return Err(Wrong::Claim("auth_time")),
        None => {}
    }
    match claims.second("nbf") {
        Some(time) => not_after_now.push(time),
        None if claims.get("nbf").is_some() => return Err(Wrong::Claim("nbf")),
        None => {}
    }
    if not_after_now.iter().any(|time| *time > now.saturating_add(SKEW)) {
        return Err(Wrong::Future);
    }
    Ok(())
}

/// Whom the token of this issuer names. Nobody but [`operators`](super::args::IdentityArgs) is more than an admin of a tenant.
pub(super) fn principal(claims: &Claims, issuer: &str) -> Result<Principal, Wrong> {
    let subject = claims.text("sub").ok_or(Wrong::Claim("sub"))?;
    if subject.is_empty() || subject.len() > MAX_SUBJECT || subject.contains(char::is_control) {
        return Err(Wrong::Claim("sub"));
    }
    let tenant = tenant(claims, issuer, subject)?;
    let role = match claims.text("podlingRole") {
        Some("tenant-admin") => Role::TenantAdmin,
        _ => Role::User,
    };
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    let name = claims.text("email").filter(|_| verified).and_then(display_name);
    let owner = Owner { tenant, subject: subject.into() };
    Ok(Principal { owner, role, source: Source::IdToken, scopes: Scopes::of(role), name })
}

/// A claim that is there and makes no tenant makes nobody: its user must not become one of another tenant.
fn tenant(claims: &Claims, issuer: &str, subject: &str) -> Result<Tenant, Wrong> {
    let firebase =
        || claims.get("firebase").and_then(|firebase| firebase.get("tenant")).filter(|value| !value.is_null());
    let membership = match claims.get("tenantId").or_else(firebase) {
        Some(value) => Membership::Claim(value.as_str().ok_or(Wrong::Claim("tenantId"))?),
        None => Membership::User(subject),
    };
    Tenant::of(issuer.strip_prefix("https://").unwrap_or(issuer), membership).map_err(|_| Wrong::Claim("tenantId"))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_000_000;
    const ISSUER: &str = "https://securetoken.google.com/acme";

    fn claims(change: Value) -> Claims {
        let mut all = json!({
            "iss": ISSUER, "aud": "acme", "sub": "ann", "iat": NOW - 10, "auth_time": NOW - 10, "exp": NOW + 3_600,
        });
        for (name, value) in change.as_object().expect("an object") {
            all[name] = value.clone();
        }
        Claims::decode(&URL_SAFE_NO_PAD.encode(all.to_string())).expect("an object")
    }

    #[test]
    fn every_claim_keeps_its_rule() {
        let now = Timestamp::from_second(NOW).expect("a second");
        let ask = |kind: Kind, change: Value, expected: Result<(), Wrong>| {
            assert_eq!(check(&claims(change.clone()), kind, "acme", now), expected, "{kind:?} {change}");
        };
        for kind in [Kind::Firebase, Kind::Oidc] {
            ask(kind, json!({}), Ok(()));
            ask(kind, json!({ "aud": "other" }), Err(Wrong::Audience));
            ask(kind, json!({ "aud": null }), Err(Wrong::Audience));
            ask(kind, json!({ "exp": NOW - 59 }), Ok(()));
            ask(kind, json!({ "exp": NOW - 60 }), Err(Wrong::Expired));
            ask(kind, json!({ "exp": null }), Err(Wrong::Claim("exp")));
            ask(kind, json!({ "exp": "never" }), Err(Wrong::Claim("exp")));
            ask(kind, json!({ "iat": null }), Err(Wrong::Claim("iat")));
            ask(kind, json!({ "iat": NOW + 60 }), Ok(()));
            ask(kind, json!({ "iat": NOW + 61 }), Err(Wrong::Future));
            ask(kind, json!({ "auth_time": NOW + 61 }), Err(Wrong::Future));
            ask(kind, json!({ "auth_time": "then" }), Err(Wrong::Claim("auth_time")));
            ask(kind, json!({ "nbf": NOW + 61 }), Err(Wrong::Future));
        }
        ask(Kind::Firebase, json!({ "auth_time": null }), Err(Wrong::Claim("auth_time")));
        ask(Kind::Oidc, json!({ "auth_time": null }), Ok(()));
        ask(Kind::Firebase, json!({ "aud": ["acme"] }), Err(Wrong::Audience));
        ask(Kind::Oidc, json!({ "aud": ["acme", "other"] }), Ok(()));
        ask(Kind::Oidc, json!({ "aud": ["acme", "other"], "azp": "other" }), Err(Wrong::Audience));
    }

    #[test]
    fn a_tenant_is_the_claims_or_the_users_own_and_a_bad_claim_makes_nobody() {
        let tenant = |change: Value| principal(&claims(change), ISSUER).map(|who| who.owner.tenant.to_string());
        let of = |kind: &str, value: &str| Ok(format!("securetoken.google.com/acme:{kind}:{value}"));
        assert_eq!(tenant(json!({})), of("user", "ann"));
        assert_eq!(tenant(json!({ "tenantId": "ann" })), of("claim", "ann"));
        assert_eq!(tenant(json!({ "firebase": { "tenant": "t1" } })), of("claim", "t1"));
        assert_eq!(tenant(json!({ "firebase": { "tenant": "t1" }, "tenantId": "t2" })), of("claim", "t2"));
        assert_eq!(tenant(json!({ "firebase": { "sign_in_provider": "password" } })), of("user", "ann"));
        for bad in [json!(""), json!(5), json!(["t"]), json!("a\nb"), json!("x".repeat(500))] {
            assert_eq!(tenant(json!({ "tenantId": bad })), Err(Wrong::Claim("tenantId")));
        }
        for bad in [json!(""), json!(null), json!(5), json!("x".repeat(129)), json!("a\u{0}")] {
            assert_eq!(tenant(json!({ "sub": bad })), Err(Wrong::Claim("sub")));
        }
    }

    #[test]
    fn a_role_is_at_most_a_tenant_admins_and_a_name_is_a_verified_address() {
        let who = |change: Value| principal(&claims(change), ISSUER).expect("a sound token");
        assert_eq!(who(json!({ "podlingRole": "tenant-admin" })).role, Role::TenantAdmin);
        for other in [json!("operator"), json!("root"), json!(["tenant-admin"])] {
            assert_eq!(who(json!({ "podlingRole": other })).role, Role::User);
        }
        assert_eq!(who(json!({ "email": "a@b.c", "email_verified": true })).name.as_deref(), Some("a@b.c"));
        assert_eq!(who(json!({ "email": "a@b.c", "email_verified": "true" })).name, None);
    }
}
