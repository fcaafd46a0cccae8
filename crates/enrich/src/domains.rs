use std::net::IpAddr;

use nightlatch_asset::Text;
use nightlatch_untrusted::is_dangerous;

/// The release of the public suffix list that is compiled in, as `crate version`.
pub const SUFFIX_LIST: &str = "psl 2.1.247";

/// When that release was published, by the registry's index (`pubtime`). The crate does not say of what day
/// its list is; a release is made soon after the list changes.
pub const SUFFIX_LIST_RELEASED: &str = "2026-11-05";

/// Longest host name, RFC 1035, section 2.3.4.
const NAME_BYTES_MAX: usize = 253;

/// The registrable domains of `names`, lower case, each once, in order of the names.
///
/// A name whose suffix the list does not know (`printer.lan`, `localhost`) has none; nor has a bare
/// suffix, an address, or what is no host name.
///
/// Source: the algorithm of publicsuffix.org, with its private part: `a.github.io` is registrable.
pub fn domains_of<'a>(names: impl IntoIterator<Item = &'a Text>) -> Vec<Text> {
    let mut domains: Vec<Text> = Vec::new();
    for domain in names.into_iter().filter_map(|name| domain_of(name.raw())) {
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    domains
}

fn domain_of(name: &str) -> Option<Text> {
    let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    // Letters of many scripts are written with marks, which are not alphanumeric: of what is no ASCII, only what
    // no name can hold is refused.
    let plausible = |c: char| match c {
        '.' | '-' | '_' => true,
        _ if c.is_ascii() => c.is_ascii_alphanumeric(),
        _ => !is_dangerous(c) && !c.is_whitespace(),
    };
    if name.len() > NAME_BYTES_MAX || name.parse::<IpAddr>().is_ok() || !name.chars().all(plausible) {
        return None;
    }
    if name.split('.').any(str::is_empty) {
        return None;
    }
    let domain = psl::domain(name.as_bytes())?;
    domain.suffix().is_known().then(|| String::from_utf8_lossy(domain.as_bytes()).as_ref().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_decide_where_a_domain_begins() {
        for (name, domain) in [
            ("www.example.com", Some("example.com")),
            ("WWW.Example.COM.", Some("example.com")),
            ("a.b.example.co.uk", Some("example.co.uk")),
            ("a.user.github.io", Some("user.github.io")),
            ("食狮.公司.cn", Some("食狮.公司.cn")),
            ("www.ร้าน.องค์กร.ไทย", Some("ร้าน.องค์กร.ไทย")),
            ("a.example.சிங்கப்பூர்", Some("example.சிங்கப்பூர்")),
            ("a.\u{202e}example.com", None),
            ("a.ex\u{a0}ample.com", None),
            ("com", None),
            ("co.uk", None),
            ("printer.lan", None),
            ("localhost", None),
            ("192.0.2.1", None),
            ("2001:db8::1", None),
            ("", None),
            ("..", None),
            ("a..com", None),
            ("x y.com", None),
            ("=1.com", None),
        ] {
            assert_eq!(domain_of(name).as_ref().map(Text::raw), domain, "{name}");
        }
    }

    #[test]
    fn each_domain_is_named_once() {
        let names = ["b.example.org", "a.example.com", "c.example.org"].map(Text::from);
        assert_eq!(domains_of(&names), ["example.org", "example.com"].map(Text::from));
    }

    #[test]
    fn the_release_named_is_the_one_compiled_in() {
        let lock = include_str!("../../../Cargo.lock");
        let (name, version) = SUFFIX_LIST.split_once(' ').unwrap();
        assert!(
            lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")),
            "update SUFFIX_LIST and SUFFIX_LIST_RELEASED"
        );
        assert!(SUFFIX_LIST_RELEASED.parse::<jiff::civil::Date>().is_ok());
    }
}
