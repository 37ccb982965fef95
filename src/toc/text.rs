//! JSON text as Go's `encoding/json` writes it, straight into a buffer.
//!
//! A tar-split must come out byte for byte as Go writes it, and a TOC has a row for every file:
//! both are written without a value tree in between.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `text` in quotes. Go escapes `<`, `>`, `&`, U+2028 and U+2029 too, so that JSON can stand in HTML.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut done = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escaped = match byte {
            b'"' | b'\\' | b'<' | b'>' | b'&' | 0..0x20 => 1,
            0xe2 if matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => 3,
            _ => continue,
        };
        out.extend_from_slice(&bytes[done..at]);
        push_escape(out, &bytes[at..at + escaped]);
        done = at + escaped;
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

/// The escape of one character: a single byte, or the three bytes of U+2028 or U+2029.
fn push_escape(out: &mut Vec<u8>, char: &[u8]) {
    let short: &[u8] = match char {
        b"\"" => b"\\\"",
        b"\\" => b"\\\\",
        b"\x08" => b"\\b",
        b"\x0c" => b"\\f",
        b"\n" => b"\\n",
        b"\r" => b"\\r",
        b"\t" => b"\\t",
        [_, _, 0xa8] => b"\\u2028",
        [_, _, _] => b"\\u2029",
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend(
                char.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| b"0123456789abcdef"[digit as usize]),
            );
            return;
        }
    };
    out.extend_from_slice(short);
}

pub(super) fn push_u64(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

pub(super) fn push_i64(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push_u64(out, number.unsigned_abs());
}

/// `bytes` in standard base64 with padding, in quotes.
pub(super) fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    debug_assert_eq!(start + written, out.len());
    out.push(b'"');
}

/// `None` when `text` is not standard base64 with padding.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// `"sha256:<hex>"` in quotes.
pub(super) fn push_digest(out: &mut Vec<u8>, digest: &[u8; 32]) {
    let mut hex = [0; 64];
    faster_hex::hex_encode(digest, &mut hex).map(drop).unwrap_or_default();
    out.extend_from_slice(b"\"sha256:");
    out.extend_from_slice(&hex);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_what_go_escapes() {
        assert_eq!(
            string("a\"\\\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}"),
            r#""a\"\\\b\f\n\r\t\u0000\u001f"#.to_owned() + "\u{7f}\""
        );
        assert_eq!(
            string("<>&\u{2028}\u{2029}\u{2027}\u{e9}"),
            "\"\\u003c\\u003e\\u0026\\u2028\\u2029\u{2027}\u{e9}\""
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_back(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text);
        }

        #[test]
        fn any_number_is_printed(number in any::<i64>()) {
            let mut out = Vec::new();
            push_i64(&mut out, number);
            prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }

        #[test]
        fn any_bytes_are_read_back(bytes in any::<Vec<u8>>()) {
            let mut out = Vec::new();
            push_base64(&mut out, &bytes);
            let text = std::str::from_utf8(&out[1..out.len() - 1]).unwrap();
            prop_assert_eq!(decode_base64(text).unwrap(), bytes);
        }
    }
}
