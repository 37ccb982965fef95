//! How a registry is reached: who the user is there, whose certificates count, how often it is asked.

use std::ffi::OsStr;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Args, Command, Error};
use restrata::registry::names::{Access, Environment};
use restrata::registry::{Credentials, Options, Reach, Retries};

#[derive(Debug, Args)]
pub struct AccessArgs {
    /// Log in to the registry with this user and password
    ///
    /// Without it, the credentials of podman login, skopeo login and docker login are used. Other users of the machine
    /// can see a command's arguments: prefer a login. Without :PASSWORD the password is empty. All registries that the
    /// command names get them; for other credentials on another registry, use logins.
    #[arg(long, help_heading = "Registry", value_name = "USER[:PASSWORD]", value_parser = Creds)]
    creds: Option<Credentials>,

    /// Read credentials from this file [default: $REGISTRY_AUTH_FILE, else those of a login]
    #[arg(long, help_heading = "Registry", value_name = "FILE")]
    authfile: Option<PathBuf>,

    /// Require HTTPS and a valid certificate [default: true, if registries.conf says nothing else]
    ///
    /// With --tls-verify=false any certificate is taken, and HTTP is tried where HTTPS does not answer.
    #[arg(long, help_heading = "Registry", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    tls_verify: Option<bool>,

    /// Look here for the registry's CA (*.crt) and for a client certificate (*.cert, *.key)
    ///
    /// Without it, the directories /etc/containers/certs.d/HOST:PORT and those of docker count, as for podman.
    #[arg(long, help_heading = "Registry", value_name = "DIR")]
    cert_dir: Option<PathBuf>,

    /// Repeat a request up to N times if its failure may pass (429, 5xx, cut connection, timeout) [default: 4]
    #[arg(long, help_heading = "Registry", value_name = "N", value_parser = retry)]
    #[arg(allow_negative_numbers = true)]
    retry: Option<u32>,

    /// Wait this long before a request is repeated, such as 500ms or 2s; each wait is twice the one before [default: 2s]
    ///
    /// The registry can ask for another delay. No wait is longer than one minute, or than this delay if that is longer.
    #[arg(long, help_heading = "Registry", value_name = "DURATION", value_parser = duration)]
    #[arg(allow_negative_numbers = true)]
    retry_delay: Option<Duration>,
}

impl AccessArgs {
    pub fn access(&self) -> Access {
        Access {
            credentials: self.creds.clone(),
            authfile: self.authfile.clone(),
            tls_verify: self.tls_verify,
            cert_dir: self.cert_dir.clone(),
        }
    }

    /// A bridge reads the file only when it is asked, and then nobody sees why a pull fails.
    pub fn check_bridge(&self, is_local: bool) -> anyhow::Result<()> {
        let named = if self.creds.is_some() { "--creds" } else { "--authfile" };
        if !is_local && (self.creds.is_some() || self.authfile.is_some()) {
            bail!(
                "{named}: a bridge on another address than loopback has no login of its own, since every machine could use it; \
                 leave {named} out, and log in on the clients"
            );
        }
        if let Some(file) = &self.authfile {
            File::open(file).with_context(|| format!("--authfile {}", file.display()))?;
        }
        Ok(())
    }

    pub fn reach(&self) -> Reach {
        Reach { access: self.access(), environment: Environment::current(), options: self.options() }
    }

    pub fn options(&self) -> Options {
        let mut retries = Retries::default();
        if let Some(again) = self.retry {
            retries.tries = again + 1;
        }
        if let Some(delay) = self.retry_delay {
            retries.first_delay = delay;
            retries.longest_delay = retries.longest_delay.max(delay);
        }
        Options { retries, ..Options::default() }
    }
}

/// clap's own errors show the value.
#[derive(Debug, Clone)]
pub struct Creds;

impl TypedValueParser for Creds {
    type Value = Credentials;

    fn parse_ref(&self, command: &Command, option: Option<&Arg>, value: &OsStr) -> Result<Credentials, Error> {
        let parsed = match value.to_str() {
            Some(text) => text.parse::<Credentials>().map_err(|error| error.to_string()),
            None => Err("expected USER[:PASSWORD] in UTF-8, found something else".to_owned()),
        };
        let option = option.and_then(Arg::get_long).unwrap_or("creds");
        let refused = |why| Error::raw(ErrorKind::ValueValidation, format!("--{option}: {why}\n")).with_cmd(command);
        parsed.map_err(refused)
    }
}

fn retry(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number <= 100);
    number.ok_or_else(|| "expected a whole number from 0 to 100".to_owned())
}

