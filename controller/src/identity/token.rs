//! The parts of an ID token, taken apart and not yet believed.

use super::claims::Claims;

/// Longer ones are refused unread.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// A JWT in its compact form (RFC 7519, section 3).
pub(super) struct Parts<'a> {
    pub(super) text: &'a str,
    pub(super) header: Claims,
    pub(super) claims: Claims,
    /// What the signature is over.
    pub(super) signed: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(text: &'a str) -> Option<Parts<'a>> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        Some(Parts { text, header: Claims::decode(header)?, claims: Claims::decode(claims)?, signed, signature })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_upsets_the_parser(text in "\\PC{0,200}", a in "[A-Za-z0-9_=.-]{0,60}") {
            let _ = Parts::of(&text); // It returns.
            prop_assert!(Parts::of(&a).is_none_or(|parts| !parts.signature.contains('.')));
        }
    }

    #[test]
    fn a_token_has_three_parts_and_a_bounded_size() {
        for good in ["e30.e30.", "e30.e30.AAAA"] {
            assert!(Parts::of(good).is_some(), "{good}");
        }
        let long = format!("e30.e30.{}", "A".repeat(MAX_BYTES));
        for bad in ["", "e30", "e30.e30", "e30.e30.e30.e30", ".e30.", "e30..", "W10.e30.", "e30.bm9uZQ.", &long] {
            assert!(Parts::of(bad).is_none(), "{bad:.40}");
        }
    }
}
