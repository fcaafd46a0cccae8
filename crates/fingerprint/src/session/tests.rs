use nightlatch_asset::{BodyEnd, Certificate, ClientCertificate, Exposure, Text, Timestamp};

use super::*;
use crate::{Catalogue, Known, Replay, Source, exchange};

/// A fingerprint on port 8080 with an identity request, a state request of each class, and one that is opted into.
const SHOP: &str = r#"
schema = 1
id = "shop"
name = "Shop"
group = "web"
class = "A"
status = "draft"
ports = [ { port = 8080 } ]
[[request]]
id = "about"
class = "T1"
path = "/about"
[[request]]
id = "stock"
class = "T2"
path = "/stock?limit=0&key={nonce}"
when = [ { identity = true } ]
[[request]]
id = "count"
class = "T2"
path = "/count"
opt_in = "counts"
when = [ { identity = true } ]
[[request]]
id = "rights"
class = "T3"
method = "POST"
path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
json_body = { token = "{nonce}" }
when = [ { identity = true } ]
[[identity]]
name = "about"
certain = true
layer = "body"
all = [ { on = "about", json = "/shop", is = "string" } ]
[[state]]
is = "readable"
why = "stock"
all = [ { on = "stock", status = [200] } ]
[[state]]
is = "limited"
why = "about"
all = [ { on = "about", status = [200] } ]
[references]
cwe = []
attack = []
docs = []
[remediation]
summary = "Close it."
steps = []
"#;

fn other(id: &str, path: &str, head: &str) -> String {
    SHOP.replace("\"shop\"", &format!("\"{id}\""))
        .replace("/about\"", &format!("{path}\""))
        .replace("port = 8080 }", head)
}