/// As Go writes durations, and so podman's --retry-delay. A number without a unit is refused as there.
fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 6] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    const MOST: Duration = Duration::from_secs(24 * 3600);
    let refused = || "expected a duration of at most 24h, such as 500ms, 2s or 1m30s".to_owned();
    let (mut rest, mut nanos) = (text, 0_u64);
    while !rest.is_empty() || text.is_empty() {
        let number_ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refused)?;
        let (number, behind) = rest.split_at(number_ends);
        let unit_ends = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_ends);
        let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        nanos = scaled(number, unit).and_then(|more| nanos.checked_add(more)).ok_or_else(refused)?;
        rest = behind;
    }
    Some(Duration::from_nanos(nanos)).filter(|duration| *duration <= MOST).ok_or_else(refused)
}

/// `1.5` of so many nanoseconds.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| {
        let are_digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        are_digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    let fraction = u128::from(digits(part)?) * u128::from(unit) / 10_u128.pow(part.len() as u32);
    digits(whole)?.checked_mul(unit)?.checked_add(u64::try_from(fraction).ok()?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use restrata::registry::Secret;

    use super::*;

    #[derive(Debug, Parser)]
    struct Any {
        #[command(flatten)]
        access: AccessArgs,
        reference: Option<String>,
    }

    fn parsed(arguments: &[&str]) -> Result<Any, String> {
        let all = ["restrata"].iter().chain(arguments);
        Any::try_parse_from(all).map_err(|error| error.render().to_string())
    }

    #[test]
    fn nothing_given_leaves_everything_to_files() {
        let any = parsed(&[]).unwrap();
        let (access, options) = (any.access.access(), any.access.options());
        assert_eq!(access, Access::default());
        assert_eq!((options.retries.tries, options.retries.first_delay), (5, Duration::from_secs(2)));
    }

    #[test]
    fn everything_given_counts() {
        let arguments =
            "--creds me:pass:word --authfile a.json --tls-verify=false --cert-dir d --retry 0 --retry-delay 90s x";
        let any = parsed(&arguments.split(' ').collect::<Vec<_>>()).unwrap();
        let credentials = Credentials::Basic { user: "me".to_owned(), password: Secret::new("pass:word".to_owned()) };
        let wanted = Access {
            credentials: Some(credentials),
            authfile: Some("a.json".into()),
            tls_verify: Some(false),
            cert_dir: Some("d".into()),
        };
        assert_eq!((any.access.access(), any.reference.as_deref()), (wanted, Some("x")));
        let retries = any.access.options().retries;
        let delay = Duration::from_secs(90);
        assert_eq!((retries.tries, retries.first_delay, retries.longest_delay), (1, delay, delay));
    }

    #[test]
    fn a_flag_takes_its_value_behind_an_equals_sign_only() {
        for (given, verify, reference) in [
            (&["--tls-verify", "x"][..], true, Some("x")),
            (&["--tls-verify", "false"], true, Some("false")),
            (&["--tls-verify=true"], true, None),
            (&["--tls-verify=0", "x"], false, Some("x")),
        ] {
            let any = parsed(given).unwrap();
            let found = (any.access.access().tls_verify, any.reference.as_deref());
            assert_eq!(found, (Some(verify), reference), "{given:?}");
        }
        assert!(parsed(&["--tls-verify=perhaps"]).unwrap_err().contains("perhaps"));
    }

    #[test]
    fn no_message_shows_a_password() {
        for given in [
            &["--creds", ":hunter2"][..],
            &["--creds=:hunter2"],
            &["--creds", "me:hunter2", "--retry", "x"],
            &["--creds", "me:hunter2", "--creds", "you:hunter2"],
            &["--cred=me:hunter2"],
            &["--cred", "me:hunter2"],
        ] {
            let message = parsed(given).unwrap_err();
            assert!(!message.contains("hunter2"), "{given:?}: {message}");
        }
        let message = parsed(&["--creds", ":hunter2"]).unwrap_err();
        assert!(message.contains("--creds: expected USER[:PASSWORD], found no user before the colon"), "{message}");
        assert!(!format!("{:?}", parsed(&["--creds", "me:hunter2"]).unwrap()).contains("hunter2"));
    }

    #[test]
    fn durations_are_gos() {
        let millis = |text| duration(text).map(|duration| duration.as_millis());
        for (text, wanted) in [("0s", 0), ("500ms", 500), ("2s", 2000), ("1m30s", 90_000), ("1.5h", 5_400_000)] {
            assert_eq!(millis(text), Ok(wanted), "{text}");
        }
        assert_eq!(duration("7us3ns"), Ok(Duration::from_nanos(7003)));
        for text in ["", "2", "s", "-1s", "+1s", "1.s", ".5s", "1d", "2 s", "25h", "1s2", "9999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(retry("0") == Ok(0) && ["-1", "101", "x", ""].iter().all(|text| retry(text).is_err()));
    }
}
