//! What attackers put into banners: the one corpus that the tests of every exit share.

/// Texts that attack a terminal, a spreadsheet, a browser, a Markdown renderer or a log reader.
///
/// A test writes each of them through its exit and checks that what comes out holds no character for
/// which [`is_dangerous`](crate::is_dangerous) is true, and nothing that the exit's reader would obey.
pub const CORPUS: &[&str] = &[
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]8;;http://203.0.113.1/\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1bP1;1|17/ab\x1b\\",
    "\u{9b}31m",
    "\u{7f}\u{8}\u{8}\u{8}",
    "nul\0byte",
    "a\r\nb",
    "a\u{2028}b\u{2029}c\u{85}d",
    "\u{202e}gnp.exe",
    "\u{2066}x\u{2069}",
    "=cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://203.0.113.1/\",\"ok\")",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "  =1",
    "\u{200b}=1+1",
    "＝1+1",
    "a,b;c\"d'e|f",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</textarea></title></style>",
    "[click](javascript:alert(1))",
    "| a | b |",
    "![x](http://203.0.113.1/x.png)",
    "http://203.0.113.1/",
    "# heading\n- item",
    "level=error msg=\"fake\" user=root",
    "\u{feff}\u{200b}\u{e0041}",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字",
    "{\"error\":\"x\"}\n{\"ip\":\"203.0.113.1\"}",
];
