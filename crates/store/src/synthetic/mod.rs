//! A corpus that looks like real scans and is the same for the same seed: for tests and benches.
//!
//! Skewed as the world is: a few organisations, countries, products and ports hold most endpoints, and a long
//! tail holds the rest. Addresses are private or reserved for documentation. One observation is about 1 KB of
//! JSON; nothing is kept in memory, each is made from its number.

mod banners;
mod draw;
mod names;
mod products;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use nightlatch_asset::{
    Certificate, ClientCertificate, Cloud, Confidence, Evidence, Exposure, Favicon, Finding, Http, Network,
    Observation, Place, Proof, RequestClass, RunId, Severity, Text, Tls, Transport, Verdict, murmur3_32,
};

pub use draw::Draw;
use names::{COUNTRIES, Country};
use products::Product;

/// Endpoints of a large corpus; a smaller one has a fifth of its observations.
const ENDPOINTS_MAX: u64 = 400_000;

/// Endpoints of one address.
const ENDPOINTS_A_HOST: u64 = 3;

/// Seconds from one scan of an endpoint to the next.
const ROUND_SECONDS: i64 = 7 * 86_400;

/// Start of the first scan: 2026-06-01T00:00:00Z.
const START_SECOND: i64 = 1_780_272_000;

/// Of a thousand endpoints, how many answer differently one scan later.
const CHANGED_PER_MILLE: u64 = 150;

const ORGANISATIONS: u64 = 5_000;
const CERTIFICATES: u64 = 60_000;
const DOMAINS: u64 = 80_000;
const CITIES_A_COUNTRY: u64 = 12;

/// `count` observations in the order of time, of at most 400,000 endpoints which are seen again and again.
pub fn observations(seed: u64, count: u64) -> impl Iterator<Item = Observation> {
    let endpoints = (count / 5).clamp(1, ENDPOINTS_MAX);
    observations_of(seed, count, endpoints)
}

/// `count` observations of `endpoints` endpoints: all of them once, then all of them a week later, and so on.
pub fn observations_of(seed: u64, count: u64, endpoints: u64) -> impl Iterator<Item = Observation> {
    let endpoints = endpoints.max(1);
    let stride = stride(endpoints);
    (0..count).map(move |number| {
        let (round, place) = (number / endpoints, number % endpoints);
        let endpoint = (u128::from(place) * u128::from(stride) % u128::from(endpoints)) as u64;
        let step = ROUND_SECONDS as f64 / endpoints as f64;
        let second = START_SECOND + round as i64 * ROUND_SECONDS + (place as f64 * step) as i64;
        observation(seed, endpoint, round, second)
    })
}

/// A step that visits all of `endpoints` in a scattered order, as a scan does.
fn stride(endpoints: u64) -> u64 {
    // The first of these primes that does not divide the number is coprime to it.
    [15_485_863, 32_452_843, 49_979_687]
        .into_iter()
        .find(|prime| !endpoints.is_multiple_of(*prime))
        .unwrap_or(1)
}

/// The last round up to `round` in which the endpoint's answer changed.
fn epoch(seed: u64, endpoint: u64, round: u64) -> u64 {
    (1..=round)
        .rev()
        .take(64)
        .find(|round| Draw::of(&[seed, endpoint, *round, 1]).per_mille(CHANGED_PER_MILLE))
        .unwrap_or(0)
}

