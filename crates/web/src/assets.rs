//! What the pages load: one stylesheet, one script, one icon, all from here, under names that change with their
//! content.

/// A file that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Where it is served.
    pub path: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// Its content.
    pub body: &'static [u8],
}

macro_rules! asset {
    ($name:ident, $stem:literal, $extension:literal, $kind:literal, $body:expr) => {
        /// An asset under its hashed name.
        pub const $name: Asset = {
            const BODY: &[u8] = $body;
            const DIGITS: [u8; 16] = hex(fnv1a(BODY));
            const PATH_BYTES: &[u8] = &join::<{ 8 + $stem.len() + 1 + 16 + 1 + $extension.len() }>([
                b"/static/",
                $stem.as_bytes(),
                b".",
                &DIGITS,
                b".",
                $extension.as_bytes(),
            ]);
            const PATH: &str = match std::str::from_utf8(PATH_BYTES) {
                Ok(path) => path,
                Err(_) => "/static/",
            };
            Asset { path: PATH, kind: $kind, body: BODY }
        };
    };
}

asset!(STYLE, "app", "css", "text/css; charset=utf-8", include_bytes!("../static/app.css"));
asset!(SCRIPT, "app", "js", "text/javascript; charset=utf-8", include_bytes!("../static/app.js"));
asset!(ICON, "icon", "svg", "image/svg+xml", include_bytes!("../static/icon.svg"));
asset!(REPORT, "report", "css", "text/css; charset=utf-8", nightlatch_report::STYLESHEET.as_bytes());

/// Everything that is served under `/static/`.
pub const ASSETS: [Asset; 4] = [STYLE, SCRIPT, ICON, REPORT];

/// FNV-1a, 64 bits: names content, protects nothing.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

const fn hex(number: u64) -> [u8; 16] {
    let mut out = [0; 16];
    let mut at = 0;
    while at < 16 {
        out[at] = b"0123456789abcdef"[(number >> (60 - 4 * at)) as usize & 15];
        at += 1;
    }
    out
}

const fn join<const N: usize>(parts: [&[u8]; 6]) -> [u8; N] {
    let mut out = [0; N];
    let (mut at, mut part) = (0, 0);
    while part < parts.len() {
        let mut byte = 0;
        while byte < parts[part].len() {
            out[at] = parts[part][byte];
            at += 1;
            byte += 1;
        }
        part += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_the_hash_of_the_content() {
        assert!(STYLE.path.starts_with("/static/app.") && STYLE.path.ends_with(".css"), "{}", STYLE.path);
        assert_eq!(STYLE.path.len(), "/static/app..css".len() + 16);
        // Source: the FNV reference test vectors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(&hex(0x0123_4567_89ab_cdef), b"0123456789abcdef");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for asset in ASSETS {
            let text = std::str::from_utf8(asset.body).unwrap().replace("http://www.w3.org/2000/svg", "");
            for foreign in ["http:", "https:", "url(//", "@import", "eval(", "innerHTML", "document.write"] {
                assert!(!text.contains(foreign), "{} has {foreign}", asset.path);
            }
        }
    }
}
