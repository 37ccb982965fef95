//! Which keys a client takes for a known one.

/// True when some client reads `key` where it looks for `known`: the same key, or one that differs in case alone.
///
/// Go's `encoding/json` compares by simple folding (`unicode.SimpleFold`), which leads from two characters outside ASCII
/// to letters: U+017F (long s) and U+212A (Kelvin sign). podman lower-cases the keys of a TOC (`strings.ToLower`), which
/// leads from U+212A and U+0130 (I with a dot). `known` is ASCII, so these are all.
pub fn folds_to(key: &str, known: &str) -> bool {
    // Each character of `known` is one byte, and one of `key` has three at most.
    let may_fit = (known.len()..=3 * known.len()).contains(&key.len());
    may_fit && key.chars().map(lower).eq(known.chars().map(lower))
}

fn lower(char: char) -> char {
    match char {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        '\u{130}' => 'i',
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_what_clients_fold() {
        for key in ["digest", "Digest", "DIGEST", "dige\u{17f}t", "d\u{130}gest"] {
            assert!(folds_to(key, "digest"), "{key}");
        }
        assert!(folds_to("chun\u{212a}Size", "chunkSize") && folds_to("OS.Version", "os.version"));
        for key in ["", "diges", "digests", "d\u{131}gest", "digest\u{0}", "dige\u{df}t", "di gest"] {
            assert!(!folds_to(key, "digest"), "{key}");
        }
    }
}
