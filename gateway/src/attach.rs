//! What a client asks for when it opens a WebSocket: subprotocols and query, read strictly.

use podling_proto::terminal::Mode;
use podling_session::{
    frame::SUBPROTOCOL,
    id::{AttachNonce, Uid},
};
use url::form_urlencoded;

/// How many lines of history a client may ask for.
const MAX_HISTORY: u32 = 100_000;
const BEARER: &str = "bearer";
const RESUME: &str = "resume";
const NONCE: &str = "nonce.";

/// What the two ends speak on the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `podling.v1`.
    Framed,
    /// Bytes only.
    Plain,
}

/// What opens the session. Never logged.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Capability {
    Session { token: String, nonce: AttachNonce },
    Resume { token: String },
}

/// A parsed request to attach.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) uid: Uid,
    pub(crate) dialect: Dialect,
    pub(crate) capability: Capability,
    pub(crate) mode: Mode,
    pub(crate) from: Option<u64>,
    pub(crate) history_lines: u32,
}

/// A request that breaks a rule, and which part of it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadAsk {
    pub(crate) field: &'static str,
    pub(crate) rule: String,
}

impl BadAsk {
    fn new(field: &'static str, rule: impl Into<String>) -> BadAsk {
        BadAsk { field, rule: rule.into() }
    }
}

/// The subprotocols as offered, in order.
pub(crate) struct Offer<'a>(Vec<&'a str>);

impl<'a> Offer<'a> {
    pub(crate) fn new(headers: impl Iterator<Item = &'a str>) -> Offer<'a> {
        let names = headers.flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty());
        Offer(names.collect())
    }

    pub(crate) fn dialect(&self) -> Dialect {
        if self.0.contains(&SUBPROTOCOL) { Dialect::Framed } else { Dialect::Plain }
    }

    /// The name to answer with; none when nothing was offered that we speak.
    pub(crate) fn selected(&self) -> Option<&'static str> {
        [SUBPROTOCOL, BEARER].into_iter().find(|name| self.0.contains(name))
    }
}

/// The parameters of the query.
#[derive(Default)]
struct Query {
    token: Option<String>,
    mode: Option<Mode>,
    from: Option<u64>,
    history_lines: Option<u32>,
}

/// Reads a request. `query` is what stands after `?`.
pub(crate) fn parse(uid: Uid, offer: &Offer<'_>, query: &str) -> Result<Ask, BadAsk> {
    let dialect = offer.dialect();
    let query = Query::parse(query)?;
    let default = match dialect {
        Dialect::Framed => Mode::Lossless,
        Dialect::Plain => Mode::Plain,
    };
    if dialect == Dialect::Plain && query.mode == Some(Mode::Live) {
        return Err(BadAsk::new("mode", "live needs podling.v1: bytes alone cannot tell what was skipped"));
    }
    Ok(Ask {
        uid,
        dialect,
        capability: capability(offer, dialect, query.token)?,
        mode: query.mode.unwrap_or(default),
        from: query.from,
        history_lines: query.history_lines.unwrap_or(0),
    })
}

fn capability(offer: &Offer<'_>, dialect: Dialect, query_token: Option<String>) -> Result<Capability, BadAsk> {
    let subprotocols = |rule: &str| BadAsk::new("Sec-WebSocket-Protocol", rule);
    let (mut bearer, mut resume, mut nonce) = (None, None, None);
    let mut names = offer.0.iter();
    while let Some(&name) = names.next() {
        let (slot, value): (&mut Option<String>, _) = match name {
            SUBPROTOCOL => continue,
            // The last of an offer when the token stands in the query.
            BEARER if names.len() == 0 => continue,
            BEARER => (&mut bearer, names.next()),
            RESUME => (&mut resume, names.next()),
            _ => match name.strip_prefix(NONCE) {
                Some(_) => (&mut nonce, Some(&name)),
                None => return Err(subprotocols("a name is neither podling.v1, bearer, resume nor nonce")),
            },
        };
        let value = value.ok_or_else(|| subprotocols("a name is not followed by its token"))?;
        if slot.replace((*value).to_owned()).is_some() {
            return Err(subprotocols("a name is offered twice"));
        }
    }
    if bearer.is_some() && query_token.is_some() {
        return Err(BadAsk::new("token", "the token stands in the subprotocols already"));
    }
    match (bearer.or(query_token), resume, dialect) {
        (None, Some(token), Dialect::Framed) => Ok(Capability::Resume { token }),
        (Some(token), None, Dialect::Framed) => {
            let nonce = nonce.ok_or_else(|| subprotocols("podling.v1 with a token needs nonce.<22 characters>"))?;
            let nonce = nonce[NONCE.len()..].parse().map_err(|_| subprotocols("nonce is 22 base64url characters"))?;
            Ok(Capability::Session { token, nonce })
        }
        (Some(token), None, Dialect::Plain) => Ok(Capability::Session { token, nonce: AttachNonce::random() }),
        (_, Some(_), _) => Err(subprotocols("resume goes with podling.v1 and without another token")),
        (None, None, _) => Err(BadAsk::new("token", "a token is needed, as subprotocols or in the query")),
    }
}

