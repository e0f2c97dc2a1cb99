//! What is left of an allowance, in the headers of an answer: by draft-ietf-httpapi-ratelimit-headers-10 (`RateLimit`,
//! `RateLimit-Policy`), and by its drafts up to 06, which clients still read (`RateLimit-Limit`, `-Remaining`, `-Reset`).

use std::time::Duration;

use axum::response::Response;
use http::HeaderValue;
use podling_session::limit::Decision;

use crate::allowance::Allowance;

/// Puts what is left of the allowance of creates into the answer, whichever it is.
pub(super) fn tell(response: &mut Response, allowance: &Allowance) {
    let (remaining, wait) = match allowance.decision {
        Decision::Allowed { remaining, whole_after } => (remaining, seconds(whole_after)),
        Decision::Limited { retry_after } => (0, seconds(retry_after)),
    };
    let (limit, window) = (allowance.rate.burst, allowance.rate.period.as_secs());
    for (name, value) in [
        ("ratelimit-policy", format!("\"create\";q={limit};w={window}")),
        ("ratelimit", format!("\"create\";r={remaining};t={wait}")),
        ("ratelimit-limit", limit.to_string()),
        ("ratelimit-remaining", remaining.to_string()),
        ("ratelimit-reset", wait.to_string()),
    ] {
        response.headers_mut().insert(name, HeaderValue::try_from(value).expect("digits and visible words"));
    }
}

/// Whole seconds, after which it surely is so.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use podling_session::limit::Rate;

    use super::*;

    #[test]
    fn an_answer_says_what_is_left_and_until_when() {
        let rate = Rate { burst: NonZeroU32::new(5).expect("not zero"), period: Duration::from_secs(60) };
        let check = |decision: Decision, short: &str, remaining: &str, reset: &str| {
            let mut response = Response::default();
            tell(&mut response, &Allowance { rate, decision });
            let header = |name: &str| response.headers()[name].to_str().expect("ASCII").to_owned();
            assert_eq!(
                (header("ratelimit-policy").as_str(), header("ratelimit").as_str()),
                ("\"create\";q=5;w=60", short)
            );
            let long = ["limit", "remaining", "reset"].map(|part| header(&format!("ratelimit-{part}")));
            assert_eq!(long, ["5", remaining, reset]);
        };
        let whole_after = Duration::from_millis(12_001);
        check(Decision::Allowed { remaining: 4, whole_after }, "\"create\";r=4;t=13", "4", "13");
        let retry_after = Duration::from_secs(7);
        check(Decision::Limited { retry_after }, "\"create\";r=0;t=7", "0", "7");
    }
}
