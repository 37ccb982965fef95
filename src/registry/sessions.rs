//! Upload sessions that are open. A registry keeps what it has of each, until somebody ends it.

use std::sync::Mutex;

use super::address::Address;
use super::client::Client;
use super::redirect::Ask;
use super::scope::Scope;
use crate::threads::lock;

#[derive(Default)]
pub(super) struct Sessions(Mutex<Vec<(Address, Scope)>>);

impl Sessions {
    pub fn add(&self, session: &Address, scope: &Scope) {
        lock(&self.0).push((session.clone(), scope.clone()));
    }

    /// False for one that was ended meanwhile.
    pub fn remove(&self, session: &Address) -> bool {
        let mut open = lock(&self.0);
        let before = open.len();
        open.retain(|(it, _)| it != session);
        open.len() < before
    }
}

impl Client<'_> {
    /// Ends all sessions that are open, by connections of their own: who sends on a slow line notices late that the job is
    /// to stop.
    pub fn end_sessions(&self) {
        let open = std::mem::take(&mut *lock(&self.sessions.0));
        for (address, scope) in &open {
            let ask = Ask { method: "DELETE", address, headers: &[], content: None, long: false };
            let _ = self.at_the_end(&ask, scope);
        }
    }
}
