use proptest::prelude::*;

use super::*;

fn sealed(files: &[(&str, &str)]) -> Ranges {
    let mut ranges = Ranges::default();
    for (provider, text) in files {
        ranges.add(provider, text.as_bytes()).unwrap();
    }
    ranges.seal();
    ranges
}

/// `provider region service`, with `-` for what is absent.
fn found(ranges: &Ranges, ip: &str) -> Option<String> {
    let cloud = ranges.lookup(ip.parse().unwrap())?;
    let word = |text: &Option<Text>| text.as_ref().map_or("-".to_owned(), |text| text.raw().to_owned());
    Some(format!("{} {} {}", cloud.provider.raw(), word(&cloud.region), word(&cloud.service)))
}

fn check(ranges: &Ranges, ip: &str, expected: &str) {
    assert_eq!(found(ranges, ip).as_deref(), Some(expected).filter(|e| !e.is_empty()), "{ip}");
}

#[test]
fn amazons_file() {
    let ranges = sealed(&[("aws", include_str!("../../testdata/aws-ip-ranges.json"))]);
    check(&ranges, "192.0.2.1", "aws us-east-1 EC2");
    check(&ranges, "192.0.2.200", "aws us-east-1 AMAZON");
    check(&ranges, "198.51.100.9", "aws - CLOUDFRONT");
    check(&ranges, "2001:db8:aa::1", "aws eu-central-1 S3");
    check(&ranges, "203.0.113.1", "");
    check(&ranges, "2001:db8:ab::1", "");
}

#[test]
fn microsofts_file_gives_a_service_block_the_region_around_it() {
    let ranges = sealed(&[("azure", include_str!("../../testdata/azure-service-tags.json"))]);
    check(&ranges, "192.0.2.1", "azure westeurope AzureStorage");
    check(&ranges, "192.0.2.65", "azure westeurope AzureMonitor");
    check(&ranges, "192.0.2.200", "azure westeurope -");
    check(&ranges, "2001:db8:1::1", "azure westeurope -");
}

#[test]
fn googles_oracles_cloudflares_and_digitaloceans_files() {
    let ranges = sealed(&[
        ("gcp", include_str!("../../testdata/google-cloud.json")),
        ("oracle", include_str!("../../testdata/oracle-public-ip-ranges.json")),
        ("cloudflare", include_str!("../../testdata/cloudflare-ips.txt")),
        ("digitalocean", include_str!("../../testdata/digitalocean.csv")),
    ]);
    check(&ranges, "192.0.2.1", "gcp europe-west3 Google Cloud");
    check(&ranges, "2001:db8:2::1", "gcp us-east1 Google Cloud");
    check(&ranges, "198.51.100.1", "oracle us-phoenix-1 OCI");
    check(&ranges, "203.0.113.1", "cloudflare - -");
    check(&ranges, "203.0.113.130", "digitalocean NL-NH -");
    check(&ranges, "2001:db8:3::1", "cloudflare - -");
}

#[test]
fn fastlys_vultrs_and_cloudflares_json() {
    let fastly = r#"{"addresses": ["192.0.2.0/24"], "ipv6_addresses": ["2001:db8:4::/48"]}"#;
    let cloudflare = r#"{"result": {"ipv4_cidrs": ["198.51.100.0/24"], "ipv6_cidrs": ["2001:db8:5::/48"], "etag": "x"},
        "success": true, "errors": [], "messages": []}"#;
    let vultr = r#"{"description": "x", "asn": 64496, "updated": "2026-09-04T08:00:00+00:00", "subnets": [
        {"ip_prefix": "203.0.113.0/24", "alpha2code": "US", "region": "US-NJ", "city": "x", "postal_code": "08854"}]}"#;
    let ranges = sealed(&[("fastly", fastly), ("cloudflare", cloudflare), ("vultr", vultr)]);
    check(&ranges, "192.0.2.1", "fastly - -");
    check(&ranges, "2001:db8:4::1", "fastly - -");
    check(&ranges, "198.51.100.1", "cloudflare - -");
    check(&ranges, "2001:db8:5::1", "cloudflare - -");
    check(&ranges, "203.0.113.1", "vultr US-NJ -");
    let built = Ranges::default().add("vultr", vultr.as_bytes()).unwrap().built;
    assert_eq!(built.map(|time| time.to_string()).as_deref(), Some("2026-09-04T08:00:00Z"));
}

#[test]
fn files_say_what_they_are_and_when_they_were_made() {
    let read = |text: &str| {
        let file = Ranges::default().add("x", text.as_bytes()).unwrap();
        (file.format, file.blocks, file.built.map(|time| time.to_string()))
    };
    let time = |text: &str| Some(text.to_owned());
    assert_eq!(
        read(include_str!("../../testdata/aws-ip-ranges.json")),
        ("aws", 5, time("2026-09-01T12:13:14Z"))
    );
    assert_eq!(read(include_str!("../../testdata/azure-service-tags.json")), ("azure", 6, None));
    assert_eq!(
        read(include_str!("../../testdata/google-cloud.json")),
        ("google", 2, time("2026-09-02T10:00:00.5Z"))
    );
    assert_eq!(
        read(include_str!("../../testdata/oracle-public-ip-ranges.json")),
        ("oracle", 2, time("2026-09-03T08:00:00Z"))
    );
    assert_eq!(read(include_str!("../../testdata/cloudflare-ips.txt")), ("list", 2, None));
    assert_eq!(read(include_str!("../../testdata/digitalocean.csv")), ("geofeed", 2, None));
}