fn observation(seed: u64, endpoint: u64, round: u64, second: i64) -> Observation {
    let (host, slot) = (endpoint / ENDPOINTS_A_HOST, endpoint % ENDPOINTS_A_HOST);
    let owner = Draw::of(&[seed, host, 2]).zipf(ORGANISATIONS);
    let mut fixed = Draw::of(&[seed, endpoint, 3]);
    let product = products::pick(&mut fixed, slot);
    let mut changing = Draw::of(&[seed, endpoint, epoch(seed, endpoint, round), 4]);
    let ip = address(seed, host);
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    let port = fixed.choose(product.ports).copied().unwrap_or(80);
    let secure = product.always_tls || fixed.per_mille(300);
    let names = hostnames(&mut fixed);
    let country = country_of(owner);
    let version = product.version(&mut changing);
    let exposure = product.exposure(&mut changing);
    let status = product.status(exposure);
    let data = match product.http {
        true => banners::http_head(product, status, &version, second, names.first(), &mut changing),
        false => banners::greeting(product, &version, &mut changing),
    };
    Observation {
        ip,
        port,
        transport: if product.name == "DNS" { Transport::Udp } else { Transport::Tcp },
        protocol: product.protocol(secure).to_owned(),
        time,
        run: RunId(format!("run-{:04}", second.saturating_sub(START_SECOND) / 86_400)),
        asked_as: None,
        http: product.http.then(|| http(product, status, ip, &data, &mut changing)),
        data: data.into(),
        tls: secure.then(|| tls(&mut fixed, names.first(), second)),
        verdict: verdict(product, version, exposure, &mut changing),
        domains: names
            .iter()
            .filter_map(|name| name.split_once('.'))
            .map(|(_, domain)| Text::from(domain))
            .collect(),
        hostnames: names.into_iter().map(Text::from).collect(),
        place: (!fixed.per_mille(30)).then(|| place(country, &mut fixed)),
        network: (!fixed.per_mille(20)).then(|| network(owner)),
        cloud: cloud(owner, &mut fixed),
        owner: fixed
            .per_mille(100)
            .then(|| Text::from(["platform team", "data team", "web team"][(owner % 3) as usize])),
        os: fixed.per_mille(250).then(|| {
            Text::from(
                *fixed
                    .choose(&["Linux", "Debian GNU/Linux 12", "Ubuntu 22.04.4 LTS", "Windows Server 2019"])
                    .unwrap_or(&"Linux"),
            )
        }),
        tags: tags(secure, owner, &mut fixed),
    }
}

fn address(seed: u64, host: u64) -> IpAddr {
    if Draw::of(&[seed, host, 5]).per_mille(80) {
        let site = u128::from(host % 4_096) << 80;
        let low = u128::from(Draw::of(&[seed, host, 6]).next_u64());
        return Ipv6Addr::from_bits((0x2001_0db8 << 96) | site | low).into();
    }
    // Odd, so that different hosts have different addresses; blocks of 64 neighbours stay together.
    let scattered = (host / 64).wrapping_mul(40_503) % (1 << 18) * 64 + host % 64;
    Ipv4Addr::from_bits((10 << 24) | scattered as u32).into()
}

fn country_of(owner: u64) -> &'static Country {
    let at = Draw::of(&[owner, 7]).zipf(COUNTRIES.len() as u64) as usize;
    COUNTRIES.get(at).unwrap_or(&COUNTRIES[0])
}

fn hostnames(draw: &mut Draw) -> Vec<String> {
    if draw.per_mille(350) {
        return Vec::new();
    }
    let domain = names::domain(draw.zipf(DOMAINS));
    let mut hosts = vec![format!(
        "{}{}.{domain}",
        names::HOST_WORDS[draw.zipf(24) as usize % names::HOST_WORDS.len()],
        draw.below(100)
    )];
    if draw.per_mille(120) {
        hosts.push(format!("www.{}", names::domain(draw.zipf(DOMAINS))));
    }
    hosts
}

fn place(country: &Country, draw: &mut Draw) -> Place {
    let city = draw.zipf(CITIES_A_COUNTRY);
    let near = |degrees: f64, draw: &mut Draw| {
        ((degrees + draw.below(8_000) as f64 / 1_000.0 - 4.0) * 1e4).round() / 1e4
    };
    Place {
        country_code: Some(country.code.into()),
        country_name: Some(country.name.into()),
        region: Some(format!("{}", city % 5 + 1).into()),
        city: Some(names::city(country.code, city).into()),
        postal: draw.per_mille(500).then(|| format!("{:05}", draw.below(90_000) + 10_000).into()),
        latitude: Some(near(country.latitude, draw).clamp(-90.0, 90.0)),
        longitude: Some(near(country.longitude, draw).clamp(-180.0, 180.0)),
    }
}

fn network(owner: u64) -> Network {
    let name = names::organisation(owner);
    let isp = if owner.is_multiple_of(4) { names::organisation(owner % 300) } else { name.clone() };
    Network { asn: Some(64_496 + owner as u32), org: Some(name.into()), isp: Some(isp.into()) }
}

