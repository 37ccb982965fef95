//! Who pulls an image: how much a byte counts that each kind of client pulls.

use std::fmt;
use std::str::FromStr;

use crate::order::cost::Client;

/// Of a client that counts once.
pub(super) const ONE: u32 = 1000;
const MOST: u32 = 1_000_000;

/// Of each kind of client, in thousandths; 0 for one that nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights([u32; Client::ALL.len()]);

impl Weights {
    pub fn of(self, client: Client) -> u32 {
        // A client of a gzip image alone has none.
        self.0.get(client as usize).copied().unwrap_or_default()
    }

    /// Does it count what stands above the lowest change?
    pub(super) fn has_docker(self) -> bool {
        self.of(Client::Docker) > 0
    }

    /// The clients that count.
    pub(super) fn counted(self) -> impl Iterator<Item = (Client, u32)> {
        Client::ALL.into_iter().map(move |client| (client, self.of(client))).filter(|(_, weight)| *weight > 0)
    }
}

impl Default for Weights {
    fn default() -> Self {
        let mut weights = [0; Client::ALL.len()];
        weights[Client::Plain as usize] = ONE;
        weights[Client::Podman as usize] = ONE;
        Self(weights)
    }
}

/// The text says no weights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    #[error("expected CLIENT=WEIGHT, several with commas between them, such as plain=1,podman=1,docker=1")]
    Shape,
    #[error("there is no such client: expected {}", Names)]
    Client,
    #[error("{} has two weights: expected one", .0.name())]
    Twice(Client),
    #[error("the weight of {} is no number from 0 to 1000 with at most three decimals", .0.name())]
    Number(Client),
    #[error("no client has a weight above 0")]
    None,
}

struct Names;

impl fmt::Display for Names {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Client::ALL.iter().map(|client| client.name()).collect();
        out.write_str(&names.join(", "))
    }
}

/// Who is not named has none.
impl FromStr for Weights {
    type Err = WeightsError;

    fn from_str(text: &str) -> Result<Self, WeightsError> {
        let mut weights = [None; Client::ALL.len()];
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').ok_or(WeightsError::Shape)?;
            let client = Client::ALL.into_iter().find(|client| client.name() == name).ok_or(WeightsError::Client)?;
            let weight = thousandths(weight).ok_or(WeightsError::Number(client))?;
            if weights[client as usize].replace(weight).is_some() {
                return Err(WeightsError::Twice(client));
            }
        }
        let weights = weights.map(Option::unwrap_or_default);
        if weights.iter().all(|weight| *weight == 0) {
            return Err(WeightsError::None);
        }
        Ok(Self(weights))
    }
}

/// Digits alone, and a point: no sign, no exponent, no space.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = match text.split_once('.') {
        Some((whole, part)) if (1..=3).contains(&part.len()) => (whole, part),
        Some(_) => return None,
        None => (text, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let part: u32 = format!("{part:0<3}").parse().ok()?;
    whole.checked_mul(ONE)?.checked_add(part).filter(|weight| *weight <= MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(&'static str, u32)>, WeightsError> {
        let weights: Weights = text.parse()?;
        Ok(weights.counted().map(|(client, weight)| (client.name(), weight)).collect())
    }

    #[test]
    fn weights_are_numbers_by_clients() {
        assert_eq!(parsed("docker=1"), Ok(vec![("docker", 1000)]));
        assert_eq!(parsed("podman=0.25,plain=2"), Ok(vec![("plain", 2000), ("podman", 250)]));
        assert_eq!(parsed("composefs=1000,podman-reflink=0"), Ok(vec![("composefs", 1_000_000)]));
        assert_eq!("plain=1,podman=1".parse(), Ok(Weights::default()));
    }

    #[test]
    fn other_texts_are_refused() {
        use Client::{Docker, Plain};
        for (text, error) in [
            ("", WeightsError::Shape),
            ("plain", WeightsError::Shape),
            ("plain=1,", WeightsError::Shape),
            ("plain=1 ,docker=1", WeightsError::Number(Plain)),
            ("plain=1, docker=1", WeightsError::Client),
            ("containerd=1", WeightsError::Client),
            ("Docker=1", WeightsError::Client),
            ("docker=1,docker=1", WeightsError::Twice(Docker)),
            ("docker=", WeightsError::Number(Docker)),
            ("docker=-1", WeightsError::Number(Docker)),
            ("docker=+1", WeightsError::Number(Docker)),
            ("docker=.5", WeightsError::Number(Docker)),
            ("docker=1.", WeightsError::Number(Docker)),
            ("docker=1.0001", WeightsError::Number(Docker)),
            ("docker=1e3", WeightsError::Number(Docker)),
            ("docker=NaN", WeightsError::Number(Docker)),
            ("docker=1000.001", WeightsError::Number(Docker)),
            ("docker=99999999999", WeightsError::Number(Docker)),
            ("docker=0,plain=0.000", WeightsError::None),
        ] {
            assert_eq!(parsed(text), Err(error), "{text}");
        }
        assert_eq!(
            WeightsError::Client.to_string(),
            "there is no such client: expected plain, docker, podman, podman-reflink, composefs"
        );
    }
}
