//! Makes the lab for a bench, says in one JSON line how to get in, and holds it until standard input ends.
//!
//! usage: nightlatch-lab-net dense|sparse|dark [LOST_PERCENT [PORT...]] [gro]

#![allow(clippy::unwrap_used, clippy::panic, reason = "a part of the bench, which may fail loudly")]

use std::io::Read;

use nightlatch_lab_net::{Lab, NEAR_V4, NEAR_V6, Sky};
use serde_json::json;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let gro = words.last() == Some(&"gro");
    words.truncate(words.len() - usize::from(gro));
    let (sky, rest) = match words.as_slice() {
        ["dense", rest @ ..] => (Sky::Dense, rest),
        ["sparse", rest @ ..] => (Sky::Sparse, rest),
        ["dark", rest @ ..] => (Sky::Dark, rest),
        _ => panic!("usage: nightlatch-lab-net dense|sparse|dark [LOST_PERCENT [PORT...]] [gro]"),
    };
    let lab = Lab::new(sky).unwrap_or_else(|reason| panic!("{}", reason.0));
    let lost = rest.first().map_or(0, |text| text.parse().unwrap());
    lab.set_sky(sky, lost);
    if gro {
        lab.take_redirected_frames();
    }
    let ports: Vec<u16> = rest.iter().skip(1).map(|text| text.parse().unwrap()).collect();
    let listeners = lab.listen(&ports);
    let told = json!({ "near_pid": lab.near.pid(), "far_pid": lab.far.pid(), "far_mac": lab.far_mac(),
        "near_mac": lab.near_mac(), "near_v4": NEAR_V4.to_string(), "near_v6": NEAR_V6.to_string() });
    println!("{told}");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(listeners);
}