fn cloud(owner: u64, draw: &mut Draw) -> Option<Cloud> {
    let providers = ["aws", "azure", "gcp"];
    let provider = *providers.get(owner as usize)?;
    let region = *draw.choose(&["us-east-1", "us-west-2", "eu-central-1", "ap-south-1"])?;
    Some(Cloud {
        provider: provider.into(),
        region: Some(region.into()),
        service: draw.per_mille(400).then(|| "compute".into()),
    })
}

fn tags(secure: bool, owner: u64, draw: &mut Draw) -> BTreeSet<Text> {
    let mut tags = BTreeSet::new();
    if owner < 3 {
        tags.insert("cloud".into());
    }
    if !secure {
        tags.insert("plaintext".into());
    }
    if draw.per_mille(80) {
        tags.insert("end-of-life".into());
    }
    if draw.per_mille(15) {
        tags.insert("responder".into());
    }
    tags
}

fn http(product: &Product, status: u16, ip: IpAddr, data: &str, draw: &mut Draw) -> Http {
    Http {
        status,
        title: (status == 200 && !product.title.is_empty()).then(|| product.title.into()),
        server: (!product.server.is_empty()).then(|| product.server.into()),
        location: (status == 302).then(|| "/login".into()),
        host: ip.to_string().into(),
        body_bytes: draw.below(20_000),
        html_hash: draw.zipf(20_000) as i32 - 10_000,
        headers_hash: murmur3_32(data.get(..40).unwrap_or(data).as_bytes()),
        favicon: draw
            .per_mille(200)
            .then(|| Favicon { hash: murmur3_32(product.name.as_bytes()), path: "/favicon.ico".into() }),
    }
}

fn tls(draw: &mut Draw, name: Option<&String>, second: i64) -> Tls {
    let old = draw.per_mille(150);
    Tls {
        version: if old { "TLSv1.2" } else { "TLSv1.3" }.into(),
        cipher: Some(
            if old { "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" } else { "TLS_AES_128_GCM_SHA256" }.into(),
        ),
        alpn: draw.per_mille(600).then(|| "h2".into()),
        client_certificate: match draw.below(20) {
            0 => ClientCertificate::Required,
            1 | 2 => ClientCertificate::Requested,
            _ => ClientCertificate::NotRequested,
        },
        chain: if draw.per_mille(20) {
            Vec::new()
        } else {
            vec![certificate(draw.zipf(CERTIFICATES), name, second)]
        },
        failure: None,
    }
}

/// Certificate number `number`; the popular ones are shared, the others carry the host's name.
fn certificate(number: u64, name: Option<&String>, second: i64) -> Certificate {
    let mut draw = Draw::of(&[number, 8]);
    let self_signed = draw.per_mille(350);
    let own = name.filter(|_| number > 200).cloned();
    let cn = own.unwrap_or_else(|| {
        format!("{}.{}", names::HOST_WORDS[number as usize % names::HOST_WORDS.len()], names::domain(number))
    });
    let issuer_cn = if self_signed { cn.clone() } else { format!("Example CA {}", draw.zipf(40)) };
    let not_before = second - 40 * 86_400 - (number % 300) as i64 * 86_400;
    let not_before = not_before - not_before.rem_euclid(90 * 86_400);
    let not_after = not_before + if self_signed { 3_650 } else { 365 } * 86_400;
    let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
    Certificate {
        subject: format!("O={}, CN={cn}", names::organisation(number % ORGANISATIONS)).into(),
        issuer: if self_signed {
            format!("CN={cn}")
        } else {
            format!("C=ZZ, O=Example Trust, CN={issuer_cn}")
        }
        .into(),
        sans: vec![cn.as_str().into(), "kubernetes.default.svc".into()]
            .into_iter()
            .take(1 + usize::from(draw.per_mille(200)))
            .collect(),
        subject_cn: Some(cn.into()),
        issuer_cn: Some(issuer_cn.into()),
        serial: format!("{:016X}", draw.next_u64()).into(),
        not_before: at(not_before),
        not_after: at(not_after),
        signature_algorithm: if draw.per_mille(700) {
            "sha256WithRSAEncryption"
        } else {
            "ecdsa-with-SHA256"
        }
        .into(),
        key_type: if draw.per_mille(700) { "rsa" } else { "ec" }.into(),
        key_bits: if draw.per_mille(700) { 2_048 } else { 256 },
        sha256: draw.hex(4).into(),
        sha1: draw.hex(3).chars().take(40).collect::<String>().into(),
        self_signed,
    }
}

