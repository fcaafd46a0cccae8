//! The scope as a whole: reading, authorising, judging a scan.

use std::net::{IpAddr, SocketAddr};

use proptest::{collection::vec, prelude::*};

use super::*;

const SAMPLE: &str = r#"
contact = "soc@example.org"
exclude = ["192.0.2.66", "198.51.100.0/28", "203.0.113.5-20"]

[[block]]
net = "192.0.2.0/24"
owner = "Shop team"
contact = "shop@example.org"
rate_pps = 500

[[block]]
net = ["192.0.2.128/25", "2001:db8:1::/48"]
owner = "Data team"
t3 = true
sample = true
counts = true

[[block]]
net = "198.51.100.0/24"
"#;

fn scope(text: &str) -> Scope {
    Scope::parse(text, "scope.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn refused(scope: &Scope, socket: &str) -> Option<String> {
    scope.authorize(socket.parse().unwrap()).err().map(|error| error.to_string())
}

#[test]
fn without_a_scope_only_loopback_is_allowed() {
    let scope = Scope::loopback_only();
    for socket in ["127.0.0.1:80", "127.255.1.1:1", "[::1]:443", "[::ffff:127.0.0.1]:80"] {
        assert_eq!(refused(&scope, socket), None);
    }
    let message = refused(&scope, "198.51.100.7:80").unwrap();
    assert_eq!(message, "198.51.100.7 is not scanned: without a scope file only loopback is");
    assert!(refused(&scope, "127.0.0.1:0").unwrap().contains("port 0"));
}

#[test]
fn the_lines_to_add_make_the_target_authorised() {
    let mut builder = TargetSetBuilder::new(PortSet::from_iter([80]));
    builder.add(&"198.51.100.3-77".parse().unwrap(), &[]);
    let targets = builder.build().unwrap();
    let refused = Scope::loopback_only().admit(&targets).unwrap_err();
    assert_eq!(refused.reasons[0].lines_to_add(), refused.lines_to_add());
    let admitted = scope(&refused.lines_to_add().unwrap()).admit(&targets).unwrap();
    assert_eq!(admitted.targets, targets);
}

#[test]
fn an_empty_contact_does_not_hide_that_of_the_scope() {
    let scope = scope(
        "contact = \"soc@example.org\"\n[[block]]\nnet = \"192.0.2.0/24\"\nowner = \"\"\ncontact = \"\"\n",
    );
    let rights = scope.permissions(ip("192.0.2.7"));
    assert_eq!((rights.owner, rights.contact.as_deref()), (None, Some("soc@example.org")));
}

#[test]
fn several_refusals_are_one_block_to_add() {
    let mut builder = TargetSetBuilder::new(PortSet::from_iter([80]));
    for target in ["198.51.100.3", "203.0.113.0/24", "2001:db8::7"] {
        builder.add(&target.parse().unwrap(), &[]);
    }
    let targets = builder.build().unwrap();
    let refused = Scope::loopback_only().admit(&targets).unwrap_err();
    let lines = refused.lines_to_add().unwrap();
    assert_eq!(lines.matches("[[block]]").count(), 1, "{lines}");
    assert_eq!(scope(&lines).admit(&targets).unwrap().targets, targets);
}

#[test]
fn a_target_keeps_its_address_and_learns_its_block() {
    let scope = scope(SAMPLE);
    let target = scope.authorize("[::ffff:192.0.2.7]:80".parse().unwrap()).unwrap();
    assert_eq!(target.socket(), "192.0.2.7:80".parse::<SocketAddr>().unwrap());
    assert_eq!((target.block(), target.rate_pps()), (Some(0), Some(500)));
    let loopback = scope.authorize("127.0.0.1:80".parse().unwrap()).unwrap();
    assert_eq!((loopback.block(), loopback.rate_pps()), (None, None));
}

#[test]
fn exclusions_win_and_say_where_they_stand() {
    let scope = scope(SAMPLE);
    let message = refused(&scope, "192.0.2.66:80").unwrap();
    assert_eq!(message, "192.0.2.66 is not scanned: scope.toml:3 excludes 192.0.2.66");
    assert!(refused(&scope, "[::ffff:192.0.2.66]:80").is_some());
    assert!(refused(&scope, "198.51.100.3:1").is_some());
    assert_eq!(refused(&scope, "198.51.100.16:1"), None);
    let loopback = self::scope("exclude = [\"127.0.0.9\"]");
    assert!(refused(&loopback, "127.0.0.9:1").is_some());
}

#[test]
fn reserved_space_is_never_allowed() {
    let everything = scope("[[block]]\nnet = [\"0.0.0.0/0\", \"::/0\"]\n");
    for socket in [
        "0.0.0.0:80",
        "224.0.0.1:80",
        "255.255.255.255:80",
        "240.0.0.1:80",
        "[::]:80",
        "[ff02::1]:80",
        "[::ffff:0.0.0.0]:80",
        "[64:ff9b::c000:207]:80",
        "[2002:c000:207::1]:80",
    ] {
        assert!(refused(&everything, socket).unwrap().contains("never scanned"), "{socket}");
    }
    assert_eq!(refused(&everything, "8.8.8.8:80"), None);
    assert_eq!(refused(&everything, "[2001:db8::1]:80"), None);
}

#[test]
fn the_longest_prefix_decides() {
    let scope = scope(SAMPLE);
    let owner = |text: &str| scope.permissions(ip(text)).owner;
    assert_eq!(owner("192.0.2.1").as_deref(), Some("Shop team"));
    assert_eq!(owner("192.0.2.128").as_deref(), Some("Data team"));
    assert_eq!(owner("192.0.2.255").as_deref(), Some("Data team"));
    assert_eq!(owner("192.0.3.0"), None);
    let permissions = scope.permissions(ip("2001:db8:1::7"));
    assert!(permissions.t3 && permissions.sample && permissions.counts);
    assert_eq!(permissions.contact.as_deref(), Some("soc@example.org"));
    assert!(!scope.permissions(ip("127.0.0.1")).t3);
    assert_eq!(scope.permissions(ip("192.0.2.66")).owner, None);
}

#[test]
fn an_explanation_names_every_line_that_matters() {
    let scope = scope(SAMPLE);
    let told = scope.explain(ip("192.0.2.200"));
    let nets: Vec<_> = told.blocks.iter().map(|b| (b.net.to_string(), b.block.line)).collect();
    assert_eq!(nets, [("192.0.2.128/25".to_owned(), 11), ("192.0.2.0/24".to_owned(), 5)]);
    assert!(told.refused.is_none() && !told.loopback);
    let told = scope.explain(ip("198.51.100.3"));
    assert_eq!(told.excluded_by, Some(("198.51.100.0/28".parse().unwrap(), 3)));
    assert!(told.refused.is_some());
    assert!(scope.explain(ip("224.0.0.1")).never_sent.is_some());
}

#[test]
fn mistakes_are_named_with_line_column_and_nearest_name() {
    for (text, place, words, nearest) in [
        ("contct = \"x\"", (1, 1), "unknown key `contct`", Some("contact")),
        ("[[blocks]]\nnet = \"192.0.2.0/24\"", (1, 3), "unknown key `blocks`", Some("block")),
        ("[[block]]\nnet = \"192.0.2.0/24\"\nrate = 5", (3, 1), "unknown key `rate`", None),
        ("[[block]]\nnet = \"192.0.2.0/24\"\nrate_pp = 5", (3, 1), "unknown key `rate_pp`", Some("rate_pps")),
        ("[[block]]\nowner = \"x\"", (1, 1), "no `net`", None),
        ("[[block]]\nnet = []", (2, 7), "`net` lists nothing", None),
        ("[[block]]\nnet = \"192.0.2.0/33\"", (2, 18), "longer than the address", None),
        ("[[block]]\nnet = \"192.0.2.7/24\"", (2, 7), "bits set behind its prefix", None),
        ("[[block]]\nnet = \"192.0.2.7-9\"", (2, 7), "not one CIDR block", None),
        ("[[block]]\nnet = [\"192.0.2.0/24\", 7]", (2, 24), "of type integer", None),
        ("[[block]]\nnet = \"192.0.2.0/24\"\nt3 = \"yes\"", (3, 6), "of type string", None),
        ("[[block]]\nnet = \"192.0.2.0/24\"\nrate_pps = 0", (3, 12), "`rate_pps` is 0", None),
        ("exclude = [\"192.0.2\"]", (1, 13), "not an address", None),
        ("[block]\nnet = \"192.0.2.0/24\"", (1, 1), "of type table", None),
        ("contact = \"a\\nb\"", (1, 11), "control characters", None),
        ("contact = \"s\u{e9}c@example.org\"", (1, 11), "outside of ASCII", None),
        ("contact = ", (1, 11), "", None),
        ("a = 1\na = 2", (2, 1), "duplicate", None),
    ] {
        let error = Scope::parse(text, "scope.toml".as_ref()).unwrap_err();
        assert_eq!((error.line, error.column), place, "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
        assert_eq!(error.nearest.as_deref(), nearest, "{text}");
    }
    let twice = "[[block]]\nnet = \"192.0.2.0/24\"\n[[block]]\nnet = \"192.0.2.0/24\"";
    let error = Scope::parse(twice, "scope.toml".as_ref()).unwrap_err();
    assert_eq!(error.line, 4);
    assert!(error.what.contains("already listed in line 2"), "{error}");
}

#[test]
fn the_template_is_a_scope_and_so_is_what_it_shows() {
    assert_eq!(scope(&template()).blocks().len(), 0);
    let shown = template().lines().map(uncommented).collect::<Vec<_>>().join("\n");
    let scope = scope(&shown);
    assert_eq!(scope.blocks().len(), 1);
    assert_eq!(scope.excluded().count(), 1 + 16 + 16);
    assert_eq!(scope.contact(), Some("security@example.org"));
}

/// Prose starts with a capital letter; the rest of the comments are lines to be made active.
fn uncommented(line: &str) -> &str {
    let rest = line.trim_start().trim_start_matches('#').trim_start();
    if line.trim_start().starts_with('#') && rest.starts_with(|c: char| c.is_uppercase()) { "" } else { rest }
}

fn targets(list: &[(&str, &[&str])]) -> TargetSet {
    let mut builder = TargetSetBuilder::new(PortSet::from_iter([80]));
    for (target, addresses) in list {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
        builder.add(&target.parse().unwrap(), &addresses);
    }
    builder.build().unwrap()
}

#[test]
fn a_scan_is_judged_before_the_first_packet() {
    let scope = scope(SAMPLE);
    let admitted = scope.admit(&targets(&[("192.0.2.0/24", &[]), ("127.0.0.1:9", &[])])).unwrap();
    assert_eq!(admitted.targets.len(), 256);
    assert_eq!(admitted.excluded.count(), 1);

    let error = scope.admit(&targets(&[("192.0.2.0/23", &[])])).unwrap_err();
    assert_eq!(error.reasons[0].range().to_string(), "192.0.3.0/24");
    let error = scope.admit(&targets(&[("192.0.2.66", &[])])).unwrap_err();
    assert!(error.to_string().contains("scope.toml:3 excludes"), "{error}");
    let error = scope.admit(&targets(&[("192.0.2.1", &[]), ("192.0.2.66:443", &[])])).unwrap_err();
    assert!(error.to_string().contains("scope.toml:3 excludes"), "{error}");
    let error = scope.admit(&targets(&[("224.0.0.0/24", &[])])).unwrap_err();
    assert!(error.to_string().contains("never scanned"), "{error}");
}

#[test]
fn a_name_that_leads_outside_is_not_followed() {
    let scope = scope(SAMPLE);
    let both: &[&str] = &["192.0.2.1", "203.0.113.99"];
    let admitted = scope.admit(&targets(&[("shop.example", both)])).unwrap();
    assert_eq!(admitted.targets.len(), 1);
    assert_eq!(admitted.led_outside.len(), 1);
    assert!(scope.admit(&targets(&[("shop.example", &["203.0.113.99"])])).is_err());
}

#[test]
fn many_refusals_are_summed_up() {
    let list: Vec<(String, &[&str])> =
        (0..100).map(|n| (format!("203.0.113.{}", n * 2), &[] as &[&str])).collect();
    let list: Vec<_> = list.iter().map(|(text, none)| (text.as_str(), *none)).collect();
    let error = Scope::loopback_only().admit(&targets(&list)).unwrap_err();
    assert_eq!(error.reasons.len() + error.more, 100);
    assert!(error.to_string().ends_with("more"));
}

/// Networks near each other, so that nesting and exclusion happen.
fn nets() -> impl Strategy<Value = Vec<AddressRange>> {
    let net = (any::<bool>(), 0u16..1024, 20u32..=32).prop_map(|(v6, low, prefix)| {
        let [high, low] = low.to_be_bytes();
        match v6 {
            false => AddressRange::cidr(IpAddr::from([198, 51, high, low]), prefix),
            true => {
                let low = u16::from_be_bytes([high, low]);
                AddressRange::cidr(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, low]), prefix + 96)
            }
        }
    });
    vec(net.prop_map(|net| net.unwrap()), 0..6)
}

