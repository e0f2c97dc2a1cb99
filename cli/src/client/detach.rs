//! The keys that leave a session to itself, as Docker has them: Ctrl-P Ctrl-Q unless others are chosen.

use std::str::FromStr;

/// The bytes that the keys send, in order. None: there is no way to detach but to close the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DetachKeys(Vec<u8>);

impl DetachKeys {
    pub(crate) fn none() -> DetachKeys {
        DetachKeys(Vec::new())
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "detach keys are single characters or ctrl-<a-z, @, [, \\, ], ^ or _>, with commas between them, such as ctrl-p,ctrl-q"
)]
pub(crate) struct BadKeys;

impl FromStr for DetachKeys {
    type Err = BadKeys;

    fn from_str(text: &str) -> Result<DetachKeys, BadKeys> {
        if text.is_empty() {
            return Ok(DetachKeys::none());
        }
        text.split(',').map(key).collect::<Option<_>>().map(DetachKeys).ok_or(BadKeys)
    }
}

fn key(text: &str) -> Option<u8> {
    let control = text.strip_prefix("ctrl-");
    match control.unwrap_or(text).as_bytes() {
        [byte @ b'a'..=b'z'] if control.is_some() => Some(byte - b'a' + 1),
        [byte @ (b'@' | b'[' | b'\\' | b']' | b'^' | b'_')] if control.is_some() => Some(byte - b'@'),
        [byte @ b' '..=b'~'] if control.is_none() => Some(*byte),
        _ => None,
    }
}

/// Watches what is typed for the keys. Those that may begin them wait for the next one.
#[derive(Debug)]
pub(crate) struct Typed {
    keys: DetachKeys,
    matched: usize,
}

/// What of the typed bytes is for the program, and whether the keys were among them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) detach: bool,
}

impl Typed {
    pub(crate) fn new(keys: DetachKeys) -> Typed {
        Typed { keys, matched: 0 }
    }

    pub(crate) fn push(&mut self, typed: &[u8]) -> Passed {
        let keys = &self.keys.0;
        let mut bytes = Vec::with_capacity(typed.len());
        for &byte in typed {
            if !keys.is_empty() && byte == keys[self.matched] {
                self.matched += 1;
            } else {
                bytes.extend_from_slice(&keys[..self.matched]);
                self.matched = usize::from(keys.first() == Some(&byte));
                if self.matched == 0 {
                    bytes.push(byte);
                }
            }
            if !keys.is_empty() && self.matched == keys.len() {
                self.matched = 0;
                return Passed { bytes, detach: true };
            }
        }
        Passed { bytes, detach: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str, parts: &[&str]) -> (String, bool) {
        let mut typed = Typed::new(keys.parse().expect(keys));
        let mut all = String::new();
        for part in parts {
            let passed = typed.push(part.as_bytes());
            all.push_str(&String::from_utf8(passed.bytes).expect("ASCII"));
            if passed.detach {
                return (all, true);
            }
        }
        (all, false)
    }

    #[test]
    fn the_keys_detach_however_they_arrive_and_others_reach_the_program() {
        let check = |keys: &str, parts: &[&str], text: &str, detach: bool| {
            assert_eq!(typed(keys, parts), (text.to_owned(), detach), "{keys} {parts:?}");
        };
        check("ctrl-p,ctrl-q", &["ab\x10\x11c"], "ab", true);
        check("ctrl-p,ctrl-q", &["\x10", "\x11"], "", true);
        check("ctrl-p,ctrl-q", &["\x10", "x\x11"], "\x10x\x11", false);
        check("ctrl-p,ctrl-q", &["\x10\x10\x11"], "\x10", true);
        check("ctrl-p,ctrl-q", &["a\x10"], "a", false);
        check("~,.", &["a~b~."], "a~b", true);
        check("ctrl-]", &["\x1d"], "", true);
        check("", &["\x10\x11"], "\x10\x11", false);
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        for bad in ["ctrl-", "ctrl-1", "ab", "ctrl-p,", "ä", "ctrl-P"] {
            assert!(bad.parse::<DetachKeys>().is_err(), "{bad}");
        }
    }
}
