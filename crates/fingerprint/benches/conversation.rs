//! What one conversation costs without the network: planning, judging, and the catalogue's own compilation.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot begin says why and ends")]

#[path = "../tests/dialogues/mod.rs"]
mod dialogues;

use std::{hint::black_box, time::Instant};

use nightlatch_asset::{Answer, BodyEnd};
use nightlatch_fingerprint::{Catalogue, Context, QuestionId, Scheme, examples};

const ROUNDS: u32 = 2_000;

fn main() {
    let start = Instant::now();
    let catalogue = dialogues::catalogue();
    println!("compile {} fingerprints: {:?}", catalogue.entries().count(), start.elapsed());
    let nginx = |path: &str| if path == "/" { "nginx-welcome.http" } else { "nginx-404.http" };
    let unknown_json = |path: &str| if path == "/" { "json-status-ok.http" } else { "json-404.http" };
    let go = |_: &str| "go-404.http";
    let wall = |_: &str| "basic-auth-wall.http";
    let spa = |_: &str| "home-assistant-like-spa.http";
    for port in [80, 443, 8080, 12345] {
        measure(&catalogue, "nginx", port, &nginx);
        measure(&catalogue, "JSON API", port, &unknown_json);
        measure(&catalogue, "Go 404", port, &go);
        measure(&catalogue, "wall of 401", port, &wall);
        measure(&catalogue, "single-page application", port, &spa);
    }
}

fn measure(catalogue: &Catalogue, name: &str, port: u16, page: &dyn Fn(&str) -> &'static str) {
    let answer = |path: &str| {
        let raw = Catalogue::negatives().iter().find(|(file, _)| *file == page(path)).map(|(_, raw)| *raw);
        examples::response(raw.unwrap_or_default(), BodyEnd::Complete).map(Answer::Http)
    };
    let (root, other) = (answer("/"), answer("/other"));
    let scheme = if port == 443 { Scheme::Tls } else { Scheme::Plain };
    let mut questions = 0;
    let start = Instant::now();
    for round in 0..ROUNDS {
        let context = Context::new(port, scheme, u64::from(round).to_be_bytes());
        let replay = catalogue
            .converse(context, |q| if q.id == QuestionId::ROOT { root.clone() } else { other.clone() });
        questions = replay.questions.len();
        black_box(replay);
    }
    println!("{name:25} port {port:5}: {questions:2} questions, {:?} each", start.elapsed() / ROUNDS);
}
