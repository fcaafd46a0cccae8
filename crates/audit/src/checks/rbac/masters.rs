//! Credentials that make their holder a member of `system:masters`: certificates in kubeconfigs, requests for them.

use nightlatch_manifest::Node;

use crate::{Context, Found, Sink, Subject};

const MASTERS: &[u8] = b"system:masters";
/// Longest credential that is looked into, in bytes of its text.
const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Looks at kubeconfigs and certificate signing requests. A subject's organisation stands in a certificate as plain
/// bytes, so it is found without taking the certificate apart; a certificate of an authority of that name is nothing
/// anybody has.
pub(super) fn credentials<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for object in context.objects_of("Config") {
        for user in object.root.get("users").into_iter().flat_map(Node::items) {
            if let Some(node) = user.at("user.client-certificate-data") {
                let message = "the client certificate of this kubeconfig is of group system:masters, which no binding can take rights from";
                judge(Subject::object(object), node, message, sink);
            }
        }
    }
    for object in context.objects_of("CertificateSigningRequest") {
        if let Some(node) = object.root.at("spec.request") {
            let message = "the request asks for a certificate of group system:masters, which no binding can take rights from";
            judge(Subject::object(object), node, message, sink);
        }
    }
}

fn judge<'a>(subject: Subject<'a>, node: Node<'a>, message: &'static str, sink: &mut Sink<'a>) {
    let text = node.text();
    if text.len() > TEXT_BYTES_MAX {
        return sink.unknown("a certificate is too long to be looked into");
    }
    let Some(names) = decoded(text).map(|pem| contains(&pem)) else {
        return sink.unknown("a certificate is not base64");
    };
    if names { sink.fail(Found::new(subject, node, message)) } else { sink.pass() }
}

/// Whether a PEM text, or plain DER, holds the group.
fn contains(pem: &[u8]) -> bool {
    let has = |bytes: &[u8]| bytes.windows(MASTERS.len()).any(|window| window == MASTERS);
    let text = String::from_utf8_lossy(pem);
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    has(pem) || decoded(&body).is_some_and(|der| has(&der))
}

/// Base64 (RFC 4648, section 4); white space is passed over.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => continue,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        for (text, expected) in [("", ""), ("Zg==", "f"), ("Zm9v\nYmFy", "foobar"), ("Zm8=", "fo")] {
            assert_eq!(decoded(text).as_deref(), Some(expected.as_bytes()), "{text}");
        }
        assert_eq!(decoded("a.b"), None);
    }
}
