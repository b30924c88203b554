//! The escape rule holds for every string of bytes.

use proptest::prelude::*;

use super::*;

#[test]
fn each_kind_of_byte_has_its_text() {
    let cases: [(&[u8], &str); 12] = [
        (b"plain text, 'quotes' \"too\"", "plain text, 'quotes' \"too\""),
        (b"a\\b", r"a\\b"),
        (b"a\nb\tc\rd", r"a\nb\tc\rd"),
        (b"\0\x1b[31m\x7f", r"\x00\x1b[31m\x7f"),
        ("naïve 東京 🚀".as_bytes(), "naïve 東京 🚀"),
        ("हिन्दी".as_bytes(), "हिन्दी"),
        ("e\u{301}".as_bytes(), "e\u{301}"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b"caf\xc3", r"caf\xc3"),
        ("\u{202e}x".as_bytes(), r"\xe2\x80\xaex"),
        ("\u{200b}".as_bytes(), r"\xe2\x80\x8b"),
        (b"", ""),
    ];
    for (bytes, text) in cases {
        assert_eq!(escape(bytes), text);
        assert_eq!(unescape(text.as_bytes()).unwrap(), bytes, "{text}");
    }
}

#[test]
fn reading_takes_upper_case_digits_quotes_and_raw_bytes() {
    assert_eq!(unescape(br#"\xFF\0\"\'"#).unwrap(), b"\xff\0\"'");
    assert_eq!(unescape(b"\xff\xfe").unwrap(), b"\xff\xfe");
}

#[test]
fn a_wrong_escape_names_its_place() {
    for (text, place) in
        [("ab\\", "character 3"), (r"\q", "character 1"), (r"a\x1", "character 2"), (r"\xzz", "character 1")]
    {
        let error = unescape(text.as_bytes()).unwrap_err();
        assert!(error.contains(place), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = escape(&bytes);
        prop_assert_eq!(unescape(text.as_bytes()).unwrap(), bytes);
    }

    #[test]
    fn any_text_comes_back(s in "\\PC*|.*") {
        prop_assert_eq!(unescape(escape(s.as_bytes()).as_bytes()).unwrap(), s.as_bytes());
    }

    #[test]
    fn the_text_has_no_control_characters(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!escape(&bytes).chars().any(char::is_control));
    }

    #[test]
    fn reading_never_panics(text in proptest::collection::vec(prop_oneof![Just(b'\\'), Just(b'x'), any::<u8>()], 0..50)) {
        let _ = unescape(&text);
    }
}
