//! An issuer of signed ID tokens: a project of Firebase, or any other of OpenID Connect.

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use podling_session::principal::Principal;
use url::Url;

use super::{
    Refused,
    accounts::Accounts,
    claims::Claims,
    key_set::{KeySet, Place},
    rules::{self, Kind, Wrong},
    token::Parts,
};

pub(super) struct Issuer {
    pub(super) name: String,
    audience: String,
    kind: Kind,
    pub(super) keys: KeySet,
    /// Where it is asked whether a token was revoked, if anywhere.
    accounts: Option<Accounts>,
}

impl Issuer {
    /// # Errors
    /// When there is no client for its keys.
    pub(super) fn firebase(project: &str, keys: Url, accounts: Option<Accounts>) -> Result<Issuer, reqwest::Error> {
        let (name, audience) = (firebase_name(project), project.to_owned());
        Ok(Issuer { name, audience, kind: Kind::Firebase, keys: KeySet::at(Place::At(keys))?, accounts })
    }

    /// # Errors
    /// When there is no client for its keys.
    pub(super) fn oidc(name: &str, document: Url, audience: &str) -> Result<Issuer, reqwest::Error> {
        let place = Place::Discovered { document, issuer: name.to_owned() };
        let (name, audience) = (name.to_owned(), audience.to_owned());
        Ok(Issuer { name, audience, kind: Kind::Oidc, keys: KeySet::at(place)?, accounts: None })
    }

    /// Whom the token names.
    pub(super) async fn principal(&self, token: &Parts<'_>, now: Timestamp) -> Result<(Principal, Claims), Refused> {
        // The algorithm is ours; what the header says of it is compared, never obeyed (RFC 8725, section 3.1). We know no
        // extension, so none that must be understood can be (RFC 7515, section 4.1.11).
        if token.header.text("alg") != Some("RS256") || token.header.get("crit").is_some() {
            return Err(Wrong::Signature.into());
        }
        let kid = token.header.text("kid").filter(|kid| !kid.is_empty()).ok_or(Wrong::Signature)?;
        let key = self.keys.key(kid).await?;
        let signed = jsonwebtoken::crypto::verify(token.signature, token.signed.as_bytes(), &key, Algorithm::RS256);
        if !signed.unwrap_or(false) {
            return Err(Wrong::Signature.into());
        }
        rules::check(&token.claims, self.kind, &self.audience, now)?;
        let principal = rules::principal(&token.claims, &self.name)?;
        if let Some(accounts) = &self.accounts {
            accounts.check(token.text, &token.claims).await?;
        }
        Ok((principal, token.claims.clone()))
    }
}

pub(super) fn firebase_name(project: &str) -> String {
    format!("https://securetoken.google.com/{project}")
}
