//! What is around the content.

use super::Text;

/// A change of colour belongs to both schemes; tests/harness/page.py measures the contrast in both.
const STYLE: &str = include_str!("style.css");

/// Should markup of an image ever get into a page: no script runs, and nothing is fetched.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// `content` is markup.
pub(super) fn page(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">
<title>{}</title>
<link rel=\"icon\" href=\"data:,\">
<style>
{STYLE}</style>
</head>
<body>
<main>
{content}</main>
<footer>
<p>Bytes are compressed ones, as they travel; 1 MB is 1,000,000 of them. What each number means: docs/cost.md of restrata. \
Predicted by restrata {} from the images alone: nothing was pulled.</p>
</footer>
</body>
</html>
",
        Text(title),
        env!("CARGO_PKG_VERSION"),
    )
}
