//! JSON that every reader reads alike.
//!
//! An image is read by several programs: podman, docker and containerd with Go's `encoding/json`, podman's TOC with
//! json-iterator or `encoding/json/v2`, bootc and this tool with serde. A document that two of them read in different
//! ways can show one image to a check and another to a client. Such documents are refused, not repaired.
//!
//! | what differs | Go `encoding/json` | podman's TOC reader | serde | here |
//! | --- | --- | --- | --- | --- |
//! | case of a key | folded (`Digest` and `dige\u017ft` are `digest`) | lower-cased (`D\u0130gest` is `digest`) | exact | a key that a client takes for a known one is refused |
//! | a key twice | the last counts, objects are merged | the last counts, or an error | the last counts, or an error | refused at every depth |
//! | an empty key | a key like others | ends the object (json-iterator) | a key like others | refused in a TOC |
//! | invalid UTF-8, half a surrogate pair | U+FFFD | left as it is, or an error | an error | refused |
//! | a list for an object | an error | an error | fields by position | refused |
//! | `1.0`, `1e3` for an integer | an error | an error | an error | refused |
//! | `null` for a text or a number | left out | empty, or an error | an error | refused, but for lists and maps |
//! | depth | 10,000 | 10,000 | 128 | 128 |
//! | text behind the value | an error | an error | an error | refused |
//!
//! U+2028 and U+2029 mean the same to all of them. Unknown keys may stand anywhere: each client skips them.
//!
//! Two ways lead in. [`Strict`] is for structs that serde fills, row by row, without a value in between: TOC and
//! tar-split. [`check`] is for documents that stay values, so that unknown fields survive: manifests, indexes, configs.

/// A visitor's answers to single values, for one that looks at what is in lists and objects and keeps nothing.
macro_rules! skips_single_values {
    () => {
        skips_single_values!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("JSON")
        }

        fn visit_unit<E: Error>(self) -> Result<(), E> {
            Ok(())
        }
    };
    ($($visit:ident($type:ty)),*) => {
        $(fn $visit<E: Error>(self, _: $type) -> Result<(), E> { Ok(()) })*
    };
}

mod fold;
mod known;
mod strict;

pub use fold::folds_to;
pub use known::{KeyError, KeyFault, Known, check};
pub use strict::{Strict, StrictMap, unique_map};
