use jiff::Timestamp;
use nightlatch_asset::{Cloud, Favicon, Http, Network, Place, Tls};
use nightlatch_store::synthetic;
use proptest::prelude::*;

use super::*;

fn bytes_of(o: &Observation) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(o, &mut bytes);
    bytes
}

#[test]
fn every_observation_comes_back() {
    for observation in synthetic::observations(7, 2_000) {
        assert_eq!(decode(&bytes_of(&observation)), Ok(observation));
    }
}

#[test]
fn odd_values_come_back() {
    let mut o = synthetic::observations(7, 1).next().unwrap();
    o.ip = "2001:db8::1".parse().unwrap();
    o.transport = Transport::Udp;
    o.time = Timestamp::new(-5, -999_999_999).unwrap();
    o.hostnames =
        vec!["2001:db8::1".into(), "".into(), "ABCDEF0123".into(), "abcdef0123".into(), "aBcdef0123".into()];
    o.place = Some(Place {
        latitude: Some(f64::MIN_POSITIVE),
        longitude: Some(-0.0),
        country_name: Some("".into()),
        ..Place::default()
    });
    o.network = Some(Network { asn: Some(u32::MAX), ..Network::default() });
    o.cloud = Some(Cloud::default());
    o.http = Some(Http {
        body_bytes: u64::MAX,
        html_hash: i32::MIN,
        favicon: Some(Favicon::default()),
        ..Http::default()
    });
    o.tls = Some(Tls::default());
    let back = decode(&bytes_of(&o)).unwrap();
    assert_eq!(back, o);
    let longitude = back.place.unwrap().longitude.unwrap();
    assert!(longitude.is_sign_negative(), "the sign of zero is part of the value");
}

#[test]
fn a_cut_form_is_malformed() {
    let bytes = bytes_of(&synthetic::observations(7, 1).next().unwrap());
    for cut in 0..bytes.len() {
        assert!(decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn foreign_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn changed_bytes_do_not_panic(number in 0u64..50, at: prop::sample::Index, byte: u8) {
        let mut bytes = bytes_of(&synthetic::observations(7, 50).nth(number as usize).unwrap());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode(&bytes);
    }

    #[test]
    fn numbers_come_back(value: u64, signed: i64) {
        let mut bytes = Vec::new();
        write_number(&mut bytes, value);
        prop_assert_eq!(read_number(&bytes), Some((value, bytes.len())));
        prop_assert_eq!(unzigzag(zigzag(signed)), signed);
    }
}
