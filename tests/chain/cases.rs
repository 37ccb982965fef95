//! How many random cases a run tries: so many as PROPTEST_CASES says.

use proptest::prelude::ProptestConfig;

pub fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24);
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 800,
        max_shrink_time: 60_000,
        ..ProptestConfig::default()
    }
}
