use proptest::prelude::*;

use super::hostile::CORPUS as HOSTILE;
use super::*;

#[test]
fn terminal_shows_escapes_instead_of_obeying_them() {
    assert_eq!(terminal("\x1b[31mred"), "\\u{1b}[31mred");
    assert_eq!(terminal("a\r\n\tb"), "a\\r\\n\\tb");
    assert_eq!(terminal("\u{202e}gnp"), "\\u{202e}gnp");
    assert_eq!(terminal("Grüße 漢字"), "Grüße 漢字");
}

#[test]
fn cutting_counts_columns_not_characters() {
    assert_eq!(terminal_cut("abcdef", 4), "abc…");
    assert_eq!(terminal_cut("漢字漢字", 5), "漢字…");
    assert_eq!(terminal_cut("abc", 3), "abc");
    assert_eq!(terminal_cut("abc", 0), "");
}

#[test]
fn csv_neutralises_formulas_and_keeps_numbers() {
    for (input, expected) in [
        ("=1+1", "\"'=1+1\""),
        ("-12", "-12"),
        ("-82460412", "-82460412"),
        ("-2+3", "\"'-2+3\""),
        ("@x", "\"'@x\""),
        ("\t=1", "\"'\\t=1\""),
        ("  =1", "\"'  =1\""),
        ("a,b", "\"a,b\""),
        ("a\"b", "\"a\"\"b\""),
        ("plain", "plain"),
    ] {
        assert_eq!(csv_field(input), expected, "{input:?}");
    }
}

#[test]
fn html_cannot_open_a_tag_or_leave_an_attribute() {
    assert_eq!(html("\"><b>'&"), "&quot;&gt;&lt;b&gt;&#39;&amp;");
}

#[test]
fn markdown_makes_no_link_no_image_no_cell_and_no_html() {
    for text in HOSTILE {
        let safe = markdown(text);
        assert!(!safe.contains("](") && !safe.contains('<') && !safe.contains("://"), "{safe}");
        assert!(!safe.replace("\\|", "").contains('|'), "{safe}");
        assert!(!safe.contains('\n'), "{safe}");
    }
}

#[test]
fn log_values_cannot_pose_as_fields() {
    assert_eq!(log_field("a b=\"c\""), "\"a b=\\\"c\\\"\"");
    assert_eq!(log_field("etcd-3.5"), "etcd-3.5");
    assert_eq!(log_field(""), "\"\"");
}

#[test]
fn bytes_are_cut_between_characters() {
    assert_eq!(Text::from_bytes("aé".as_bytes(), 2).raw(), "a");
    assert_eq!(Text::from_bytes(b"a\xffb", 10).raw(), "a\u{fffd}b");
}

#[test]
fn no_exit_lets_a_dangerous_character_through() {
    for text in HOSTILE {
        for out in [terminal(text), csv_field(text), log_field(text), markdown(text)] {
            assert!(!out.chars().any(is_dangerous), "{out:?}");
        }
        assert!(!html(text).chars().any(|c| is_dangerous(c) && c != '\n' && c != '\t'));
        assert!(!json::to_string(text).unwrap().chars().any(is_dangerous));
    }
}

proptest! {
    #[test]
    fn json_is_lossless_and_inert(text in any::<String>()) {
        let written = json::to_string(&text).unwrap();
        prop_assert!(!written.chars().any(is_dangerous));
        prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }

    #[test]
    fn cut_text_fits(text in any::<String>(), columns in 0usize..200) {
        let cut = terminal_cut(&text, columns);
        prop_assert!(terminal_width(&cut) <= columns);
        prop_assert!(!cut.chars().any(is_dangerous));
    }

    #[test]
    fn bytes_of_any_kind_become_text(bytes in proptest::collection::vec(any::<u8>(), 0..64), max in 0usize..70) {
        prop_assert!(Text::from_bytes(&bytes, max).raw().len() <= max * 3);
    }
}
