//! Whose ID tokens an operator believes.

use std::str::FromStr;

use anyhow::{Context, ensure};
use clap::Args;
use url::Url;

use super::{accounts::Accounts, emulator::Emulator, fetch::is_trusted, issuer::Issuer, issuers::Issuers};

/// The keys of every project's tokens.
const FIREBASE_KEYS: &str = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Identity")]
pub struct IdentityArgs {
    /// The Firebase project whose users may sign in with their ID tokens. Default: none
    #[arg(long, env = "PODLING_FIREBASE_PROJECT", value_name = "PROJECT")]
    pub firebase_project: Option<String>,

    /// Where the keys of Firebase's tokens are, as a JSON Web Key Set. Default: Google's own place
    #[arg(long, env = "PODLING_FIREBASE_KEYS_URL", value_name = "URL", value_parser = trusted_url)]
    pub firebase_keys_url: Option<Url>,

    /// The web API key of the Firebase project: with it Google is asked, at most every 30 s for each user, whether the user
    /// was disabled or its tokens were revoked. Default: a token is good until it expires
    #[arg(long, env = "PODLING_FIREBASE_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub firebase_api_key: Option<String>,

    /// Where that is asked. Default: Google's own place
    #[arg(long, env = "PODLING_FIREBASE_ACCOUNTS_URL", value_name = "URL", value_parser = trusted_url)]
    pub firebase_accounts_url: Option<Url>,

    /// The Firebase Auth emulator, whose tokens are signed by nobody: only with a project that begins with `demo-`, and
    /// only to develop. Default: none
    #[arg(long, env = "FIREBASE_AUTH_EMULATOR_HOST", value_name = "HOST:PORT")]
    pub firebase_emulator: Option<String>,

    /// An OpenID Connect issuer whose users may sign in, and the audience that its ID tokens must have, such as
    /// `podling@https://login.example.org`. May be repeated. Default: none
    #[arg(long = "oidc", env = "PODLING_OIDC", value_name = "AUDIENCE@ISSUER", value_delimiter = ',')]
    pub oidc: Vec<OidcIssuer>,

    /// Whose ID tokens are an operator's: those of one issuer that have this claim, such as
    /// `groups=podling-operators@https://login.example.org`. Default: nobody's
    #[arg(long = "operator", env = "PODLING_OPERATOR", value_name = "CLAIM=VALUE@ISSUER")]
    pub operator: Option<OperatorRule>,
}

/// An issuer that tells by itself where its keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcIssuer {
    pub audience: String,
    /// As its tokens say it, to the letter.
    pub name: String,
    document: Url,
}

/// Which tokens are an operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorRule {
    pub claim: String,
    /// What the claim is, or holds when it is a list.
    pub value: String,
    pub issuer: String,
}

impl IdentityArgs {
    /// # Errors
    /// When what was chosen contradicts itself.
    pub fn issuers(&self) -> anyhow::Result<Issuers> {
        let IdentityArgs { firebase_project, firebase_keys_url, firebase_emulator, oidc, operator, .. } = self;
        let mut issuers = Issuers { operators: operator.clone(), ..Issuers::default() };
        match (firebase_project, firebase_emulator) {
            (Some(project), Some(host)) => issuers.emulator = Some(Emulator::of(project, host)?),
            (Some(project), None) => {
                let keys = firebase_keys_url.clone().unwrap_or(FIREBASE_KEYS.parse().context("a URL of our own")?);
                issuers
                    .signed
                    .push(Issuer::firebase(project, keys, self.accounts()?).context("Firebase has no client")?);
            }
            (None, _) => {}
        }
        for issuer in oidc {
            let taken =
                issuers.signed.iter().map(|issuer| &issuer.name).chain(issuers.emulator.iter().map(|it| &it.name));
            ensure!(!taken.into_iter().any(|name| *name == issuer.name), "{} is an issuer twice", issuer.name);
            let made = Issuer::oidc(&issuer.name, issuer.document.clone(), &issuer.audience);
            issuers.signed.push(made.with_context(|| format!("{} has no client", issuer.name))?);
        }
        if let Some(rule) = operator {
            // Whoever calls an emulator makes its tokens.
            let known = issuers.signed.iter().any(|issuer| issuer.name == rule.issuer);
            ensure!(known, "--operator names {}, which is no issuer of signed tokens here", rule.issuer);
        }
        Ok(issuers)
    }
}

