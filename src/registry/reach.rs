//! How registries are reached: what the user says, and what the machine's files say.

use super::Options;
use super::names::{Access, Environment};

#[derive(Debug, Clone)]
pub struct Reach {
    pub access: Access,
    pub environment: Environment,
    pub options: Options,
}

impl Reach {
    /// As the machine's files say, found by this process's environment.
    pub fn current() -> Self {
        Self { access: Access::default(), environment: Environment::current(), options: Options::default() }
    }
}
