//! The options of `probe`.

use std::ffi::OsStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command, Error};
use restrata::probe::Request;
use restrata::registry::names::{Environment, Name};

use super::access::AccessArgs;
use super::args::Output;

#[derive(Debug, Args)]
pub struct Probe {
    /// An image in the registry: docker://HOST/REPOSITORY[:TAG|@DIGEST]
    #[arg(value_name = "REF", value_parser = RegistryImage)]
    pub name: Name,

    #[command(flatten)]
    pub output: Output,
    // Its heading holds for everything that comes behind it.
    #[command(flatten)]
    pub access: AccessArgs,
}

impl Probe {
    pub fn request(&self) -> Request {
        Request {
            name: self.name.clone(),
            access: self.access.access(),
            environment: Environment::current(),
            options: self.access.options(),
        }
    }
}

/// clap's own errors show the value, and before an @ can stand a password.
#[derive(Debug, Clone)]
struct RegistryImage;

impl TypedValueParser for RegistryImage {
    type Value = Name;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Name, Error> {
        const EXPECTED: &str = "expected docker://HOST/REPOSITORY[:TAG|@DIGEST]";
        let name = value.to_str().and_then(|text| text.strip_prefix("docker://"));
        let parsed = match name {
            Some(name) => name.parse::<Name>().map_err(|error| error.to_string()),
            None => Err(format!("{EXPECTED}, found something else")),
        };
        let refused = |why| Error::raw(ErrorKind::ValueValidation, format!("{why}\n")).with_cmd(command);
        parsed.map_err(refused)
    }
}
