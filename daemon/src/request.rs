//! What a request carries through every service: its id, the trace that it is part of, and where it came from.
//!
//! A server reads it once, at its door; whatever the request leads to runs [within](Context::scope) it. So log lines, audit and
//! the calls to the next service name the same request without every function being told of it.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use http::{HeaderMap, HeaderName, HeaderValue};
use podling_session::audit::Actor;
use tracing::{Span, info_span};
use uuid::Uuid;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C Trace Context, level 1.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Longer ids are replaced: they stand in every log line.
const MAX_ID_BYTES: usize = 128;

tokio::task_local! {
    static CURRENT: Context;
}

/// One request, at one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// The caller's own if it is 1 to 128 of `A-Z a-z 0-9 - _ .`, else one that was made here.
    pub id: Arc<str>,
    pub trace: Trace,
    /// Of the client, as far as it is known.
    pub address: Option<IpAddr>,
    /// Who calls, from when it is known on; clones share it.
    caller: Arc<OnceLock<Actor>>,
}

impl Context {
    /// What the headers say, or else what begins here.
    pub fn read(headers: &HeaderMap, address: Option<IpAddr>) -> Context {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let sound = |id: &&str| {
            (1..=MAX_ID_BYTES).contains(&id.len())
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        let id = text(REQUEST_ID).filter(sound).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        // Of two, neither can be told to be the true one.
        let only = headers.get_all(TRACEPARENT).iter().count() == 1;
        let trace = text(TRACEPARENT).filter(|_| only).and_then(Trace::parse);
        Context { id: id.into(), trace: trace.map_or_else(Trace::begin, Trace::child), address, caller: Arc::default() }
    }

    /// The request that this code runs for; none in what serves no request.
    pub fn current() -> Option<Context> {
        CURRENT.try_with(Context::clone).ok()
    }

    /// Who calls, if that was told.
    pub fn caller(&self) -> Option<&Actor> {
        self.caller.get()
    }

    /// Runs it for this request.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    /// What log lines of this request name.
    pub fn span(&self, method: &str, path: &str) -> Span {
        let Trace { trace, span, .. } = self.trace;
        // The path alone: queries may hold what is not for logs.
        info_span!("request", request.id = %self.id, trace.id = %Hex(trace), span.id = %Hex(span), method, path)
    }

    /// Tells the next service.
    pub fn carry(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.id_header());
        let trace = HeaderValue::try_from(self.trace.to_string()).expect("hexadecimal digits and hyphens");
        headers.insert(TRACEPARENT, trace);
    }

    pub fn id_header(&self) -> HeaderValue {
        HeaderValue::try_from(&*self.id).expect("an id is visible ASCII")
    }
}

/// Tells who makes the request that is being served; the first who is told of stays.
pub fn identify(caller: impl Into<Actor>) {
    if let Some(context) = Context::current() {
        let _ = context.caller.set(caller.into()); // It was told before.
    }
}

/// Tells the next service of the request that is being served, if one is.
pub fn carry(metadata: &mut tonic::metadata::MetadataMap) {
    if let Some(context) = Context::current() {
        context.carry(metadata.as_mut());
    }
}

/// A place in a trace: which one, which step of it is ours, and whether it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

impl Trace {
    /// The only flag that is defined: whoever called records it.
    const SAMPLED: u8 = 1;

    fn begin() -> Trace {
        // All zeros would be invalid, and come once in 2^64 times.
        Trace { trace: rand::random(), span: rand::random(), flags: 0 }
    }

    /// The next step of the same trace.
    fn child(self) -> Trace {
        Trace { span: rand::random(), ..self }
    }

    /// `{version}-{trace}-{parent}-{flags}` in lower-case hexadecimal digits (W3C Trace Context, 3.2). A version to come may
    /// say more behind it.
    fn parse(text: &str) -> Option<Trace> {
        let mut parts = text.splitn(5, '-');
        let version: [u8; 1] = bytes(parts.next()?)?;
        let (trace, span): ([u8; 16], [u8; 8]) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let [flags] = bytes(parts.next()?)?;
        let more = parts.next().is_some();
        let known = version != [0xff] && !(version == [0] && more);
        (known && trace != [0; 16] && span != [0; 8]).then_some(Trace { trace, span, flags: flags & Trace::SAMPLED })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", Hex(self.trace), Hex(self.span), self.flags)
    }
}

struct Hex<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.len() == 2 * N && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)).filter(|_| digits) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    digits.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use podling_session::principal::Principal;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn a_sound_id_is_kept_and_another_replaced() {
        let check = |sent: &str, kept: bool| {
            assert_eq!(*Context::read(&headers(&REQUEST_ID, &[sent]), None).id == *sent, kept, "{sent:?}");
        };
        check("a-1_B.2", true);
        check(&"x".repeat(128), true);
        for unsound in ["", "a b", "a\"b", "ä", &"x".repeat(129)] {
            check(unsound, false);
        }
        assert_eq!(Context::read(&HeaderMap::new(), None).id.len(), 36);
    }

    #[test]
    fn the_next_service_is_told_of_the_same_trace_and_another_parent() {
        let context = Context::read(&headers(&TRACEPARENT, &[PARENT]), None);
        let mut next = HeaderMap::new();
        context.carry(&mut next);
        let told = next[TRACEPARENT].to_str().expect("ASCII");
        assert_eq!((&told[..36], &told[52..]), (&PARENT[..36], &PARENT[52..]));
        assert_ne!(told[36..52], PARENT[36..52]);
        assert_eq!(next[REQUEST_ID], *context.id);
    }

    #[test]
    fn what_is_no_trace_begins_a_new_one() {
        let check = |sent: &[&str], kept: bool| {
            let trace = Context::read(&headers(&TRACEPARENT, sent), None).trace.to_string();
            assert_eq!(trace[3..35] == PARENT[3..35], kept, "{sent:?}");
        };
        check(&[PARENT], true);
        check(&["01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"], true);
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
            "00-0af7651916cd43dd8448eb211c80319c-+7ad6b7169203331-01",
        ] {
            check(&[bad], false);
        }
        check(&[PARENT, PARENT], false);
    }

    #[tokio::test]
    async fn code_knows_the_request_that_it_runs_for() {
        assert!(Context::current().is_none());
        let context = Context::read(&HeaderMap::new(), None);
        let owner = Principal::local_owner();
        let seen = context.clone().scope(async {
            identify(&owner);
            Context::current()
        });
        assert_eq!(seen.await.expect("within").id, context.id);
        assert_eq!(context.caller(), Some(&Actor::from(&owner)));
    }
}
