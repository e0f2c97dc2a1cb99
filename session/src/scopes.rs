//! What a credential may be used for, of all that its holder may do.

use std::{fmt, ops::BitOr, str::FromStr};

use crate::{id::InvalidId, principal::Role};

/// A set of scopes: `sessions:read`, `sessions:write` and `admin`. Each stands for itself; writing is not reading.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

impl Scopes {
    /// `sessions:read`: sees sessions, their logs and screens.
    pub const READ: Scopes = Scopes(1);
    /// `sessions:write`: makes, changes, ends and opens them.
    pub const WRITE: Scopes = Scopes(2);
    /// `admin`: does what the role of its holder has beyond that.
    pub const ADMIN: Scopes = Scopes(4);

    pub const NAMES: [&str; 3] = ["sessions:read", "sessions:write", "admin"];
    const EACH: [Scopes; 3] = [Scopes::READ, Scopes::WRITE, Scopes::ADMIN];

    /// All that somebody of this role may ever do.
    pub fn of(role: Role) -> Scopes {
        let sessions = Scopes::READ | Scopes::WRITE;
        match role {
            Role::User => sessions,
            Role::TenantAdmin | Role::Operator => sessions | Scopes::ADMIN,
        }
    }

    /// Those of the names; none is no set.
    ///
    /// # Errors
    /// When there is none, or one that is not known.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Scopes, InvalidId> {
        let invalid = InvalidId { kind: "scopes", rule: "at least one of sessions:read, sessions:write and admin" };
        let mut scopes = Scopes(0);
        for name in names {
            let place = Scopes::NAMES.iter().position(|known| *known == name).ok_or_else(|| invalid.clone())?;
            scopes = scopes | Scopes::EACH[place];
        }
        if scopes == Scopes(0) { Err(invalid) } else { Ok(scopes) }
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let each = Scopes::NAMES.into_iter().zip(Scopes::EACH);
        each.filter(move |(_, scope)| self.contains(*scope)).map(|(name, _)| name)
    }

    pub fn contains(self, other: Scopes) -> bool {
        self.0 & other.0 == other.0
    }

    /// What both allow.
    #[must_use]
    pub fn within(self, other: Scopes) -> Scopes {
        Scopes(self.0 & other.0)
    }
}

impl BitOr for Scopes {
    type Output = Scopes;

    fn bitor(self, other: Scopes) -> Scopes {
        Scopes(self.0 | other.0)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

/// Names with single spaces between them, as OAuth 2.0 writes them (RFC 6749, section 3.3).
impl FromStr for Scopes {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Scopes, InvalidId> {
        Scopes::parse(text.split(' '))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_named_and_nothing_else_is_one() {
        for text in ["sessions:read", "sessions:read sessions:write", "sessions:read sessions:write admin", "admin"] {
            assert_eq!(text.parse::<Scopes>().expect(text).to_string(), text);
        }
        for text in ["", " ", "read", "sessions:read,admin", "Admin", "sessions:read  admin"] {
            assert!(text.parse::<Scopes>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_roles_above_a_users_administer() {
        assert!(!Scopes::of(Role::User).contains(Scopes::ADMIN));
        assert!(Scopes::of(Role::TenantAdmin).contains(Scopes::ADMIN | Scopes::READ));
        assert_eq!((Scopes::READ | Scopes::ADMIN).within(Scopes::of(Role::User)), Scopes::READ);
        assert!(!Scopes::READ.contains(Scopes::READ | Scopes::WRITE));
    }
}
