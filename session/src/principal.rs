//! Who is calling, and what of it is for whom.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{id::InvalidId, scopes::Scopes};

/// The longest [`Principal::name`], in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// A tenant: `{issuer}:{claim|user}:{value}`, so that equal values from two issuers are two tenants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The tenant of whoever sits at the machine that `podling up` runs on, and of the keys made there.
    pub fn local() -> Tenant {
        Tenant("local:user:owner".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Tenant {
    /// The tenant of a user that no claim puts into another, or of all users with the same claim.
    ///
    /// # Errors
    /// When a part is empty, too long, or holds control characters.
    pub fn of(issuer: &str, membership: Membership<'_>) -> Result<Tenant, InvalidId> {
        // A colon in the issuer would move its end; the percent sign keeps two issuers two.
        let issuer = issuer.replace('%', "%25").replace(':', "%3A");
        match membership {
            Membership::Claim(value) => format!("{issuer}:claim:{value}").parse(),
            Membership::User(subject) => format!("{issuer}:user:{subject}").parse(),
        }
    }
}

/// What makes a user one of a tenant. A claim that is equal to a user's id is another tenant than that user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership<'a> {
    Claim(&'a str),
    User(&'a str),
}

impl FromStr for Tenant {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Tenant, InvalidId> {
        let mut parts = text.splitn(3, ':');
        let (issuer, kind, value) = (parts.next(), parts.next(), parts.next());
        let shaped = issuer.is_some_and(|part| !part.is_empty())
            && matches!(kind, Some("claim" | "user"))
            && value.is_some_and(|part| !part.is_empty());
        if shaped && text.len() <= 512 && !text.chars().any(char::is_control) {
            return Ok(Tenant(text.into()));
        }
        Err(InvalidId { kind: "tenant", rule: "{issuer}:{claim|user}:{value}, at most 512 bytes" })
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a principal may do beyond its own sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Its own sessions.
    User,
    /// Every session of its tenant, over HTTP.
    TenantAdmin,
    /// Every session, over the admin gRPC.
    Operator,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::TenantAdmin => "tenant-admin",
            Role::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Role, InvalidId> {
        match text {
            "user" => Ok(Role::User),
            "tenant-admin" => Ok(Role::TenantAdmin),
            "operator" => Ok(Role::Operator),
            _ => Err(InvalidId { kind: "role", rule: "user, tenant-admin or operator" }),
        }
    }
}

/// How a principal proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A loopback peer of a `podling up` that listens on loopback only.
    LocalOwner,
    ApiKey,
    /// Of Firebase or another OpenID Connect issuer.
    IdToken,
}

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub tenant: Tenant,
    /// Within the tenant; at most 128 bytes, the limit of Firebase's `sub`.
    pub subject: Arc<str>,
}

/// Which sessions a principal sees and ends. What lies outside is as if it were not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Own(Owner),
    /// Everybody's in the tenant.
    Tenant(Tenant),
}

impl Reach {
    pub fn tenant(&self) -> &Tenant {
        match self {
            Reach::Own(owner) => &owner.tenant,
            Reach::Tenant(tenant) => tenant,
        }
    }

    /// None when it is everybody.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Reach::Own(owner) => Some(&owner.subject),
            Reach::Tenant(_) => None,
        }
    }
}

impl From<Owner> for Reach {
    fn from(owner: Owner) -> Reach {
        Reach::Own(owner)
    }
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub owner: Owner,
    pub role: Role,
    pub source: Source,
    pub scopes: Scopes,
    /// What people call it, made by [`display_name`]: a verified email address, or the name of a key. Nothing rests on it.
    pub name: Option<Arc<str>>,
}

impl Principal {
    pub fn local_owner() -> Principal {
        let owner = Owner { tenant: Tenant::local(), subject: "owner".into() };
        let (role, source) = (Role::User, Source::LocalOwner);
        Principal { owner, role, source, scopes: Scopes::of(role), name: None }
    }

    /// Over HTTP. Operators have the admin gRPC, and over HTTP their own sessions alone.
    pub fn reach(&self) -> Reach {
        match self.role {
            Role::TenantAdmin if self.scopes.contains(Scopes::ADMIN) => Reach::Tenant(self.owner.tenant.clone()),
            Role::User | Role::TenantAdmin | Role::Operator => Reach::Own(self.owner.clone()),
        }
    }
}

/// A name to show to people: its first 64 characters that are visible and do not turn the direction of others.
pub fn display_name(text: &str) -> Option<Arc<str>> {
    let turns =
        |char: char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = text.trim().chars().filter(|&char| !char.is_control() && !turns(char));
    let name: String = shown.take(MAX_NAME_CHARS).collect();
    (!name.is_empty()).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_names_its_issuer() {
        for good in ["local:user:owner", "securetoken:claim:acme:eu"] {
            assert!(good.parse::<Tenant>().is_ok(), "{good}");
        }
        for bad in ["", "a", "a:b:c", ":user:x", "a:user:", "a:user:x\n"] {
            assert!(bad.parse::<Tenant>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_two_issuers_users_or_claims_make_the_same_tenant() {
        use Membership::{Claim, User};
        let rows = [
            ("a.example", User("ann")),
            ("b.example", User("ann")),
            ("a.example", Claim("ann")),
            ("b.example", Claim("ann")),
            ("a.example:8443", User("ann")),
            ("a.example%3A8443", User("ann")),
            ("a.example:user", User("ann")),
            ("a.example", User("user:ann")),
            ("a.example", Claim("user:ann")),
        ];
        let tenants: std::collections::BTreeSet<_> =
            rows.iter().map(|(issuer, member)| Tenant::of(issuer, *member).expect("sound parts")).collect();
        assert_eq!(tenants.len(), rows.len());
        assert!(Tenant::of("", User("ann")).is_err());
        assert!(Tenant::of("a.example", Claim("")).is_err());
        assert!(Tenant::of("a.example", User("a\nb")).is_err());
    }

    #[test]
    fn a_tenant_admin_with_the_scope_reaches_its_tenant_and_everybody_else_its_own() {
        let principal = |role, scopes| Principal { role, scopes, ..Principal::local_owner() };
        let tenant = Reach::Tenant(Tenant::local());
        let own = Reach::Own(Principal::local_owner().owner);
        assert_eq!(principal(Role::TenantAdmin, Scopes::of(Role::TenantAdmin)).reach(), tenant);
        assert_eq!(principal(Role::TenantAdmin, Scopes::READ | Scopes::WRITE).reach(), own);
        assert_eq!(principal(Role::Operator, Scopes::of(Role::Operator)).reach(), own);
        assert_eq!(principal(Role::User, Scopes::of(Role::User)).reach(), own);
    }

    #[test]
    fn a_display_name_is_short_and_visible() {
        let check = |text: &str, name: Option<&str>| assert_eq!(display_name(text).as_deref(), name, "{text:?}");
        check(" ann@example.org ", Some("ann@example.org"));
        check("a\u{202e}b\u{7}\nc", Some("abc"));
        check(" \n", None);
        check(&"é".repeat(99), Some(&"é".repeat(64)));
    }
}
