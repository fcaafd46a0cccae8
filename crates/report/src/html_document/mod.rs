//! The frame of a page that is a file of its own: no script, nothing loaded from elsewhere, light and dark, for screen
//! and paper.

use std::io::{self, Write};

use nightlatch_untrusted::html;

/// The style sheet of the reports, for who serves it from an address of its own.
pub const STYLESHEET: &str = include_str!("report.css");

/// What a browser compares the style sheet inside the page with; a test computes it.
const STYLESHEET_HASH: &str = "sha256-gp50dSRXaWAb/6TA396nkq09+xGd9TjEGdJ1Maj6dr4=";

/// Where a page has its style from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum StyleSource {
    /// Written into the page, which then is a file of its own and says itself that nothing else may run in it.
    #[default]
    Inline,
    /// [`STYLESHEET`], served from this address of the same origin.
    Linked(&'static str),
}

/// Writes all before the contents.
pub(crate) fn begin(title: &str, style: StyleSource, out: &mut dyn Write) -> io::Result<()> {
    let title = html(title);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"robots\" content=\"noindex\">\n"
    )?;
    match style {
        StyleSource::Inline => write!(
            out,
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{STYLESHEET_HASH}'\">\n\
             <style>{STYLESHEET}</style>\n"
        )?,
        StyleSource::Linked(href) => writeln!(out, "<link rel=\"stylesheet\" href=\"{}\">", html(href))?,
    }
    write!(out, "</head>\n<body>\n<main>\n<h1>{title}</h1>\n")
}

/// Writes all after the contents.
pub(crate) fn end(out: &mut dyn Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    write!(
        out,
        "</main>\n<footer>\n<p class=\"quiet\">Made by nightlatch {version}.</p>\n</footer>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_browser_will_take_the_style_sheet() {
        let hash = BASE64_STANDARD.encode(Sha256::digest(STYLESHEET.as_bytes()));
        assert_eq!(STYLESHEET_HASH, format!("sha256-{hash}"), "report.css changed");
    }
}
