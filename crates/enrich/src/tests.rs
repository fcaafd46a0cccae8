use std::fs;
use std::path::{Path, PathBuf};

use nightlatch_asset::{Network, Observation, Place, Text, Timestamp};
use nightlatch_untrusted::is_dangerous;
use proptest::prelude::*;
use serde_json::json;

use crate::mmdb_writer::MmdbWriter;
use crate::*;

/// 2026-09-01T00:00:00Z.
const BUILT: u64 = 1_788_220_800;

fn city() -> MmdbWriter {
    let entry = json!({
        "city": {"geoname_id": 2950159, "names": {"de": "Berlin-de", "en": "Berlin"}},
        "continent": {"code": "EU", "names": {"en": "Europe"}},
        "country": {"geoname_id": 2921044, "is_in_european_union": true, "iso_code": "DE", "names": {"de": "Deutschland", "en": "Germany"}},
        "location": {"accuracy_radius": 100, "latitude": 52.52, "longitude": 13.405, "time_zone": "Europe/Berlin"},
        "postal": {"code": "10115"},
        "registered_country": {"iso_code": "FR", "names": {"en": "France"}},
        "subdivisions": [{"iso_code": "BE", "names": {"en": "State of Berlin"}}, {"iso_code": "XX"}],
    });
    let elsewhere = json!({"registered_country": {"iso_code": "FR", "names": {"en": "France"}}});
    MmdbWriter::new("GeoLite2-City", BUILT)
        .insert("192.0.2.0/24", &entry)
        .insert("198.51.100.0/24", &elsewhere)
}

fn dbip() -> MmdbWriter {
    let entry = json!({
        "city": {"names": {"en": "San Diego"}},
        "country": {"iso_code": "US", "names": {"en": "United States"}},
        "location": {"latitude": 32.8, "longitude": -117.0},
        "subdivisions": [{"names": {"en": "California"}}],
    });
    MmdbWriter::new("DBIP-City-Lite", BUILT).insert("203.0.113.0/24", &entry).insert("2001:db8::/32", &entry)
}

fn asn() -> MmdbWriter {
    let entry = json!({"autonomous_system_number": 64496, "autonomous_system_organization": "Example Corp"});
    let isp = json!({"autonomous_system_number": 64497, "autonomous_system_organization": "As Org", "isp": "Example Net", "organization": "Example GmbH"});
    MmdbWriter::new("GeoLite2-ASN", BUILT).insert("192.0.2.0/25", &entry).insert("203.0.113.0/24", &isp)
}

fn ipinfo() -> MmdbWriter {
    let entry = json!({
        "asn": "AS64499", "as_name": "Example Telecom", "as_domain": "example.net",
        "country": "JP", "country_name": "Japan", "continent": "AS",
        "region": "Tokyo", "city": "Tokyo", "postal_code": "101-8656", "lat": "35.6895", "lng": "139.69171",
    });
    let lite = json!({"asn": "AS64500", "as_name": "Example Lite", "country": "Japan", "country_code": "JP", "continent": "Asia"});
    let plain = json!({"asn": "AS64501", "name": "Example AS", "domain": "example.org", "type": "isp"});
    MmdbWriter::new("ipinfo standard_location.mmdb", BUILT)
        .insert("192.0.2.0/24", &entry)
        .insert("198.51.100.0/24", &lite)
        .insert("203.0.113.0/24", &plain)
}

/// The layout in which ip-location-db offers GeoLite2 and DB-IP; empty texts stand for what is not known.
fn ip_location_db() -> MmdbWriter {
    let entry = json!({
        "city": "Frankfurt", "country_code": "DE", "latitude": 50.1169, "longitude": 8.6837,
        "postcode": "60313", "state1": "Hesse", "state2": "", "timezone": "Europe/Berlin",
    });
    let blank = json!({
        "city": "", "country_code": "RU", "latitude": 55.7386, "longitude": 37.6068,
        "postcode": "", "state1": "", "state2": "", "timezone": "Europe/Moscow",
    });
    MmdbWriter::bare("city ipv4", BUILT).insert("192.0.2.0/24", &entry).insert("198.51.100.0/24", &blank)
}

fn database(writer: &MmdbWriter) -> Database {
    Database::from_bytes(Path::new("test.mmdb"), writer.bytes()).unwrap()
}

fn find(writer: &MmdbWriter, ip: &str) -> (Place, Network) {
    database(writer).lookup(ip.parse().unwrap()).unwrap_or_default()
}

