//! Who is calling.

use std::{fmt, str::FromStr, sync::Arc};

use crate::id::InvalidId;

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
}

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub tenant: Tenant,
    /// Within the tenant; at most 128 bytes, the limit of Firebase's `sub`.
    pub subject: Arc<str>,
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub owner: Owner,
    pub role: Role,
    pub source: Source,
}

impl Principal {
    pub fn local_owner() -> Principal {
        let owner = Owner { tenant: Tenant::local(), subject: "owner".into() };
        Principal { owner, role: Role::User, source: Source::LocalOwner }
    }
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
}
