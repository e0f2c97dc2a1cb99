//! Queries, read by hand: an unknown or repeated parameter is a mistake that its sender wants to hear of.

use podling_session::{
    event::Cursor,
    id::Uid,
    phase::Phase,
    spec::{InvalidField, MAX_LABELS},
    store::Filter,
};
use serde::Deserialize;
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

/// Which sessions to list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Listing {
    /// At most this many sessions, 1 to 1000; 100 when not given.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]
    pub(super) cursor: Option<String>,
    /// Only sessions in this phase: pending, starting, running, asleep or ended.
    #[param(pattern = "^(pending|starting|running|asleep|ended)$")]
    pub(super) phase: Option<String>,
    /// Only sessions with this label, as `key=value`. May be given several times, at most 32; all must match.
    #[param(value_type = Option<Vec<Label>>, inline, max_items = 32)]
    pub(super) label: Option<Vec<String>>,
}

/// `key=value`.
#[derive(ToSchema)]
#[schema(pattern = "^[^=]+=")]
#[expect(dead_code, reason = "a shape for the description")]
struct Label(String);

/// A listing whose parameters keep their rules.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) filter: Filter,
    pub(super) after: Option<Uid>,
    pub(super) limit: u32,
}

impl Listing {
    pub(super) fn parse(query: &str) -> Result<Listing, InvalidField> {
        let mut listing = Listing::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "limit" => once(&mut listing.limit, "limit", number(&value))?,
                "cursor" => once(&mut listing.cursor, "cursor", Ok(value.into_owned()))?,
                "phase" => once(&mut listing.phase, "phase", Ok(value.into_owned()))?,
                "label" => listing.label.get_or_insert_default().push(value.into_owned()),
                _ => return Err(unknown(&name)),
            }
        }
        Ok(listing)
    }

    pub(super) fn check(self) -> Result<Asked, InvalidField> {
        let limit = self.limit.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(InvalidField::new("limit", format!("limit must be from 1 to {MAX_PAGE}")));
        }
        let cursor = self.cursor.map(|text| text.parse::<Uid>()).transpose();
        let after = cursor.map_err(|_| InvalidField::new("cursor", "cursor must be the next_cursor of a listing"))?;
        if self.phase.as_ref().is_some_and(|phase| !Phase::NAMES.contains(&phase.as_str())) {
            return Err(InvalidField::new("phase", format!("phase must be one of {}", Phase::NAMES.join(", "))));
        }
        let mut filter = Filter { phase: self.phase, ..Filter::default() };
        let labels = self.label.unwrap_or_default();
        if labels.len() > MAX_LABELS {
            return Err(InvalidField::new("label", format!("label may be given at most {MAX_LABELS} times")));
        }
        for label in labels {
            let refused = || InvalidField::new("label", "label must have the form key=value");
            let (key, value) = label.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(refused)?;
            if filter.labels.insert(key.to_owned(), value.to_owned()).is_some_and(|before| before != value) {
                return Err(InvalidField::new("label", format!("label asks for two values of {key}")));
            }
        }
        Ok(Asked { filter, after, limit })
    }
}

/// Which keys to list.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KeyListing {
    /// At most this many keys, 1 to 1000; 1000 when not given.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-f]{16}$")]
    pub(super) cursor: Option<String>,
}

impl KeyListing {
    pub(super) fn parse(query: &str) -> Result<KeyListing, InvalidField> {
        let mut listing = KeyListing::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "limit" => once(&mut listing.limit, "limit", number(&value))?,
                "cursor" => once(&mut listing.cursor, "cursor", key_id(&value))?,
                _ => return Err(unknown(&name)),
            }
        }
        Ok(listing)
    }
}

/// How a log is told.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// The bytes as the terminal got them.
    #[default]
    Raw,
    /// Without escape sequences and control characters.
    Text,
}

/// Which part of a log to read.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Reading {
    /// The first byte, as an offset into all that the terminal said; the first that is kept when not given.
    pub(super) from: Option<u64>,
    /// Go on until the session ends: true or false. False when not given.
    pub(super) follow: Option<bool>,
    /// raw or text; raw when not given.
    #[param(inline)]
    pub(super) format: Option<Format>,
}

impl Reading {
    pub(super) fn parse(query: &str) -> Result<Reading, InvalidField> {
        let mut reading = Reading::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "from" => once(&mut reading.from, "from", number(&value))?,
                "follow" => once(&mut reading.follow, "follow", flag(&value))?,
                "format" => once(&mut reading.format, "format", format(&value))?,
                _ => return Err(unknown(&name)),
            }
        }
        Ok(reading)
    }
}

/// From where to tell events.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// The id of an event, to begin after it; `0-0` begins with the first that is kept. Last-Event-ID goes before it.
    #[param(pattern = "^[0-9]{1,19}-[0-9]{1,18}$")]
    #[expect(dead_code, reason = "the description of what `parse` reads")]
    after: Option<String>,
}

impl Since {
    pub(super) fn parse(query: &str) -> Result<Option<Cursor>, InvalidField> {
        let mut after = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "after" => once(&mut after, "after", value.parse().map_err(|_| "the id of an event"))?,
                _ => return Err(unknown(&name)),
            }
        }
        Ok(after)
    }
}

fn once<T>(slot: &mut Option<T>, name: &str, value: Result<T, &'static str>) -> Result<(), InvalidField> {
    let value = value.map_err(|rule| InvalidField::new(name, format!("{name} must be {rule}")))?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(InvalidField::new(name, format!("{name} was given more than once"))),
    }
}

fn unknown(name: &str) -> InvalidField {
    InvalidField::new(name, format!("{name} is not a known parameter"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "a whole number")
}

fn key_id(text: &str) -> Result<String, &'static str> {
    let sound = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if sound { Ok(text.to_owned()) } else { Err("the next_cursor of a listing") }
}

fn flag(text: &str) -> Result<bool, &'static str> {
    match text {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("true or false"),
    }
}

fn format(text: &str) -> Result<Format, &'static str> {
    match text {
        "raw" => Ok(Format::Raw),
        "text" => Ok(Format::Text),
        _ => Err("raw or text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_keeps_its_rules() {
        let check = |query: &str, field: Option<&str>| {
            let asked = Listing::parse(query).and_then(Listing::check);
            assert_eq!(asked.err().map(|error| error.field).as_deref(), field, "{query}");
        };
        check("", None);
        check("limit=1000&phase=ended&label=a=b&label=c=", None);
        check(&format!("cursor={}", Uid::new()), None);
        check("limit=0", Some("limit"));
        check("limit=1001", Some("limit"));
        check("limit=x", Some("limit"));
        check("limit=1&limit=2", Some("limit"));
        check("cursor=x", Some("cursor"));
        check("phase=gone", Some("phase"));
        check("label=a", Some("label"));
        check("label==a", Some("label"));
        check("label=a=b&label=a=c", Some("label"));
        check("page=2", Some("page"));
    }

    #[test]
    fn a_reading_keeps_its_rules() {
        let reading = Reading::parse("from=7&follow&format=text").expect("a good query");
        assert_eq!((reading.from, reading.follow, reading.format), (Some(7), Some(true), Some(Format::Text)));
        for (query, field) in
            [("from=-1", "from"), ("follow=maybe", "follow"), ("format=html", "format"), ("to=3", "to")]
        {
            assert_eq!(Reading::parse(query).expect_err(query).field, field);
        }
    }
}