#[test]
fn the_smallest_block_wins_and_the_first_file_among_equals() {
    let ranges = sealed(&[
        ("a", "192.0.2.0/24\n198.51.100.0/24\n255.255.255.0/24\n"),
        ("b", "192.0.2.128/25\n192.0.2.192/26\n198.51.100.0/24\n255.255.255.255\n"),
        ("c", "192.0.2.200\n0.0.0.0/8\n"),
    ]);
    check(&ranges, "192.0.2.0", "a - -");
    check(&ranges, "192.0.2.127", "a - -");
    check(&ranges, "192.0.2.128", "b - -");
    check(&ranges, "192.0.2.200", "c - -");
    check(&ranges, "192.0.2.201", "b - -");
    check(&ranges, "192.0.2.255", "b - -");
    check(&ranges, "192.0.3.0", "");
    check(&ranges, "198.51.100.1", "a - -");
    check(&ranges, "255.255.255.254", "a - -");
    check(&ranges, "255.255.255.255", "b - -");
    check(&ranges, "0.0.0.0", "c - -");
    check(&ranges, "::ffff:192.0.2.200", "c - -");
}

#[test]
fn everything_can_be_a_block() {
    let ranges = sealed(&[("all", "0.0.0.0/0\n::/0\n"), ("half", "128.0.0.0/1\n8000::/1\n")]);
    for (ip, expected) in [
        ("0.0.0.0", "all - -"),
        ("127.255.255.255", "all - -"),
        ("128.0.0.0", "half - -"),
        ("255.255.255.255", "half - -"),
        ("::", "all - -"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "half - -"),
    ] {
        check(&ranges, ip, expected);
    }
    assert_eq!(ranges.len(), 4);
}

#[test]
fn neighbours_alike_are_kept_as_one() {
    let ranges = sealed(&[("a", "192.0.2.0/26\n192.0.2.64/26\n192.0.2.128/25\n192.0.2.4\n")]);
    assert_eq!(ranges.len(), 1);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, expected) in [
        (
            "",
            "it holds no block of addresses; expected the ranges of AWS, Azure, Cloudflare, Fastly, Google, Oracle, Vultr (JSON), or one block a line",
        ),
        ("192.0.2.0/24\nnonsense\n", "line 2: `nonsense` is no block of addresses such as 192.0.2.0/24"),
        ("192.0.2.0/33\n", "line 1: `192.0.2.0/33` is no block of addresses such as 192.0.2.0/24"),
        ("192.0.2.0/+8\n", "line 1: `192.0.2.0/+8` is no block of addresses such as 192.0.2.0/24"),
        ("<html>\u{1b}[31m\n", "line 1: `<html>\\u{1b}[31m` is no block of addresses such as 192.0.2.0/24"),
        ("{\"prefixes\": 1}", "line 1, column 14: invalid type: integer `1`, expected a sequence"),
        (
            "{}",
            "expected the ranges of AWS, Azure, Cloudflare, Fastly, Google, Oracle, Vultr (JSON), or one block a line",
        ),
        ("{\"prefixes\": [{\"ip_prefix\": \"x\"}]}", "`x` is no block of addresses such as 192.0.2.0/24"),
    ] {
        assert_eq!(Ranges::default().add("x", text.as_bytes()).unwrap_err().to_string(), expected);
    }
    assert_eq!(Ranges::default().add("x", b"192.0.2.1\n\xff").unwrap_err().to_string(), "line 2: not UTF-8");
}

fn blocks() -> impl Strategy<Value = Vec<(u32, u8, u16)>> {
    // A small corner of the space, so that blocks nest and touch; both ends of the space are in it.
    proptest::collection::vec((prop_oneof![0u32..600, (u32::MAX - 600)..], 20u8..=32, 0u16..4), 1..40)
}

proptest! {
    /// The reference: look at every block, take the longest prefix, then the first file.
    #[test]
    fn lookups_agree_with_looking_at_every_block(blocks in blocks(), probes in proptest::collection::vec(prop_oneof![0u32..700, (u32::MAX - 700)..], 20)) {
        let mut ranges = Ranges::default();
        for file in 0..4u16 {
            let lines: Vec<String> = blocks.iter().filter(|b| b.2 == file).map(|(ip, length, _)| format!("{}/{length}", std::net::Ipv4Addr::from(*ip))).collect();
            if lines.is_empty() {
                ranges.add(&file.to_string(), b"203.0.113.0/32").unwrap();
            } else {
                ranges.add(&file.to_string(), lines.join("\n").as_bytes()).unwrap();
            }
        }
        ranges.seal();
        for probe in probes.into_iter().chain(blocks.iter().map(|b| b.0)) {
            let holds = |(ip, length, _): &&(u32, u8, u16)| {
                let mask = u32::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
                ip & !mask == probe & !mask
            };
            let best = blocks.iter().filter(holds).min_by_key(|(_, length, file)| (std::cmp::Reverse(*length), *file));
            let found = ranges.lookup(std::net::Ipv4Addr::from(probe).into()).map(|cloud| cloud.provider.raw().to_owned());
            prop_assert_eq!(found, best.map(|(_, _, file)| file.to_string()));
        }
    }

    #[test]
    fn any_bytes_are_a_file_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut ranges = Ranges::default();
        if let Ok(file) = ranges.add("x", &bytes) {
            ranges.seal();
            prop_assert!(file.blocks > 0 && !ranges.is_empty());
        }
    }
}
