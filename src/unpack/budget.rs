//! A cap on the bytes between readers and workers.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::threads::lock;

/// One cap for files that travel whole, one for those that travel in pieces.
pub(super) struct Budgets {
    pub whole: ByteBudget,
    pub streamed: ByteBudget,
}

impl Budgets {
    /// Nobody waits any longer.
    pub fn close(&self) {
        self.whole.close();
        self.streamed.close();
    }
}

/// Readers take; what they took comes back when it is dropped. One request never takes more than the whole.
pub(super) struct ByteBudget {
    state: Mutex<State>,
    changed: Condvar,
    whole: u64,
}

struct State {
    left: u64,
    is_closed: bool,
}

/// Room that is taken. It travels with its bytes, so that it comes back wherever those end, a panic included.
pub(super) struct Held<'a> {
    budget: &'a ByteBudget,
    bytes: u64,
}

impl ByteBudget {
    pub fn new(whole: u64) -> Self {
        Self { state: Mutex::new(State { left: whole, is_closed: false }), changed: Condvar::new(), whole }
    }

    /// Waits until `bytes` are free. `None` when the budget was closed: nothing more is to be read.
    pub fn take(&self, bytes: u64) -> Option<Held<'_>> {
        let bytes = bytes.min(self.whole);
        let state = lock(&self.state);
        let is_short = |state: &mut State| !state.is_closed && state.left < bytes;
        let mut state = self.changed.wait_while(state, is_short).unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return None;
        }
        state.left -= bytes;
        Some(Held { budget: self, bytes })
    }

    fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        lock(&self.budget.state).left += self.bytes;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::beside;

    #[test]
    fn what_is_dropped_is_free_again_also_by_a_panic() {
        let budget = ByteBudget::new(10);
        let held = budget.take(1000).unwrap();
        let panics = || {
            let _held = held;
            panic!("with room held");
        };
        // Waits for the panic.
        assert!(beside(panics, || assert!(budget.take(10).is_some())).is_err());
        assert!(budget.take(10).is_some());
    }

    #[test]
    fn a_closed_budget_lets_everybody_go() {
        let budget = ByteBudget::new(10);
        let held = budget.take(10);
        let (waited, ()) = beside(|| budget.take(1).is_none(), || budget.close()).unwrap();
        assert!(waited && held.is_some() && budget.take(1).is_none());
    }
}