fn verdict(product: &Product, version: String, exposure: Exposure, draw: &mut Draw) -> Verdict {
    let severity = match exposure {
        Exposure::Controllable => Severity::Critical,
        Exposure::Readable => Severity::High,
        Exposure::Limited => Severity::Low,
        Exposure::Unknown | Exposure::AuthRequired => Severity::Info,
    };
    let known = !product.name.is_empty();
    let cpe = known.then(|| Text::from(format!("cpe:2.3:a:example:{}:{version}", product.fingerprint)));
    let mut facts = BTreeMap::new();
    if exposure >= Exposure::Readable {
        facts.insert("items".to_owned(), Text::from(draw.zipf(500).to_string()));
    }
    Verdict {
        fingerprint: known.then(|| product.fingerprint.into()),
        product: known.then(|| product.name.into()),
        version: (known && !draw.per_mille(200)).then(|| version.into()),
        cpe: cpe.into_iter().collect(),
        exposure,
        proof: (exposure == Exposure::Controllable)
            .then(|| if draw.per_mille(600) { Proof::Proven } else { Proof::Inferred }),
        severity,
        confidence: *draw
            .choose(&[Confidence::High, Confidence::High, Confidence::Medium, Confidence::Low])
            .unwrap_or(&Confidence::Low),
        why: product.why(exposure).into(),
        rule: format!("state[{}]", exposure as u8),
        fix: (exposure >= Exposure::Readable).then(|| "put the service behind authentication".into()),
        findings: draw
            .per_mille(60)
            .then(|| Finding {
                id: "legacy-discovery-binding".into(),
                severity: Severity::Low,
                title: String::new(),
            })
            .into_iter()
            .collect(),
        facts,
        evidence: vec![Evidence {
            request: "version".into(),
            class: RequestClass::T1,
            asked: "GET /version".into(),
            answered: "200 application/json".into(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::products::PRODUCTS;
    use super::*;
    use crate::content_key;

    #[test]
    fn the_same_seed_gives_the_same_corpus() {
        let a: Vec<_> = observations(7, 50).collect();
        assert!(observations(7, 50).eq(a.iter().cloned()));
        assert!(!observations(8, 50).eq(a));
    }

    #[test]
    fn sizes_shares_and_repetition_are_as_in_life() {
        let corpus: Vec<_> = observations(1, 5_000).collect();
        let bytes: usize = corpus.iter().map(|o| serde_json::to_string(o).unwrap().len()).sum();
        let mean = bytes / corpus.len();
        assert!((900..2_200).contains(&mean), "{mean} bytes");
        let share =
            |what: fn(&Observation) -> bool| corpus.iter().filter(|o| what(o)).count() * 100 / corpus.len();
        assert!((30..60).contains(&share(|o| o.tls.is_some())), "{} % TLS", share(|o| o.tls.is_some()));
        assert!((3..15).contains(&share(|o| o.ip.is_ipv6())));
        let mut contents: HashMap<_, Vec<u128>> = HashMap::new();
        for o in &corpus {
            contents.entry(o.endpoint()).or_default().push(content_key(o));
        }
        assert!((990..=1_000).contains(&contents.len()), "{} endpoints", contents.len());
        let repeated: usize =
            contents.values().map(|keys| keys.windows(2).filter(|pair| pair[0] == pair[1]).count()).sum();
        assert!((2_500..3_900).contains(&repeated), "{repeated} unchanged of 4000");
        assert!(corpus.is_sorted_by_key(|o| o.time));
    }

    #[test]
    fn no_endpoint_is_two_products() {
        for (group, products) in PRODUCTS.iter().enumerate() {
            for other in PRODUCTS.iter().skip(group + 1) {
                let ports = |products: &[Product]| {
                    products.iter().flat_map(|p| p.ports.to_vec()).collect::<BTreeSet<_>>()
                };
                assert!(ports(products).is_disjoint(&ports(other)));
            }
        }
    }
}