fn compile(texts: &[String]) -> Catalogue {
    let sources: Vec<_> = texts.iter().map(|text| Source { path: "", text, side_files: &[] }).collect();
    Catalogue::compile(&sources, &Known::dialogues(&["redis"])).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn shop() -> Catalogue {
    compile(&[SHOP.to_owned()])
}

fn http(raw: &str) -> Answer {
    Answer::Http(exchange::http(raw.as_bytes(), BodyEnd::Complete).unwrap())
}

fn not_found() -> Answer {
    http("HTTP/1.1 404 Not Found\n\nno")
}

/// A shop: about and stock are there, nothing else is.
fn open_shop(question: &Question) -> Option<Answer> {
    Some(match &question.kind {
        QuestionKind::Http { path, .. } if path == "/about" => http("HTTP/1.1 200 OK\n\n{\"shop\":\"x\"}"),
        QuestionKind::Http { path, .. } if path.starts_with("/stock") => http("HTTP/1.1 200 OK\n\n[]"),
        _ => not_found(),
    })
}

fn context(port: u16) -> Context {
    Context::new(port, Scheme::Plain, [0xab; 8])
}

fn asked(replay: &Replay) -> Vec<&str> {
    replay.questions.iter().map(|question| question.asked.as_str()).collect()
}

#[test]
fn the_canary_comes_first_and_state_follows_identity() {
    let replay = shop().converse(context(8080), open_shop);
    assert_eq!(asked(&replay), ["GET /{nonce}", "GET /", "GET /about", "GET /stock?limit=0&key={nonce}"]);
    assert_eq!(replay.judged.verdict.exposure, Exposure::Readable);
    let QuestionKind::Http { path, .. } = &replay.questions[3].kind else { panic!() };
    assert_eq!(path, "/stock?limit=0&key=abababababababab");
}

#[test]
fn what_the_scope_does_not_allow_is_not_asked() {
    let allowed = Context { t3: true, opt_ins: BTreeSet::from(["counts".to_owned()]), ..context(8080) };
    let replay = shop().converse(allowed, open_shop);
    assert!(replay.questions.iter().any(|question| question.class == RequestClass::T3));
    assert!(asked(&replay).contains(&"GET /count"));
    let rights = replay.questions.iter().find(|question| question.class == RequestClass::T3).unwrap();
    let QuestionKind::Http { method: Method::Post, json_body: Some(body), .. } = &rights.kind else {
        panic!("{rights:?}")
    };
    assert_eq!(body, "{\"token\":\"abababababababab\"}");
    let replay = shop().converse(context(8080), open_shop);
    assert!(replay.questions.iter().all(|question| question.class < RequestClass::T3));
}

#[test]
fn a_product_is_found_on_any_port_unless_its_file_says_no() {
    assert!(asked(&shop().converse(context(7), open_shop)).contains(&"GET /about"));
    let shy = compile(&[SHOP.replace("class = \"A\"", "class = \"A\"\nsweep = false")]);
    assert_eq!(asked(&shy.converse(context(7), open_shop)), ["GET /{nonce}", "GET /"]);
    let no_sweep = Context { sweep_max: 0, ..context(7) };
    assert_eq!(shop().converse(no_sweep, open_shop).questions.len(), 2);
}

#[test]
fn equal_requests_are_asked_once() {
    let catalogue = compile(&[SHOP.to_owned(), other("shop-2", "/about", "port = 8080 }")]);
    let replay = catalogue.converse(context(8080), |_| Some(not_found()));
    assert_eq!(asked(&replay), ["GET /{nonce}", "GET /", "GET /about"]);
}

#[test]
fn a_page_like_the_canary_is_no_answer() {
    let page = "HTTP/1.1 200 OK\n\n{\"shop\":\"x\"}";
    let replay = shop().converse(context(8080), |_| Some(http(page)));
    assert_eq!(replay.judged.verdict.fingerprint, None);
    assert_eq!(replay.judged.verdict.why.raw(), "answers every path alike");
    assert!(replay.judged.tags.contains(&Text::from("wildcard")));
    // On an unlisted port nobody else is asked.
    assert_eq!(shop().converse(context(7), |_| Some(http(page))).questions.len(), 2);
}

#[test]
fn a_state_above_limited_does_not_rest_on_a_page_like_the_canary() {
    let replay = shop().converse(context(8080), |question| match question.asked.as_str() {
        "GET /about" => Some(http("HTTP/1.1 200 OK\n\n{\"shop\":\"x\"}")),
        _ => Some(http("HTTP/1.1 200 OK\n\n[]")),
    });
    assert_eq!(replay.judged.verdict.exposure, Exposure::Limited);
}

#[test]
fn a_wall_a_limit_and_silence_end_the_conversation() {
    let check = |raw: &str, why: &str, questions: usize| {
        let replay = shop().converse(context(7), |_| Some(http(raw)));
        assert_eq!((replay.judged.verdict.why.raw(), replay.questions.len()), (why, questions), "{raw}");
    };
    check(
        "HTTP/1.1 401 No\nWWW-Authenticate: Basic\n\n",
        "refuses every path alike; the product cannot be told",
        2,
    );
    check("HTTP/1.1 429 Slow\n\n", "the server limits requests", 2);
    check(
        "HTTP/1.1 530 No\nServer: cloudflare\nCF-Ray: 1\n\n",
        "a delivery network or firewall answers, not the server behind it",
        2,
    );
    check(
        "HTTP/1.0 400 Bad Request\n\nClient sent an HTTP request to an HTTPS server.\n",
        "the other scheme is spoken on this port",
        2,
    );
    for failure in
        [Failure::Timeout, Failure::Refused, Failure::Reset, Failure::Closed, Failure::Tls(Text::from("x"))]
    {
        let replay = shop().converse(context(8080), |_| Some(Answer::Failed(failure.clone())));
        assert_eq!((replay.questions.len(), replay.judged.main), (2, None), "{failure:?}");
    }
}

#[test]
fn a_server_that_stops_answering_is_left_alone() {
    let catalogue = compile(
        &(0..9)
            .map(|n| other(&format!("shop-{n}"), &format!("/about-{n}"), "port = 8080 }"))
            .collect::<Vec<_>>(),
    );
    let replay = catalogue.converse(context(8080), |question| {
        let first = question.id == QuestionId::CANARY || question.id == QuestionId::ROOT;
        Some(if first { not_found() } else { Answer::Failed(Failure::Reset) })
    });
    assert_eq!(replay.questions.len(), 2 + FAILURES_MAX);
}

#[test]
fn what_was_identified_stays_identified_when_answers_fail() {
    let replay = shop().converse(context(8080), |question| match question.asked.as_str() {
        "GET /about" => open_shop(question),
        "GET /" | "GET /{nonce}" => Some(not_found()),
        _ => Some(Answer::Failed(Failure::Timeout)),
    });
    assert_eq!(replay.judged.verdict.fingerprint, Some(Text::from("shop")));
    assert_eq!(replay.judged.verdict.exposure, Exposure::Limited);
}

#[test]
fn three_unrelated_products_are_a_responder() {
    let paths = ["/a", "/b", "/c"];
    let with = |extra: &str| {
        let texts: Vec<_> = paths
            .iter()
            .map(|path| {
                other(&format!("shop-{}", &path[1..]), path, "port = 8080 }")
                    .replace("class = \"A\"", &format!("class = \"A\"\n{extra}"))
            })
            .collect();
        compile(&texts)
    };
    let answer = |question: &Question| match &question.kind {
        QuestionKind::Http { path, .. } if paths.contains(&path.as_str()) => {
            Some(http("HTTP/1.1 200 OK\n\n{\"shop\":\"x\"}"))
        }
        _ => Some(not_found()),
    };
    let judged = with("").interrogate(context(8080), answer);
    assert!(judged.tags.contains(&Text::from("responder")) && judged.verdict.fingerprint.is_none());
    assert_eq!(judged.candidates.len(), 3);
    let judged = with("overlaps = [\"shop-a\"]").interrogate(context(8080), answer);
    assert_eq!(judged.verdict.fingerprint, Some(Text::from("shop-a")));
}

#[test]
fn a_special_form_decides() {
    let special = other("shop-2", "/about", "port = 1 }")
        .replace("class = \"A\"", "class = \"A\"\nrefines = [\"shop\"]");
    let catalogue = compile(&[SHOP.to_owned(), special]);
    let replay = catalogue.converse(context(8080), open_shop);
    assert_eq!(replay.judged.verdict.fingerprint, Some(Text::from("shop-2")));
}

fn tls(issuer: &str, client_certificate: ClientCertificate) -> Tls {
    let leaf = Certificate {
        subject: Text::from("CN=x"),
        subject_cn: None,
        issuer: Text::from(issuer),
        issuer_cn: None,
        sans: Vec::new(),
        serial: Text::from("01"),
        not_before: Timestamp::UNIX_EPOCH,
        not_after: Timestamp::UNIX_EPOCH,
        signature_algorithm: Text::default(),
        key_type: Text::default(),
        key_bits: 0,
        sha256: Text::default(),
        sha1: Text::default(),
        self_signed: false,
    };
    Tls { chain: vec![leaf], client_certificate, ..Tls::default() }
}

#[test]
fn a_client_certificate_is_demanded() {
    let catalogue = compile(&[SHOP.replace("[[state]]\nis = \"limited\"", "[[identity]]\nname = \"ca\"\ncertain = true\nlayer = \"tls\"\nall = [ { tls_issuer = 'CN=shop-ca' }, { tls_client_cert = \"required\" } ]\n[[state]]\nis = \"auth-required\"\nwhy = \"certificate\"\nall = [ { identity = \"ca\" } ]\n[[state]]\nis = \"limited\"")]);
    let converse = |issuer: &str| {
        let context = Context {
            scheme: Scheme::Tls,
            tls: Some(tls(issuer, ClientCertificate::Requested)),
            ..context(8080)
        };
        catalogue.converse(context, |_| Some(Answer::Failed(Failure::ClientCertificate)))
    };
    let known = converse("CN=shop-ca");
    assert_eq!(known.judged.verdict.exposure, Exposure::AuthRequired);
    assert_eq!(known.questions.len(), 2);
    let unknown = converse("CN=other-ca");
    assert_eq!(unknown.judged.verdict.exposure, Exposure::Unknown);
    assert_eq!(unknown.judged.verdict.why.raw(), "demands a client certificate; the product cannot be told");
}

#[test]
fn a_certificate_does_not_hide_what_is_behind_it() {
    let ingress = other("ingress", "/ingress", "port = 1 }").replace(
        "all = [ { on = \"about\", json = \"/shop\", is = \"string\" } ]",
        "all = [ { tls_issuer = 'CN=ingress' } ]",
    );
    let catalogue = compile(&[SHOP.to_owned(), ingress.replace("layer = \"body\"", "layer = \"tls\"")]);
    let context = Context {
        scheme: Scheme::Tls,
        tls: Some(tls("CN=ingress", ClientCertificate::NotRequested)),
        ..context(8080)
    };
    let replay = catalogue.converse(context, open_shop);
    assert_eq!(asked(&replay)[..2], ["GET /{nonce}", "GET /"]);
    assert!(asked(&replay).contains(&"GET /about"));
    assert_eq!(replay.judged.candidates.len(), 2);
}

fn talker(port: &str) -> String {
    let request = "[[request]]\nid = \"about\"\nclass = \"T2\"\ndialogue = \"redis\"\n";
    let text = SHOP.replace("[[request]]\nid = \"about\"\nclass = \"T1\"\npath = \"/about\"\n", request);
    text.replace("\"shop\"", "\"talker\"")
        .replace("port = 8080", &format!("port = {port}"))
        .replace("layer = \"body\"", "layer = \"dialogue\"")
        .replace("{ on = \"about\", status = [200] }", "{ on = \"about\", answered = true }")
}

#[test]
fn dialogues_come_first_where_nobody_speaks_http() {
    let catalogue = compile(&[SHOP.to_owned(), talker("6379")]);
    let spoken = |question: &Question| match &question.kind {
        QuestionKind::Dialogue { .. } => Some(Answer::Dialogue(nightlatch_asset::DialogueAnswer {
            facts: serde_json::json!({ "recognised": true, "shop": "x" }),
            ..Default::default()
        })),
        QuestionKind::Http { .. } => Some(Answer::Failed(Failure::Closed)),
    };
    let replay = catalogue.converse(context(6379), spoken);
    assert_eq!(asked(&replay), ["dialogue redis"]);
    assert_eq!(replay.judged.verdict.fingerprint, Some(Text::from("talker")));
    // Elsewhere HTTP is tried first, and dialogues where it fails.
    assert_eq!(asked(&catalogue.converse(context(9), spoken)), ["GET /{nonce}", "GET /", "dialogue redis"]);
    // Somebody who speaks first is not asked over HTTP.
    let greeted = Context { greeting: b"-DENIED".to_vec(), ..context(8080) };
    assert_eq!(asked(&catalogue.converse(greeted, spoken)), ["dialogue redis"]);
    assert_eq!(catalogue.session(context(6379)).dialogues(), ["redis"]);
}

/// Found by fuzzing: a dialogue of class T3 was tried like any other.
#[test]
fn a_dialogue_that_the_scope_does_not_allow_is_not_tried() {
    let catalogue =
        compile(&[talker("6379").replacen("class = \"T2\"\ndialogue", "class = \"T3\"\ndialogue", 1)]);
    let silent = |_: &Question| Some(Answer::Failed(Failure::Closed));
    for port in [6379, 9] {
        assert_eq!(asked(&catalogue.converse(context(port), silent)), ["GET /{nonce}", "GET /"]);
        let allowed = Context { t3: true, ..context(port) };
        assert!(asked(&catalogue.converse(allowed, silent)).contains(&"dialogue redis"));
    }
}

#[test]
fn a_dialogue_that_was_not_recognised_proves_nothing() {
    let catalogue = compile(&[talker("6379")]);
    let replay = catalogue.converse(context(6379), |question| match &question.kind {
        QuestionKind::Dialogue { .. } => Some(Answer::Dialogue(nightlatch_asset::DialogueAnswer {
            facts: serde_json::json!({ "recognised": false, "shop": "x" }),
            ..Default::default()
        })),
        QuestionKind::Http { .. } => Some(not_found()),
    });
    assert_eq!(replay.judged.verdict.fingerprint, None);
    assert!(replay.questions.len() > 1, "HTTP is tried after the dialogue");
}

#[test]
fn no_question_is_repeated_and_none_is_left_when_nobody_answers() {
    let catalogue = compile(
        &(0..30)
            .map(|n| other(&format!("shop-{n}"), &format!("/about-{n}"), "port = 8080 }"))
            .collect::<Vec<_>>(),
    );
    for answered in [true, false] {
        let replay = catalogue.converse(context(8080), |_| answered.then(not_found));
        let ids: BTreeSet<_> = replay.questions.iter().map(|question| question.id).collect();
        assert_eq!(ids.len(), replay.questions.len());
        assert!(replay.questions.len() <= QUESTIONS_MAX);
    }
}

#[test]
fn a_password_in_the_clear_raises_the_severity() {
    let check = |scheme: Scheme, expected: nightlatch_asset::Severity| {
        let context = Context { scheme, ..context(8080) };
        let replay = shop().converse(context, |question| match question.asked.as_str() {
            "GET /about" => open_shop(question),
            _ => Some(not_found()),
        });
        assert_eq!(replay.judged.verdict.severity, expected);
    };
    check(Scheme::Tls, nightlatch_asset::Severity::Low);
    check(Scheme::Plain, nightlatch_asset::Severity::Medium);
}
