//! What of `access` is said of the registries that are read, or of the one that is written, alone.

use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;
use restrata::registry::Credentials;
use restrata::registry::names::Access;

use super::access::Creds;

#[derive(Debug, Args)]
pub struct Sides {
    /// As --creds, only for NEW, --previous and --base
    ///
    /// The four --src- options, and the four --dest- options for DEST, count before those that hold for both.
    #[arg(long, help_heading = "Registry", value_name = "USER[:PASSWORD]", value_parser = Creds)]
    src_creds: Option<Credentials>,

    /// As --creds, only for DEST and for what its tag points at
    #[arg(long, help_heading = "Registry", value_name = "USER[:PASSWORD]", value_parser = Creds)]
    dest_creds: Option<Credentials>,

    /// As --authfile, only for NEW, --previous and --base
    #[arg(long, help_heading = "Registry", value_name = "FILE")]
    src_authfile: Option<PathBuf>,

    /// As --authfile, only for DEST
    #[arg(long, help_heading = "Registry", value_name = "FILE")]
    dest_authfile: Option<PathBuf>,

    /// As --tls-verify, only for NEW, --previous and --base
    #[arg(long, help_heading = "Registry", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    src_tls_verify: Option<bool>,

    /// As --tls-verify, only for DEST
    #[arg(long, help_heading = "Registry", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    dest_tls_verify: Option<bool>,

    /// As --cert-dir, only for NEW, --previous and --base
    #[arg(long, help_heading = "Registry", value_name = "DIR")]
    src_cert_dir: Option<PathBuf>,

    /// As --cert-dir, only for DEST
    #[arg(long, help_heading = "Registry", value_name = "DIR")]
    dest_cert_dir: Option<PathBuf>,
}

impl Sides {
    pub fn source(&self, both: &Access) -> Access {
        let own = Access {
            credentials: self.src_creds.clone(),
            authfile: self.src_authfile.clone(),
            tls_verify: self.src_tls_verify,
            cert_dir: self.src_cert_dir.clone(),
        };
        before(own, both)
    }

    pub fn destination(&self, both: &Access) -> Access {
        let own = Access {
            credentials: self.dest_creds.clone(),
            authfile: self.dest_authfile.clone(),
            tls_verify: self.dest_tls_verify,
            cert_dir: self.dest_cert_dir.clone(),
        };
        before(own, both)
    }
}

fn before(own: Access, both: &Access) -> Access {
    // Credentials go before a file with them, so that those for both would hide a file for one.
    let credentials = both.credentials.clone().filter(|_| own.authfile.is_none());
    Access {
        credentials: own.credentials.or(credentials),
        authfile: own.authfile.or_else(|| both.authfile.clone()),
        tls_verify: own.tls_verify.or(both.tls_verify),
        cert_dir: own.cert_dir.or_else(|| both.cert_dir.clone()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::access::AccessArgs;

    #[derive(Debug, Parser)]
    struct Any {
        #[command(flatten)]
        access: AccessArgs,
        #[command(flatten)]
        sides: Sides,
    }

    fn parsed(arguments: &[&str]) -> Result<(Access, Access), String> {
        let all = ["restrata"].iter().chain(arguments);
        let any = Any::try_parse_from(all).map_err(|error| error.render().to_string())?;
        let both = any.access.access();
        Ok((any.sides.source(&both), any.sides.destination(&both)))
    }

    fn creds(text: &str) -> Option<Credentials> {
        Some(text.parse().unwrap())
    }

    fn access(
        creds_: Option<&str>,
        authfile: Option<&str>,
        tls_verify: Option<bool>,
        cert_dir: Option<&str>,
    ) -> Access {
        Access {
            credentials: creds_.and_then(creds),
            authfile: authfile.map(PathBuf::from),
            tls_verify,
            cert_dir: cert_dir.map(PathBuf::from),
        }
    }

    #[test]
    fn what_is_said_of_one_side_goes_before_what_is_said_of_both() {
        let nothing = Access::default;
        for (given, source, destination) in [
            ("", nothing(), nothing()),
            (
                "--creds me:a --authfile f --tls-verify=false --cert-dir d",
                access(Some("me:a"), Some("f"), Some(false), Some("d")),
                access(Some("me:a"), Some("f"), Some(false), Some("d")),
            ),
            (
                "--src-creds me:a --src-authfile f --src-tls-verify=false --src-cert-dir d",
                access(Some("me:a"), Some("f"), Some(false), Some("d")),
                nothing(),
            ),
            (
                "--dest-creds me:a --dest-authfile f --dest-tls-verify=false --dest-cert-dir d",
                nothing(),
                access(Some("me:a"), Some("f"), Some(false), Some("d")),
            ),
            (
                "--creds me:a --src-creds you:b",
                access(Some("you:b"), None, None, None),
                access(Some("me:a"), None, None, None),
            ),
            (
                "--creds me:a --dest-creds you:b",
                access(Some("me:a"), None, None, None),
                access(Some("you:b"), None, None, None),
            ),
            (
                "--tls-verify=false --src-tls-verify --cert-dir d --dest-cert-dir e",
                access(None, None, Some(true), Some("d")),
                access(None, None, Some(false), Some("e")),
            ),
            // A file of one side is not hidden by credentials of both.
            (
                "--creds me:a --src-authfile f",
                access(None, Some("f"), None, None),
                access(Some("me:a"), None, None, None),
            ),
            (
                "--authfile f --dest-creds me:a",
                access(None, Some("f"), None, None),
                access(Some("me:a"), Some("f"), None, None),
            ),
        ] {
            let arguments: Vec<&str> = given.split(' ').filter(|word| !word.is_empty()).collect();
            assert_eq!(parsed(&arguments).unwrap(), (source, destination), "{given}");
        }
    }

    #[test]
    fn no_message_shows_a_password() {
        for option in ["--src-creds", "--dest-creds"] {
            let with_value = format!("{option}=:hunter2");
            for given in [
                &[option, ":hunter2"][..],
                &[&with_value],
                &[option, "me:hunter2", option, "you:hunter2"],
                &[option, "me:hunter2", "--src-tls-verify=perhaps"],
            ] {
                let message = parsed(given).unwrap_err();
                assert!(message.contains("--") && !message.contains("hunter2"), "{given:?}: {message}");
            }
            let message = parsed(&[option, ":hunter2"]).unwrap_err();
            assert!(message.contains(&format!("{option}: expected USER[:PASSWORD]")), "{message}");
        }
        let shown = format!("{:?}", parsed(&["--src-creds", "me:hunter2", "--dest-creds", "me:hunter2"]).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
