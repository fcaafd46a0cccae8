//! Certificates as text (RFC 7468): files that name authorities.

use super::Out;
use crate::{Format, Kind, Span};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// More certificates are not read; the bundles of operating systems have about 150.
const CERTIFICATES_MAX: usize = 1024;

/// True for a text that starts with a certificate, comments aside, and holds no private key.
pub(super) fn is_certificates(first_line: &str, text: &str) -> bool {
    first_line == BEGIN && !text.contains("PRIVATE KEY-----")
}

/// Reads the text from byte `start` on as a mapping with a list `certificates`: the base64 of each, line breaks included.
pub(super) fn read(out: &mut Out<'_>, start: usize) {
    let text = out.text.clone();
    let mut tree = out.builder(Format::Lines);
    let top = Span { start: start as u32, end: start as u32 };
    tree.open(top.start, Kind::Mapping);
    tree.scalar_text(top, Kind::String, "certificates");
    tree.open(top.start, Kind::Sequence);
    let mut at = start;
    let mut count = 0;
    while let Some(begin) = text.get(at..).and_then(|rest| rest.find(BEGIN)) {
        let body = at + begin + BEGIN.len();
        let Some(length) = text[body..].find(END) else {
            out.error(at + begin, "the certificate has no end");
            break;
        };
        count += 1;
        if count > CERTIFICATES_MAX || tree.len() + 1 > out.limits.nodes_max {
            out.error(at + begin, &format!("the file has more than {CERTIFICATES_MAX} certificates"));
            break;
        }
        let inner = Span { start: body as u32, end: (body + length) as u32 };
        let whole = Span { start: (at + begin) as u32, end: (body + length + END.len()) as u32 };
        tree.scalar_slice(whole, Kind::String, inner);
        at = body + length + END.len();
    }
    let document = tree.finish(text.len() as u32);
    out.push(document);
}

#[cfg(test)]
mod tests {
    use crate::{Corpus, DocumentKind, Input};

    fn read(text: &str) -> Corpus {
        Corpus::read([Input { name: "ca.crt".to_owned().into(), bytes: text.as_bytes().to_vec() }])
    }

    #[test]
    fn certificates_are_listed() {
        let one = "-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n";
        let corpus = read(&format!("# mine\n{one}\n{one}"));
        assert_eq!(corpus.documents[0].what, Some(DocumentKind::Certificates));
        let list = corpus.documents[0].root().get("certificates").unwrap();
        let found: Vec<&str> = list.items().map(|node| node.text().trim()).collect();
        assert_eq!(found, ["QUJD\nREVG"; 2]);
        assert_eq!(corpus.sources[0].place(list.items().nth(1).unwrap().span().start).line, 7);
        let cut = read("-----BEGIN CERTIFICATE-----\nQUJD\n");
        assert_eq!((cut.diagnostics.len(), cut.documents.len()), (1, 1));
        let key = read(&format!("{one}-----BEGIN PRIVATE KEY-----\n"));
        assert!(key.documents.iter().all(|document| document.what != Some(DocumentKind::Certificates)));
    }

    proptest::proptest! {
        /// Whatever stands between the marks, each certificate has its place in the text.
        #[test]
        fn any_text_is_read(parts in proptest::collection::vec("(-----BEGIN CERTIFICATE-----\n|-----END CERTIFICATE-----\n|[A-Z\u{e9}\n-]{0,9})", 0..12)) {
            let text = format!("-----BEGIN CERTIFICATE-----\n{}", parts.concat());
            let corpus = read(&text);
            for node in corpus.documents[0].root().get("certificates").into_iter().flat_map(|list| list.items().collect::<Vec<_>>()) {
                let span = node.span();
                proptest::prop_assert!(text[span.start as usize..span.end as usize].contains(node.text()));
            }
        }
    }
}