impl IdentityArgs {
    fn accounts(&self) -> anyhow::Result<Option<Accounts>> {
        let place = self.firebase_accounts_url.as_ref();
        let made = self.firebase_api_key.as_ref().map(|key| Accounts::of(place, key));
        made.transpose().context("Identity Toolkit has no client")
    }
}

fn trusted_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error: url::ParseError| error.to_string())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if is_trusted(&url) && is_plain {
        Ok(url)
    } else {
        Err("it must be https, or http of a loopback address".to_owned())
    }
}

impl FromStr for OidcIssuer {
    type Err = String;

    fn from_str(text: &str) -> Result<OidcIssuer, String> {
        let (audience, name) = text.rsplit_once('@').ok_or("it has the form AUDIENCE@ISSUER")?;
        let url = trusted_url(name)?;
        if audience.is_empty() || url.query().is_some() {
            return Err("it has the form AUDIENCE@ISSUER, and an issuer has no query".to_owned());
        }
        let document = format!("{}/.well-known/openid-configuration", name.trim_end_matches('/'));
        let document = document.parse().map_err(|error: url::ParseError| error.to_string())?;
        Ok(OidcIssuer { audience: audience.to_owned(), name: name.to_owned(), document })
    }
}

impl FromStr for OperatorRule {
    type Err = String;

    fn from_str(text: &str) -> Result<OperatorRule, String> {
        let form = || "it has the form CLAIM=VALUE@ISSUER".to_owned();
        let (rule, issuer) = text.rsplit_once('@').ok_or_else(form)?;
        let (claim, value) = rule.split_once('=').ok_or_else(form)?;
        if claim.is_empty() || value.is_empty() {
            return Err(form());
        }
        // Anybody can put another's address into an account, where nobody asks whose it is.
        if claim == "email" {
            return Err("an email address makes no operator: take a claim that users cannot choose".to_owned());
        }
        Ok(OperatorRule { claim: claim.to_owned(), value: value.to_owned(), issuer: issuer.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_url_and_has_an_audience() {
        let good: OidcIssuer = "a@b@https://login.example.org/realms/x/".parse().expect("an issuer");
        assert_eq!((good.audience.as_str(), good.name.as_str()), ("a@b", "https://login.example.org/realms/x/"));
        assert_eq!(good.document.path(), "/realms/x/.well-known/openid-configuration");
        for bad in
            ["https://a.example", "@https://a.example", "p@http://a.example", "p@a.example", "p@https://a.example?x"]
        {
            assert!(bad.parse::<OidcIssuer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_contradicts_itself_does_not_start() {
        let args = |project: &str, emulator: Option<&str>, oidc: &[&str], operator: Option<&str>| IdentityArgs {
            firebase_project: Some(project.to_owned()),
            firebase_keys_url: None,
            firebase_api_key: None,
            firebase_accounts_url: None,
            firebase_emulator: emulator.map(str::to_owned),
            oidc: oidc.iter().map(|text| text.parse().expect("an issuer")).collect(),
            operator: operator.map(|text| text.parse().expect("a rule")),
        };
        let (a, securetoken) = ("p@https://a.example", "p@https://securetoken.google.com/acme");
        let host = Some("127.0.0.1:9099");
        assert!(args("acme", None, &[a], Some("groups=ops@https://a.example")).issuers().is_ok());
        assert!(args("demo-x", host, &[a], None).issuers().is_ok());
        assert!(args("acme", host, &[], None).issuers().is_err(), "an emulator of a real project");
        assert!(args("acme", None, &[a, a], None).issuers().is_err());
        assert!(args("acme", None, &[securetoken], None).issuers().is_err());
        assert!(args("acme", None, &[a], Some("groups=ops@https://b.example")).issuers().is_err());
        let emulated = Some("podlingRole=operator@https://securetoken.google.com/demo-x");
        assert!(args("demo-x", host, &[], emulated).issuers().is_err(), "an emulator makes no operators");
        for bad in ["groups@https://a.example", "=x@https://a.example", "email=a@b.c@https://a.example"] {
            assert!(bad.parse::<OperatorRule>().is_err(), "{bad}");
        }
    }
}