impl Query {
    fn parse(text: &str) -> Result<Query, BadAsk> {
        let mut query = Query::default();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match name.as_ref() {
                "token" => once(&mut query.token, "token", value.into_owned())?,
                "mode" => once(&mut query.mode, "mode", mode(&value)?)?,
                "from" => once(&mut query.from, "from", number(&value, u64::MAX, "from")?)?,
                "history" => {
                    let lines = number(&value, MAX_HISTORY.into(), "history")?;
                    once(&mut query.history_lines, "history", u32::try_from(lines).unwrap_or(MAX_HISTORY))?;
                }
                _ => return Err(BadAsk::new("query", "known parameters are token, mode, from and history")),
            }
        }
        Ok(query)
    }
}

fn once<T>(slot: &mut Option<T>, field: &'static str, value: T) -> Result<(), BadAsk> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadAsk::new(field, "given twice")),
    }
}

fn mode(text: &str) -> Result<Mode, BadAsk> {
    match text {
        "lossless" => Ok(Mode::Lossless),
        "plain" => Ok(Mode::Plain),
        "live" => Ok(Mode::Live),
        _ => Err(BadAsk::new("mode", "lossless, live or plain")),
    }
}

fn number(text: &str, max: u64, field: &'static str) -> Result<u64, BadAsk> {
    // Digits only: `u64::from_str` takes a plus sign as well.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse::<u64>().ok().filter(|value| digits && *value <= max);
    value.ok_or_else(|| BadAsk::new(field, format!("a number from 0 to {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: &str = "nonce.AAAAAAAAAAAAAAAAAAAAAA";

    fn ask(offer: &str, query: &str) -> Result<Ask, &'static str> {
        parse(Uid::new(), &Offer::new([offer].into_iter()), query).map_err(|bad| bad.field)
    }

    #[test]
    fn the_three_forms_and_the_query_open_a_session() {
        let check = |offer: &str, query: &str, dialect, selected: Option<&str>| {
            let ask = ask(offer, query).unwrap_or_else(|field| panic!("{offer}?{query}: {field}"));
            assert_eq!(
                (ask.dialect, Offer::new([offer].into_iter()).selected()),
                (dialect, selected),
                "{offer}?{query}"
            );
        };
        check("bearer, T", "", Dialect::Plain, Some("bearer"));
        check("bearer", "token=T", Dialect::Plain, Some("bearer"));
        check("", "token=T&mode=lossless&from=7", Dialect::Plain, None);
        check(&format!("podling.v1, bearer, T, {N}"), "", Dialect::Framed, Some("podling.v1"));
        check(&format!("podling.v1,{N}"), "token=T", Dialect::Framed, Some("podling.v1"));
        check("podling.v1, resume, R", "mode=lossless&from=0", Dialect::Framed, Some("podling.v1"));
        check("podling.v1, resume, R", "mode=live&history=100", Dialect::Framed, Some("podling.v1"));
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_its_name() {
        let check = |offer: &str, query: &str, field| {
            assert_eq!(ask(offer, query).err(), Some(field), "{offer}?{query}");
        };
        let subprotocols = "Sec-WebSocket-Protocol";
        check("", "", "token");
        check("podling.v1, bearer, T", "", subprotocols);
        check("podling.v1, bearer, T, nonce.short", "", subprotocols);
        check("resume, R", "", subprotocols);
        check("podling.v1, resume", "", subprotocols);
        check("podling.v1, resume, R", "token=T", subprotocols);
        check("tty", "token=T", subprotocols);
        check("bearer, T", "token=T", "token");
        check("bearer, T, bearer, T", "", subprotocols);
        for (query, field) in [
            ("mode=live", "mode"),
            ("mode=", "mode"),
            ("from=-1", "from"),
            ("from=%2B1", "from"),
            ("from=1&from=1", "from"),
            ("from=18446744073709551616", "from"),
            ("history=100001", "history"),
            ("form=1", "query"),
        ] {
            check("bearer, T", query, field);
        }
    }

    #[test]
    fn a_mode_has_its_default_by_dialect() {
        assert_eq!(ask("bearer, T", "").map(|ask| ask.mode), Ok(Mode::Plain));
        assert_eq!(ask(&format!("podling.v1, bearer, T, {N}"), "").map(|ask| ask.mode), Ok(Mode::Lossless));
        let ask = ask("bearer, T", "mode=lossless&from=12&history=3").expect("good");
        assert_eq!((ask.mode, ask.from, ask.history_lines), (Mode::Lossless, Some(12), 3));
    }
}