fn list(nets: &[AddressRange]) -> String {
    nets.iter().map(|net| format!("\"{net}\"")).collect::<Vec<_>>().join(", ")
}

proptest! {
    #[test]
    fn authorisation_is_membership_and_exclusion_wins(
        mut blocks in nets(), excluded in nets(), probes in vec((any::<bool>(), 0u16..1024), 1..40),
    ) {
        blocks.sort();
        blocks.dedup();
        let mut text = format!("exclude = [{}]\n", list(&excluded));
        for (index, net) in blocks.iter().enumerate() {
            text += &format!("[[block]]\nnet = \"{net}\"\nowner = \"{index}\"\n");
        }
        let scope = scope(&text);
        for (v6, low) in probes {
            let ip = match v6 {
                false => IpAddr::from([198, 51, low.to_be_bytes()[0], low.to_be_bytes()[1]]),
                true => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, low]),
            };
            let best = blocks.iter().enumerate().filter(|(_, net)| net.contains(ip)).min_by_key(|(_, net)| net.span());
            let out = excluded.iter().any(|net| net.contains(ip));
            let allowed = best.is_some() && !out;
            prop_assert_eq!(scope.authorize(SocketAddr::new(ip, 80)).is_ok(), allowed, "{} {}", ip, text);
            let owner = best.filter(|_| !out).map(|(index, _)| index.to_string());
            prop_assert_eq!(scope.permissions(ip).owner, owner, "{} {}", ip, text);
            prop_assert_eq!(scope.explain(ip).refused.is_none(), allowed);
        }
    }

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        if let Err(error) = Scope::parse(&text, "scope.toml".as_ref()) {
            prop_assert!(error.line >= 1 && error.column >= 1);
        }
    }
}
