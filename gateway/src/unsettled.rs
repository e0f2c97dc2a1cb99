//! The nonces of plain clients whose claim was not answered. Such a claim may stand; the client, which knows of no nonce,
//! comes back with its token alone, and is given the same nonce once more, so that a 503 spends nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use podling_session::id::{AttachNonce, TokenId};
use tokio::time::Instant;

/// A megabyte of them. Past it a client may find its token spent, and asks for another.
const MAX_KEPT: usize = 10_000;

#[derive(Default)]
pub(crate) struct Unsettled(Mutex<HashMap<TokenId, (AttachNonce, Instant)>>);

impl Unsettled {
    /// The nonce of an earlier attempt, for this one alone: two who come at once are two.
    pub(crate) fn take(&self, token: TokenId) -> Option<AttachNonce> {
        self.lock().remove(&token).map(|(nonce, _)| nonce)
    }

    /// Keeps a nonce until its token has died.
    pub(crate) fn keep(&self, token: TokenId, nonce: AttachNonce, dies: Instant) {
        let mut kept = self.lock();
        if kept.len() >= MAX_KEPT {
            let now = Instant::now();
            kept.retain(|_, (_, dies)| *dies > now);
        }
        if kept.len() < MAX_KEPT {
            kept.insert(token, (nonce, dies));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, (AttachNonce, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_nonce_is_given_out_once_and_the_dead_make_room() {
        let (unsettled, now, nonce) = (Unsettled::default(), Instant::now(), AttachNonce::random());
        let (token, life) = (TokenId::new(), Duration::from_secs(900));
        unsettled.keep(token, nonce, now + life);
        assert_eq!((unsettled.take(token), unsettled.take(token)), (Some(nonce), None));
        for _ in 0..MAX_KEPT {
            unsettled.keep(TokenId::new(), nonce, now + life);
        }
        unsettled.keep(token, nonce, now + life);
        assert_eq!(unsettled.take(token), None, "there is no room");
        unsettled.lock().values_mut().take(5).for_each(|(_, dies)| *dies = now);
        unsettled.keep(token, nonce, now + life);
        assert_eq!((unsettled.take(token), unsettled.lock().len()), (Some(nonce), MAX_KEPT - 5));
    }
}
