//! The observations: a synthetic corpus of few endpoints seen often, mixed with awkward ones.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use nightlatch_asset::{
    Cloud, Favicon, Finding, Http, Observation, Place, Severity, Text, Transport, Verdict,
};

use super::Plan;
use crate::synthetic::{Draw, observations_of};

/// The batches of a plan and one more, which is ingested after reopening.
pub(super) fn batches(plan: &Plan) -> Vec<Vec<Observation>> {
    let batches = plan.batches.max(1) + 1;
    let count = batches * plan.batch;
    let mut draw = Draw::of(&[plan.seed, 0x636f_7270]);
    let mut all: Vec<Observation> =
        observations_of(plan.seed, count as u64, (count as u64 / 3).max(1)).collect();
    for at in 0..all.len() {
        disturb(&mut all, at, &mut draw);
    }
    let mut out: Vec<Vec<Observation>> = all.chunks(plan.batch.max(1)).map(<[_]>::to_vec).collect();
    if let Some(base) = all.first() {
        // Twice in the first batches: the second time nothing of it is new.
        let awkward = awkward(base);
        for batch in out.iter_mut().take(2) {
            batch.extend(awkward.iter().cloned());
        }
    }
    out
}

/// Makes some observations late, simultaneous or repeated.
fn disturb(all: &mut [Observation], at: usize, draw: &mut Draw) {
    let other = draw.below(all.len() as u64) as usize;
    match draw.below(100) {
        0..5 => all[at].time = shifted(all[at].time, -40 * 86_400),
        5..8 => all[at].time = shifted(all[at].time, 30 * 86_400),
        8..11 => all[at].time = all[other].time,
        11..14 => all[at] = all[other].clone(),
        14..17 => all[at].time = shifted(all[at].time, -1),
        17..20 => {
            let same = Observation { time: all[at].time, ..all[other].clone() };
            all[at] = same;
        }
        _ => {}
    }
}

fn shifted(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(time)
}

/// One observation for each thing that goes wrong easily.
fn awkward(base: &Observation) -> Vec<Observation> {
    let bends: [fn(&mut Observation); 20] = [
        |o| o.data = "Grüße aus İSTANBUL, ΟΔΟΣ, 北京 and straße\tdata:x\u{0}y".into(),
        |o| o.data = format!("{} {} end", "a".repeat(200), "ä".repeat(90)).into(),
        |o| o.data = "*** ??? \\ \"quoted\" (x) a:b -c OR d".into(),
        |o| o.data = "one two three two one two three four one two three four five".repeat(30).into(),
        |o| {
            place(o).city = Some("Washington, D.C.".into());
            network(o).org = Some("Quote \"x\" \\ back * star ? and, comma".into());
        },
        |o| {
            network(o).org = Some("ACME".into());
            place(o).city = Some(" edge ".into());
        },
        |o| network(o).org = Some("acme".into()),
        |o| {
            o.tags =
                ["*", "a*b", "ESC\u{1b}[2J", "plaintext", "Plaintext"].into_iter().map(Text::from).collect()
        },
        |o| o.ip = IpAddr::from([0, 0, 0, 0]),
        |o| o.ip = IpAddr::from([255, 255, 255, 255]),
        |o| o.ip = IpAddr::from([0; 16]),
        |o| o.ip = IpAddr::from([255; 16]),
        |o| (o.transport, o.port) = (Transport::Udp, 0),
        |o| o.port = 65_535,
        |o| {
            (place(o).latitude, place(o).longitude) = (Some(90.0), Some(180.0));
            o.time = "2026-05-31T23:59:59.999999999Z".parse().unwrap_or_default();
        },
        |o| {
            (place(o).latitude, place(o).longitude) = (Some(-0.5), Some(-180.0));
            o.time = "2026-02-28T00:00:00Z".parse().unwrap_or_default();
        },
        |o| {
            o.http = Some(Http {
                status: 999,
                title: Some("\u{202e}***".into()),
                server: Some("...".into()),
                html_hash: i32::MIN,
                headers_hash: i32::MAX,
                favicon: Some(Favicon { hash: -1, path: "/".into() }),
                ..Http::default()
            });
        },
        |o| {
            o.hostnames = vec!["WWW.Example.COM".into(), "www.example.com".into(), "www.example.com".into()];
            o.domains = vec!["Example.COM".into(), "example.com".into(), "example.com".into()];
            o.time = "2001-09-09T01:46:40Z".parse().unwrap_or_default();
        },
        |o| {
            o.verdict.findings = ["x", "X", "x"].map(finding).into();
            o.verdict.facts =
                [("a", "b=c"), ("pods", "3"), ("ünï", "\"q\", w")].map(|(k, v)| (k.into(), v.into())).into();
            o.cloud = Some(Cloud { provider: "aws".into(), region: None, service: None });
        },
        |o| {
            if let Some(tls) = &mut o.tls
                && let Some(leaf) = tls.chain.first().cloned()
            {
                tls.chain.extend([leaf.clone(), leaf]);
                tls.chain[0].sans = (0..40).map(|n| Text::from(format!("n{}.svc", n % 20))).collect();
            }
        },
    ];
    let with_tls = bends.into_iter().enumerate().map(|(number, bend)| {
        let mut o = base.clone();
        o.ip = IpAddr::from([192, 0, 2, number as u8]);
        bend(&mut o);
        o
    });
    with_tls.chain([bare(base)]).collect()
}

/// An observation that says nothing.
fn bare(base: &Observation) -> Observation {
    Observation {
        ip: IpAddr::from([198, 51, 100, 1]),
        data: Text::default(),
        protocol: "tcp".into(),
        verdict: Verdict::default(),
        http: None,
        tls: None,
        hostnames: Vec::new(),
        domains: Vec::new(),
        place: None,
        network: None,
        cloud: None,
        owner: None,
        os: None,
        tags: Default::default(),
        ..base.clone()
    }
}

fn place(o: &mut Observation) -> &mut Place {
    o.place.get_or_insert_default()
}

fn network(o: &mut Observation) -> &mut nightlatch_asset::Network {
    o.network.get_or_insert_default()
}

fn finding(id: &str) -> Finding {
    Finding { id: id.to_owned(), severity: Severity::Low, title: String::new() }
}
