//! `/host/{ip}`: everything known about one address: services, why each was judged so, what came before, what to do.

use std::net::IpAddr;

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use nightlatch_asset::{Certificate, Exposure, Record, Timestamp};
use nightlatch_report::Remedy;
use nightlatch_store::View;

use super::overview::state_class;
use crate::{
    Web,
    charts::{self, Span, Svg},
    escape::{self, cut},
    fault::{Fault, show},
    frame::Frame,
    hit::{self, Hit, anchor},
    link,
    visit::Visit,
    words::{ago, counted, day, minute},
};

/// Services of one host that are shown; a host that answers everywhere is a decoy, and as useful in part.
const SERVICES_MAX: usize = 100;
/// Earlier answers of one service that are shown.
const EARLIER_MAX: usize = 25;
/// Characters of a response that are shown.
const DATA_CHARS_MAX: usize = 16_000;
/// Names of a certificate that are shown.
const SANS_MAX: usize = 40;

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/host/{ip}", get(host))
}

type Pairs = Vec<(&'static str, String)>;

#[derive(Debug)]
struct EvidenceRow {
    class: String,
    request: String,
    asked: String,
    answered: String,
}

#[derive(Debug)]
struct FindingRow {
    severity: &'static str,
    id: String,
    title: String,
    step: &'static str,
}

#[derive(Debug)]
struct Rule {
    id: String,
    tool: &'static str,
    text: String,
}

#[derive(Debug)]
struct Read {
    title: &'static str,
    href: Option<&'static str>,
}

#[derive(Debug)]
struct CertificateBox {
    title: String,
    pairs: Pairs,
    sans: String,
    state: &'static str,
    state_word: String,
}

#[derive(Debug)]
struct Earlier {
    exposure: &'static str,
    what: String,
    why: String,
    from: String,
    until: String,
    times: u32,
}

#[derive(Debug)]
struct Service {
    anchor: String,
    door: String,
    hit: Hit,
    confidence: &'static str,
    fingerprint: String,
    rule: String,
    first_seen: String,
    last_seen: String,
    times: String,
    run: String,
    facts: Vec<(String, String)>,
    evidence: Vec<EvidenceRow>,
    findings: Vec<FindingRow>,
    fix: String,
    steps: Vec<String>,
    rules: Vec<Rule>,
    reads: Vec<Read>,
    http: Pairs,
    tls: Pairs,
    certificates: Vec<CertificateBox>,
    data: String,
    earlier: Vec<Earlier>,
}

#[derive(Debug)]
struct Lane {
    name: String,
    href: String,
    svg: Svg,
}

#[derive(Debug, Template)]
#[template(path = "host.html")]
struct Page {
    frame: Frame,
    ip: String,
    names: String,
    facts: Vec<(&'static str, String, String)>,
    worst: &'static str,
    services: Vec<Service>,
    more: usize,
    lanes: Vec<Lane>,
    lanes_from: String,
    lanes_until: String,
    search_href: String,
}

async fn host(State(web): State<Web>, visit: Visit, Path(ip): Path<String>) -> Result<Response, Fault> {
    let Ok(ip) = ip.parse::<IpAddr>() else {
        return Err(Fault::invalid(&visit, format!("`{}` is not an address", cut(&ip, 60))));
    };
    let ip = ip.to_canonical();
    let records =
        web.app.ask(move |snapshot| snapshot.host(ip, View::History)).await.map_err(|e| visit.fault(e))?;
    if records.is_empty() {
        return Err(Fault::unknown(&visit, "observation of", ip.to_string()));
    }
    Ok(show(&page(&visit, ip, &records)))
}

fn page(visit: &Visit, ip: IpAddr, records: &[Record]) -> Page {
    let now = visit.now;
    // By port already; the newest of each first.
    let mut endpoints: Vec<Vec<&Record>> = Vec::new();
    for record in records {
        match endpoints.last_mut() {
            Some(group) if group[0].observation.endpoint() == record.observation.endpoint() => {
                group.push(record)
            }
            _ => endpoints.push(vec![record]),
        }
    }
    for group in &mut endpoints {
        group.sort_by_key(|record| (!record.latest, std::cmp::Reverse((record.observation.time, record.id))));
    }
    endpoints.sort_by_key(|group| {
        let verdict = &group[0].observation.verdict;
        (std::cmp::Reverse(verdict.severity), std::cmp::Reverse(verdict.exposure), group[0].observation.port)
    });
    let more = endpoints.len().saturating_sub(SERVICES_MAX);
    endpoints.truncate(SERVICES_MAX);
    let newest: Vec<&Record> = endpoints.iter().map(|group| group[0]).collect();
    let worst = newest.iter().map(|record| record.observation.verdict.exposure).max().unwrap_or_default();
    let start =
        records.iter().map(|record| record.first_seen.min(record.observation.time)).min().unwrap_or(now);
    let names = newest.iter().map(|record| &record.observation).max_by_key(|seen| seen.hostnames.len());
    Page {
        frame: Frame::new(visit, "/search", ip.to_string()),
        ip: ip.to_string(),
        names: names.map(|seen| hit::listed(seen.hostnames.iter())).unwrap_or_default(),
        facts: facts(&newest, now),
        worst: worst.as_str(),
        lanes: endpoints.iter().map(|group| lane(group, start, now)).collect(),
        lanes_from: day(start),
        lanes_until: day(now),
        services: endpoints.iter().map(|group| service(group, now)).collect(),
        more,
        search_href: link::search(&format!("ip:{ip}")),
    }
}

/// Facts of the host: the newest record that has them says them. Name, value, and a query for it.
fn facts(newest: &[&Record], now: Timestamp) -> Vec<(&'static str, String, String)> {
    use nightlatch_asset::{Field, Text};
    let mut by_time: Vec<&&Record> = newest.iter().collect();
    by_time.sort_by_key(|record| std::cmp::Reverse(record.last_seen));
    let find = |get: &dyn Fn(&Record) -> Option<String>| by_time.iter().find_map(|record| get(record));
    let text = |text: Option<&Text>| text.map(|text| cut(text.raw(), 200));
    let query = |field, value: &str| link::filter(field, value).map(|q| link::search(&q)).unwrap_or_default();
    let mut out = Vec::new();
    let mut push = |name, value: Option<String>, field: Option<Field>| {
        if let Some(value) = value {
            let href = field.map(|field| query(field, &value)).unwrap_or_default();
            out.push((name, value, href));
        }
    };
    push("Owner", find(&|r| text(r.observation.owner.as_ref())), Some(Field::Owner));
    let network = |r: &Record| r.observation.network.clone();
    push("Organisation", find(&|r| text(network(r)?.org.as_ref())), Some(Field::Org));
    push("Provider", find(&|r| text(network(r)?.isp.as_ref())), Some(Field::Isp));
    push("Network", find(&|r| Some(format!("AS{}", network(r)?.asn?))), Some(Field::Asn));
    push(
        "Country",
        find(&|r| text(r.observation.place.as_ref()?.country_code.as_ref())),
        Some(Field::Country),
    );
    push("City", find(&|r| text(r.observation.place.as_ref()?.city.as_ref())), Some(Field::City));
    push("Cloud", find(&|r| text(Some(&r.observation.cloud.as_ref()?.provider))), Some(Field::CloudProvider));
    push("Region", find(&|r| text(r.observation.cloud.as_ref()?.region.as_ref())), Some(Field::CloudRegion));
    push("System", find(&|r| text(r.observation.os.as_ref())), Some(Field::Os));
    let first = newest.iter().map(|record| record.first_seen).min();
    push("First seen", first.map(|time| format!("{} ({})", minute(time), ago(time, now))), None);
    let last = newest.iter().map(|record| record.last_seen).max();
    push("Last seen", last.map(|time| format!("{} ({})", minute(time), ago(time, now))), None);
    out
}

fn lane(group: &[&Record], start: Timestamp, now: Timestamp) -> Lane {
    let whole = (now.as_second() - start.as_second()).max(1) as f64;
    let at = |time: Timestamp| (time.as_second() - start.as_second()) as f64 / whole;
    let spans: Vec<Span> = group
        .iter()
        .rev()
        .map(|record| {
            let seen = &record.observation;
            let what =
                [hit::raw(seen.verdict.product.as_ref()), hit::raw(seen.verdict.version.as_ref())].join(" ");
            Span {
                from: at(seen.time),
                until: at(record.last_seen),
                class: state_class(seen.verdict.exposure),
                title: format!(
                    "{} to {}: {} {}",
                    minute(seen.time),
                    minute(record.last_seen),
                    seen.verdict.exposure,
                    cut(what.trim(), 80)
                ),
            }
        })
        .collect();
    let seen = &group[0].observation;
    let name = format!("{}/{}", seen.port, seen.transport);
    let told =
        format!("Port {name}: {}, now {}", counted(group.len() as u64, "answer"), seen.verdict.exposure);
    Lane {
        href: format!("#{}", anchor(seen.port, seen.transport.as_str())),
        svg: charts::lane(&spans, &told),
        name,
    }
}

fn service(group: &[&Record], now: Timestamp) -> Service {
    let record = group[0];
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let remedy = nightlatch_report::remedy(record);
    let anchor = anchor(seen.port, seen.transport.as_str());
    Service {
        door: format!("{}/{}", seen.port, seen.transport),
        hit: Hit::of(record, now),
        confidence: verdict.confidence.as_str(),
        fingerprint: cut(&hit::raw(verdict.fingerprint.as_ref()), 80),
        rule: cut(&verdict.rule, 80),
        first_seen: minute(record.first_seen),
        last_seen: minute(record.last_seen),
        times: counted(u64::from(record.times_seen), "time"),
        run: cut(&seen.run.0, 80),
        facts: verdict.facts.iter().map(|(name, value)| (cut(name, 80), cut(value.raw(), 500))).collect(),
        evidence: verdict
            .evidence
            .iter()
            .map(|evidence| EvidenceRow {
                class: format!("{:?}", evidence.class),
                request: cut(&evidence.request, 80),
                asked: cut(evidence.asked.raw(), 500),
                answered: cut(evidence.answered.raw(), 500),
            })
            .collect(),
        findings: findings(record, &remedy),
        fix: if verdict.exposure >= Exposure::Limited {
            remedy.summary.raw().to_owned()
        } else {
            String::new()
        },
        steps: remedy.steps.iter().map(|step| step.raw().to_owned()).collect(),
        rules: remedy
            .network
            .iter()
            .enumerate()
            .map(|(at, rule)| Rule {
                id: format!("{anchor}-rule-{at}"),
                tool: rule.tool.title(),
                text: rule.text.clone(),
            })
            .collect(),
        reads: remedy
            .references
            .iter()
            .map(|reference| Read { title: reference.title, href: reference.url.and_then(link::outside) })
            .collect(),
        http: http(record),
        tls: tls(record),
        certificates: seen
            .tls
            .iter()
            .flat_map(|tls| &tls.chain)
            .take(4)
            .enumerate()
            .map(|(at, certificate)| certificate_box(at, certificate, now))
            .collect(),
        data: cut(escape::lines(seen.data.raw()).trim_end(), DATA_CHARS_MAX),
        earlier: group.iter().skip(1).take(EARLIER_MAX).map(|record| earlier(record)).collect(),
        anchor,
    }
}

fn findings(record: &Record, remedy: &Remedy) -> Vec<FindingRow> {
    let found = record.observation.verdict.findings.iter().zip(&remedy.findings);
    found
        .map(|(finding, mend)| FindingRow {
            severity: finding.severity.as_str(),
            id: cut(&finding.id, 80),
            title: cut(&finding.title, 300),
            step: mend.step.unwrap_or_default(),
        })
        .collect()
}

fn earlier(record: &Record) -> Earlier {
    let verdict = &record.observation.verdict;
    let what = [hit::raw(verdict.product.as_ref()), hit::raw(verdict.version.as_ref())].join(" ");
    Earlier {
        exposure: verdict.exposure.as_str(),
        what: cut(what.trim(), 120),
        why: cut(verdict.why.raw(), 300),
        from: minute(record.observation.time),
        until: minute(record.last_seen),
        times: record.times_seen,
    }
}

/// Pairs with a value.
fn told(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Pairs {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name, cut(&value, 500)))
        .collect()
}

fn http(record: &Record) -> Pairs {
    let Some(http) = &record.observation.http else { return Vec::new() };
    let status = if http.status > 0 { http.status.to_string() } else { String::new() };
    told([
        ("Status", status),
        ("Title", hit::raw(http.title.as_ref())),
        ("Server", hit::raw(http.server.as_ref())),
        ("Location", hit::raw(http.location.as_ref())),
        ("Asked as", http.host.raw().to_owned()),
        ("Body", counted(http.body_bytes, "byte")),
        ("Hash of the body", http.html_hash.to_string()),
        ("Hash of the favicon", http.favicon.as_ref().map(|icon| icon.hash.to_string()).unwrap_or_default()),
    ])
}

fn tls(record: &Record) -> Pairs {
    use nightlatch_asset::ClientCertificate;
    let Some(tls) = &record.observation.tls else { return Vec::new() };
    let client = match tls.client_certificate {
        ClientCertificate::NotRequested => "not asked for",
        ClientCertificate::Requested => "asked for, not demanded",
        ClientCertificate::Required => "demanded",
    };
    told([
        ("Version", tls.version.raw().to_owned()),
        ("Cipher", hit::raw(tls.cipher.as_ref())),
        ("Protocol", hit::raw(tls.alpn.as_ref())),
        ("Client certificate", client.to_owned()),
        ("Failure", hit::raw(tls.failure.as_ref())),
    ])
}

fn certificate_box(at: usize, certificate: &Certificate, now: Timestamp) -> CertificateBox {
    let left = certificate.not_after.as_second() - now.as_second();
    let (state, state_word) = match left {
        ..0 => ("high", format!("expired {}", ago(certificate.not_after, now))),
        0..2_592_000 => ("medium", format!("ends {}", ago(certificate.not_after, now))),
        _ => ("good", format!("valid until {}", day(certificate.not_after))),
    };
    let bits =
        if certificate.key_bits > 0 { format!(" {} bits", certificate.key_bits) } else { String::new() };
    CertificateBox {
        title: if at == 0 { "Certificate".to_owned() } else { format!("Issuer {at}") },
        pairs: told([
            ("Subject", certificate.subject.raw().to_owned()),
            (
                "Issuer",
                if certificate.self_signed {
                    "itself".to_owned()
                } else {
                    certificate.issuer.raw().to_owned()
                },
            ),
            ("Valid", format!("{} to {}", day(certificate.not_before), day(certificate.not_after))),
            ("Key", format!("{}{bits}", certificate.key_type.raw())),
            ("Signed with", certificate.signature_algorithm.raw().to_owned()),
            ("Serial", certificate.serial.raw().to_owned()),
            ("SHA-256", certificate.sha256.raw().to_owned()),
        ]),
        sans: {
            let more = certificate.sans.len().saturating_sub(SANS_MAX);
            let names: Vec<String> =
                certificate.sans.iter().take(SANS_MAX).map(|name| cut(name.raw(), 253)).collect();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{more}", names.join(", "))
        },
        state,
        state_word,
    }
}
