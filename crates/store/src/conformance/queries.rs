use jiff::Timestamp;
use nightlatch_query::{Expr, parse};

/// What relative times count back from: in the middle of the corpus.
const NOW: &str = "2026-06-20T12:00:00Z";

/// One query for every kind of question, most of which the corpus has an answer to.
const FIXED: [&str; 78] = [
    "*",
    "nosniff",
    "nosuchword",
    "http 200",
    "\"HTTP/1.1 200 OK\"",
    "\"200 HTTP\"",
    "\"two three four\"",
    "\"three one\"",
    "kub* -nginx",
    "appl?cation",
    "ba* OR be*",
    "grüße istanbul",
    "İSTANBUL",
    "οδος 北京",
    "port:80",
    "port:22,80,443",
    "port:8000-9999",
    "port:<1024 -port:80",
    "port:0,65535",
    "transport:udp",
    "protocol:https",
    "product:kubernetes",
    "product:\"docker registry\"",
    "product:docker",
    "product:=docker",
    "product:=\"Docker Registry\",nginx",
    "product:kube*",
    "fingerprint:docker*",
    "version:2.0*",
    "version:2.?.?",
    "cpe:cpe\\:2.3\\:a\\:example\\:ng*",
    "os:debian",
    "os:=\"debian gnu/linux 12\"",
    "exposure:>=readable",
    "exposure:unknown,controllable",
    "severity:high,critical -exposure:controllable",
    "proof:proven OR confidence:low",
    "finding:x",
    "fact:items=*",
    "fact:\"a=b=c\",pods=3",
    "owner:\"platform team\"",
    "tag:plaintext",
    "tag:\"a*b\"",
    "org:acme",
    "org:=\"Quote \\\"x\\\" \\\\ back * star ? and, comma\"",
    "isp:telecom",
    "asn:64496",
    "country:us,DE",
    "country_name:\"united states\"",
    "city:\"Washington\\, D.C.\"",
    "city:=\" edge \"",
    "region:1,2",
    "geo:38,-97,400",
    "geo:60,-100,20,100",
    "geo:80,170,-80,-170",
    "cloud.provider:aws",
    "has_cloud.region:false has_cloud:true",
    "hostname:*.example",
    "hostname:www",
    "hostname:=\"www.example.com\"",
    "domain:*.test",
    "http.status:200-299",
    "http.title:kibana,portainer",
    "http.html_hash:-2147483648",
    "ssl:kubernetes",
    "ssl.version:TLSv1.2",
    "ssl.cert.pubkey.bits:<2048",
    "ssl.cert.expired:false",
    "ssl.cert.not_after:<2027-01-01",
    "has_ssl:true -has_hostname:true",
    "net:10.0.0.0/8",
    "net:10.0.0.0/14,192.0.2.0/28",
    "net:2001:db8::/33",
    "-net:0.0.0.0/0",
    "after:2026-06-08 before:7d",
    "first_seen:<2026-06-02 last_seen:>=2026-06-10",
    "-(country:us OR port:80) (exposure:limited OR -has_ssl:true)",
    "-nosniff -has_city:true OR hash:0",
];

/// The queries above, read.
pub(super) fn fixed() -> Vec<Expr> {
    let now: Timestamp = NOW.parse().unwrap_or_default();
    FIXED.iter().filter_map(|query| parse(query, now).ok()).map(|parsed| parsed.expr).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_parses() {
        for query in FIXED {
            let parsed = parse(query, NOW.parse().unwrap());
            assert!(parsed.is_ok(), "{}", parsed.unwrap_err().render(query));
        }
    }
}