fn bare(ip: &str) -> Observation {
    let mut seen: Observation = serde_json::from_value(
        json!({"ip": ip, "port": 443, "protocol": "https", "time": "2026-09-21T10:15:00Z"}),
    )
    .unwrap();
    seen.hostnames = vec!["www.example.com".into()];
    seen
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

#[test]
fn the_nested_layout_is_read_in_english() {
    let (place, network) = find(&city(), "192.0.2.7");
    let expected = Place {
        country_code: Some("DE".into()),
        country_name: Some("Germany".into()),
        region: Some("BE".into()),
        city: Some("Berlin".into()),
        postal: Some("10115".into()),
        latitude: Some(52.52),
        longitude: Some(13.405),
    };
    assert_eq!((place, network), (expected, Network::default()));
    let (place, _) = find(&dbip(), "2001:db8::1");
    assert_eq!(place.region, Some("California".into()));
    assert_eq!(place.longitude, Some(-117.0));
    let (_, network) = find(&asn(), "192.0.2.7");
    assert_eq!(network, Network { asn: Some(64496), org: Some("Example Corp".into()), isp: None });
    let (_, network) = find(&asn(), "203.0.113.1");
    assert_eq!(
        network,
        Network { asn: Some(64497), org: Some("Example GmbH".into()), isp: Some("Example Net".into()) }
    );
}

#[test]
fn where_an_address_is_registered_is_not_where_it_is() {
    assert_eq!(find(&city(), "198.51.100.1"), (Place::default(), Network::default()));
}

#[test]
fn the_flat_layout_is_read() {
    let (place, network) = find(&ipinfo(), "192.0.2.7");
    assert_eq!(place.country_code, Some("JP".into()));
    assert_eq!(place.country_name, Some("Japan".into()));
    assert_eq!(
        (place.region, place.city, place.postal),
        (Some("Tokyo".into()), Some("Tokyo".into()), Some("101-8656".into()))
    );
    assert_eq!((place.latitude, place.longitude), (Some(35.6895), Some(139.69171)));
    assert_eq!(network, Network { asn: Some(64499), org: Some("Example Telecom".into()), isp: None });
    let (place, network) = find(&ipinfo(), "198.51.100.1");
    assert_eq!((place.country_code, place.country_name), (Some("JP".into()), Some("Japan".into())));
    assert_eq!(network.asn, Some(64500));
    let (place, network) = find(&ipinfo(), "203.0.113.1");
    assert_eq!(place, Place::default());
    assert_eq!(network, Network { asn: Some(64501), org: Some("Example AS".into()), isp: None });
}

#[test]
fn the_layout_of_ip_location_db_is_read() {
    let (place, network) = find(&ip_location_db(), "192.0.2.7");
    let expected = Place {
        country_code: Some("DE".into()),
        country_name: None,
        region: Some("Hesse".into()),
        city: Some("Frankfurt".into()),
        postal: Some("60313".into()),
        latitude: Some(50.1169),
        longitude: Some(8.6837),
    };
    assert_eq!((place, network), (expected, Network::default()));
    let (place, _) = find(&ip_location_db(), "198.51.100.7");
    assert_eq!(
        (place.country_code, place.region, place.city, place.postal),
        (Some("RU".into()), None, None, None)
    );
}

#[test]
fn a_sound_file_without_a_description_is_no_damaged_one() {
    let sound = ip_location_db();
    database(&sound).verify().unwrap();
    let mut bytes = sound.bytes();
    // The second entry begins with another map than the tree's end: its first key is no text any more.
    let at = bytes.windows(13).rposition(|window| window.ends_with(b"country_code")).unwrap() - 12;
    let key = bytes[at..].iter().position(|byte| *byte == b'c').unwrap() + at;
    bytes[key - 1] = 0xe1;
    let damaged = Database::from_bytes(Path::new("x"), bytes).unwrap();
    assert!(matches!(damaged.verify(), Err(EnrichError::Database { .. })));
}

#[test]
fn a_tree_without_end_ends() {
    // 128 nodes, each of which leads to the next on both sides: 2^128 ends.
    let entry = json!({"country_code": "DE"});
    let mut bytes = MmdbWriter::bare("x", BUILT).insert("::/128", &entry).bytes();
    for node in 0..127u32 {
        let next = (node + 1).to_be_bytes();
        bytes[node as usize * 8..][..8].copy_from_slice(&[next, next].concat());
    }
    let endless = Database::from_bytes(Path::new("x"), bytes).unwrap();
    assert!(matches!(endless.verify(), Err(EnrichError::Database { .. })));
}

#[test]
fn what_the_file_does_not_know_is_absent() {
    assert_eq!(database(&city()).lookup("203.0.113.1".parse().unwrap()), None);
    assert_eq!(database(&city()).lookup("2001:db8::1".parse().unwrap()), None);
}

#[test]
fn odd_values_are_absent_and_long_ones_cut() {
    let entry = json!({
        "country": {"iso_code": "DE", "names": "Germany"}, "city": ["a", 1], "postal": 5,
        "location": {"latitude": 91.5, "longitude": "x"}, "asn": "none", "subdivisions": [], "as_name": "ä".repeat(500),
    });
    let writer = MmdbWriter::new("odd", BUILT).insert("192.0.2.0/24", &entry);
    let (place, network) = find(&writer, "192.0.2.1");
    assert_eq!(place.country_code, Some("DE".into()));
    assert_eq!(place.country_name, None);
    assert_eq!(place.city, Some("a".into()), "the first of several");
    assert_eq!(place.postal, Some("5".into()));
    assert_eq!((place.latitude, place.longitude, place.region), (None, None, None));
    assert_eq!(network.asn, None);
    assert_eq!(network.org.unwrap().raw().len(), 256);
}

#[test]
fn an_observation_gets_what_the_files_know_and_keeps_what_it_had() {
    let folder = Folder::new();
    let config = Config {
        geo: vec![folder.write("city.mmdb", &city().bytes())],
        asn: vec![folder.write("asn.mmdb", &asn().bytes()), folder.write("ipinfo.mmdb", &ipinfo().bytes())],
        cloud: vec![CloudFile {
            provider: "aws".into(),
            file: folder.write("aws.json", include_bytes!("../testdata/aws-ip-ranges.json")),
        }],
    };
    let enricher = Enricher::open(&config).unwrap();
    enricher.verify().unwrap();

    let mut seen = bare("192.0.2.7");
    enricher.enrich(&mut seen);
    assert_eq!(seen.place.as_ref().unwrap().city, Some("Berlin".into()), "the first file that knows it");
    assert_eq!(seen.network.as_ref().unwrap().asn, Some(64496));
    assert_eq!(seen.cloud.as_ref().unwrap().service, Some("EC2".into()));
    assert!(seen.tags.contains(&Text::from("cloud")));
    assert_eq!(seen.domains, [Text::from("example.com")]);

    let again = seen.clone();
    enricher.enrich(&mut seen);
    assert_eq!(seen, again, "a second time changes nothing");

    let mut known = bare("192.0.2.7");
    known.place = Some(Place { city: Some("Potsdam".into()), ..Place::default() });
    enricher.enrich(&mut known);
    assert_eq!(known.place.unwrap().city, Some("Potsdam".into()));
}

#[test]
fn no_file_means_no_field() {
    let enricher = Enricher::open(&Config::default()).unwrap();
    let mut seen = bare("192.0.2.7");
    enricher.enrich(&mut seen);
    assert_eq!((&seen.place, &seen.network, &seen.cloud), (&None, &None, &None));
    assert!(seen.tags.is_empty());
    assert_eq!(seen.domains, [Text::from("example.com")]);
    assert!(enricher.status(Timestamp::UNIX_EPOCH).is_empty());
}

#[test]
fn status_says_what_is_loaded_and_how_old() {
    let folder = Folder::new();
    let config = Config {
        geo: vec![folder.write("city.mmdb", &city().bytes())],
        asn: vec![folder.write("city.mmdb", &city().bytes())],
        cloud: vec![
            CloudFile {
                provider: "aws".into(),
                file: folder.write("aws.json", include_bytes!("../testdata/aws-ip-ranges.json")),
            },
            CloudFile { provider: "cloudflare".into(), file: folder.write("ips.txt", b"192.0.2.0/24\n") },
        ],
    };
    let enricher = Enricher::open(&config).unwrap();
    let now: Timestamp = "2026-09-11T00:00:00Z".parse().unwrap();
    let status = enricher.status(now);
    assert_eq!(status.len(), 3, "a file named twice is read once");
    assert_eq!(status[0].kind, FileKind::Database("GeoLite2-City".into()));
    assert_eq!(status[0].built, Some(("2026-09-01T00:00:00Z".parse().unwrap(), Dating::Content)));
    assert_eq!(status[0].age.unwrap().as_hours(), 240);
    assert_eq!((&status[1].kind, status[1].records), (&FileKind::Ranges("aws"), 5));
    assert_eq!(status[2].built.unwrap().1, Dating::FileTime);
    assert!(!status[2].age.unwrap().is_negative(), "a file from the future has no age");
}

#[test]
fn microsofts_file_has_its_date_in_its_name() {
    let folder = Folder::new();
    let tags = include_bytes!("../testdata/azure-service-tags.json");
    let status = |name: &str| {
        let cloud = vec![CloudFile { provider: "azure".into(), file: folder.write(name, tags) }];
        let enricher = Enricher::open(&Config { cloud, ..Config::default() }).unwrap();
        enricher.status(Timestamp::UNIX_EPOCH)[0].built.unwrap()
    };
    let date = "2026-09-21T00:00:00Z".parse().unwrap();
    assert_eq!(status("ServiceTags_Public_20260921.json"), (date, Dating::FileName));
    for name in ["ServiceTags_Public_20261321.json", "tags.json", "ServiceTags_Public_2026.json"] {
        assert_eq!(status(name).1, Dating::FileTime, "{name}");
    }
}

#[test]
fn configuration_refuses_unknown_keys_and_finds_its_files() {
    let text = "geo = [\"a.mmdb\"]\n[[cloud]]\nprovider = \"aws\"\nfile = \"/b.json\"\n";
    let config: Config = toml::from_str(text).unwrap();
    let config = config.relative_to(Path::new("/etc/nightlatch"));
    assert_eq!(config.geo, [PathBuf::from("/etc/nightlatch/a.mmdb")]);
    assert_eq!(config.cloud[0].file, PathBuf::from("/b.json"));
    assert!(toml::from_str::<Config>("geos = []").unwrap_err().to_string().contains("geos"));
    assert!(toml::from_str::<Config>("[[cloud]]\nprovider = \"x\"\npath = \"y\"").is_err());
    assert!(Config::default().is_empty() && !config.is_empty());
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_was_expected() {
    let folder = Folder::new();
    let geo = |path: PathBuf| Enricher::open(&Config { geo: vec![path], ..Config::default() }).unwrap_err();
    let error = geo(folder.0.path().join("absent.mmdb"));
    assert!(
        matches!(&error, EnrichError::Read { .. }) && error.to_string().contains("absent.mmdb"),
        "{error}"
    );
    let error = geo(folder.0.path().to_owned());
    assert!(matches!(&error, EnrichError::NoFile { .. }), "{error}");
    let error = geo(folder.write("text.mmdb", b"hello"));
    assert!(
        matches!(&error, EnrichError::Database { .. }) && error.to_string().contains("text.mmdb"),
        "{error}"
    );
    let foreign = MmdbWriter::new("Anonymous\u{1b}[31m-IP", BUILT)
        .insert("192.0.2.0/24", &json!({"is_anonymous": true}));
    let error = geo(folder.write("anonymous.mmdb", &foreign.bytes()));
    assert!(matches!(&error, EnrichError::Layout { .. }), "{error}");
    assert!(!error.to_string().chars().any(is_dangerous), "{error}");
    let file = folder.write("aws.json", b"{\n  \"prefixes\": [1]\n}");
    let error = Enricher::open(&Config {
        cloud: vec![CloudFile { provider: "aws".into(), file }],
        ..Config::default()
    })
    .unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        error.to_string().contains("aws.json") && source.starts_with("line 2, column"),
        "{error}: {source}"
    );
}

#[test]
fn what_never_ends_or_never_begins_is_not_opened() {
    let folder = Folder::new();
    let pipe = folder.0.path().join("pipe.mmdb");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in [pipe, PathBuf::from("/dev/zero")] {
        let geo = Config { geo: vec![path.clone()], ..Config::default() };
        let cloud = CloudFile { provider: "aws".into(), file: path };
        for config in [geo, Config { cloud: vec![cloud], ..Config::default() }] {
            let error = Enricher::open(&config).unwrap_err();
            assert!(matches!(&error, EnrichError::NoFile { .. }), "{error}");
        }
    }
}

#[test]
fn a_packed_file_is_to_be_unpacked_and_not_downloaded_again() {
    let folder = Folder::new();
    for (first, format) in [(&b"\x1f\x8b\x08\0"[..], "gzip"), (b"PK\x03\x04", "zip"), (b"\xfd7zXZ\0", "xz")] {
        let path = folder.write("GeoLite2-City.mmdb.gz", &[first, &[0x55; 100]].concat());
        let geo = Config { geo: vec![path.clone()], ..Config::default() };
        let cloud = CloudFile { provider: "aws".into(), file: path };
        for config in [geo, Config { cloud: vec![cloud], ..Config::default() }] {
            let error = Enricher::open(&config).unwrap_err().to_string();
            assert!(error.contains(format) && error.contains("unpack"), "{error}");
        }
    }
}

#[test]
fn a_tree_that_turns_in_a_circle_is_refused() {
    let mut bytes = city().bytes();
    // Both links of the first node lead back to it.
    bytes[..8].fill(0);
    assert!(matches!(Database::from_bytes(Path::new("x"), bytes), Err(EnrichError::Database { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_damaged_database_never_panics(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), shorten in any::<bool>()) {
        let mut bytes = ipinfo().bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if shorten {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(database) = Database::from_bytes(Path::new("x"), bytes) {
            for ip in ["192.0.2.1", "198.51.100.1", "2001:db8::1", "255.255.255.255"] {
                let _: Option<(Place, Network)> = database.lookup(ip.parse().unwrap());
            }
            prop_assert!(!database.kind().chars().any(is_dangerous));
            prop_assert!(database.built().is_none_or(|built| built > Timestamp::UNIX_EPOCH));
        }
    }
}
