//! What a request needs permission for.

use super::error::Fault;
use super::text::Said;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Pull,
    Push,
}

/// A repository and what is done with it; for a mount, a second one that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub repository: String,
    pub action: Action,
    pub from: Option<String>,
}

impl Scope {
    pub fn names(&self) -> Vec<String> {
        let actions = match self.action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        };
        let own = format!("repository:{}:{actions}", self.repository);
        let from = self.from.as_ref().map(|from| format!("repository:{from}:pull"));
        std::iter::once(own).chain(from).collect()
    }

    /// `known`: who asks is known to the registry, and may do too little.
    pub fn denied(&self, status: u16, said: Said, with_credentials: bool, known: bool) -> Fault {
        let repository = &self.repository;
        let action = match self.action {
            Action::Pull => format!("pull from {repository}"),
            Action::Push => format!("push to {repository}"),
        };
        let hint = match (with_credentials, self.action) {
            (false, _) => "no credentials are known for it; use podman login, or check the repository's name",
            (true, _) if !known => {
                "the registry does not accept the user and password or token; log in again, or check the repository's name"
            }
            (true, Action::Pull) => "check the repository's name, and whether the user may pull",
            (true, Action::Push) => "check the repository's name, and whether the user may push",
        };
        Fault::Denied { action, scope: self.names().join(" "), status, said, hint: hint.to_owned() }
    }
}
