//! A download: the bytes of one answer, and when they break off, once more, from there where the server can say that
//! it still has the same.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use podling_session::code_hosts::CodeHosts;
use url::Url;

use super::{
    Event, Request, SourceError, Tell,
    hop::{Answer, Rest, ask, transfer},
    intake::{Intake, Received},
};

/// One download's surroundings.
pub(super) struct Errand<'a> {
    pub(super) request: Request<'a>,
    /// Where it may go.
    pub(super) hosts: &'a CodeHosts,
    /// Whether the archive is to be kept, when it is what it should be.
    pub(super) cached: bool,
}

impl Errand<'_> {
    async fn intake(&self) -> Result<Intake, SourceError> {
        let limit = self.request.limits.archive_bytes;
        let cache = self.request.settings.cache.as_ref().filter(|_| self.cached);
        match cache.and_then(|cache| cache.part()) {
            Some(file) => Ok(Intake::named(file, limit)),
            None => Intake::unnamed(self.request.scratch, limit).await,
        }
    }
}

/// Takes in the answer that `url` has led to.
pub(super) async fn download(
    url: &Url,
    answer: Answer,
    errand: &Errand<'_>,
    tell: Tell<'_>,
) -> Result<Received, SourceError> {
    let mut intake = errand.intake().await?;
    intake.announced(answer.response.content_length())?;
    let tag = strong_tag(answer.response.headers());
    if let Err(cut) = pour(answer, &mut intake, tell).await {
        if !cut.is_a_cut() {
            return Err(cut);
        }
        let rest = tag.filter(|_| intake.bytes() > 0).map(|tag| Rest { from: intake.bytes(), tag });
        let answer = ask(url, errand, rest.as_ref()).await?;
        goes_on(&answer, &mut intake).await?;
        tell(Event::Resumed { bytes: intake.bytes() });
        pour(answer, &mut intake, tell).await?;
    }
    intake.finish(tell).await
}

async fn pour(mut answer: Answer, intake: &mut Intake, tell: Tell<'_>) -> Result<(), SourceError> {
    while let Some(chunk) = answer.response.chunk().await.map_err(|error| transfer(&answer.host, error))? {
        intake.take(&chunk, tell).await?;
    }
    Ok(())
}

/// Makes the intake ready for a second answer: the rest of the first, or the whole anew.
async fn goes_on(answer: &Answer, intake: &mut Intake) -> Result<(), SourceError> {
    let response = &answer.response;
    if response.status() == StatusCode::PARTIAL_CONTENT {
        let (from, total) = content_range(response.headers()).ok_or(SourceError::OtherRange)?;
        return if from == intake.bytes() { intake.announced(total) } else { Err(SourceError::OtherRange) };
    }
    intake.restart().await?;
    intake.announced(response.content_length())
}

/// A tag that changes with any byte; weak ones begin with `W/`.
fn strong_tag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")).cloned()
}

/// The first byte and the whole length: `bytes 10-99/100`, `bytes 10-99/*`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((from.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a header"))])
    }

    #[test]
    fn a_range_tells_where_it_begins_and_of_how_much() {
        let check = |text: &str, expected| {
            assert_eq!(content_range(&headers(header::CONTENT_RANGE, text)), expected, "{text}");
        };
        check("bytes 10-99/100", Some((10, Some(100))));
        check("bytes 10-99/*", Some((10, None)));
        for bad in ["", "bytes", "bytes 1/2", "bytes */100", "items 1-2/3", "bytes -1-2/3", "bytes 1-2/x"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_weak_tag_promises_no_bytes() {
        assert!(strong_tag(&headers(header::ETAG, "\"a\"")).is_some());
        for bad in ["W/\"a\"", "a", ""] {
            assert!(strong_tag(&headers(header::ETAG, bad)).is_none(), "{bad}");
        }
    }
}
