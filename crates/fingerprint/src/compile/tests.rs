use crate::{Catalogue, Known, Source};

const SOUND: &str = r#"schema = 1
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
path = "/stock"
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

[[extract]]
name = "version"
on = "about"
json = "/version"
keep = "plain"

[references]
cwe = []
attack = []
docs = []

[remediation]
summary = "Close it."
steps = []
"#;

fn errors(text: &str) -> Vec<String> {
    let source = Source { path: "fingerprints/shop/fingerprint.toml", text, side_files: &[] };
    match Catalogue::compile(&[source], &Known::dialogues(&["redis"])) {
        Ok(_) => Vec::new(),
        Err(errors) => errors
            .iter()
            .map(|error| {
                assert!(text.get(error.span.clone()).is_some(), "{error:?} points outside");
                error.to_string().replace("fingerprints/shop/fingerprint.toml:", "")
            })
            .collect(),
    }
}

/// Replaces `from` by `to` in the sound file and expects one error that begins so.
fn check(from: &str, to: &str, expected: &str) {
    assert!(SOUND.contains(from), "{from}");
    let errors = errors(&SOUND.replacen(from, to, 1));
    let one = matches!(errors.as_slice(), [error] if error.starts_with(expected));
    assert!(one, "{to}: expected {expected}, got {errors:#?}");
}

#[test]
fn a_sound_file_compiles() {
    assert_eq!(errors(SOUND), [""; 0]);
}

#[test]
fn mistakes_are_shown_where_they_are_with_what_was_meant() {
    check("name = \"Shop\"", "nmae = \"Shop\"", "3:1: unknown field `nmae`, did you mean `name`?");
    check(
        "status = \"draft\"",
        "status = \"drafted\"",
        "6:10: unknown variant `drafted`, did you mean `draft`?",
    );
    check("group = \"web\"", "group = \"wbe\"", "4:9: unknown group `wbe`, did you mean `web`?");
    check(
        "{ on = \"about\", json",
        "{ on = \"abuot\", json",
        "24:9: unknown request `abuot`, did you mean `about`?",
    );
    check("is = \"string\"", "is = \"strnig\"", "24:9: unknown type `strnig`, did you mean `string`?");
    check("is = \"string\"", "matches = '('", "24:9: invalid regular expression `(`");
    check("json = \"/shop\"", "json = \"shop\"", "24:9: a JSON pointer begins with `/`");
    check("id = \"shop\"", "id = \"Shop\"", "2:6: `id` is");
    check("id = \"shop\"", "id = \"sho\"", "2:6: `id` is the folder's name, `shop`");
    check("schema = 1", "schema = 2", "1:1: `schema` is 1, not 2");
    check(
        "on = \"about\"\njson",
        "on = \"abou\"\njson",
        "33:6: unknown request `abou`, did you mean `about`?",
    );
    check(
        "path = \"/about\"",
        "dialogue = \"rdis\"",
        "12:12: unknown dialogue `rdis`, did you mean `redis`?",
    );
    check(
        "group = \"web\"",
        "group = \"web\"\nrefines = [\"shap\"]",
        "5:12: unknown fingerprint `shap`, did you mean `shop`?",
    );
}

#[test]
fn unsafe_requests_are_refused() {
    check(
        "path = \"/about\"",
        "path = \"/containers/x/exec\"",
        "12:8: `GET /containers/x/exec` is never sent: it can run",
    );
    check("path = \"/about\"", "path = \"//example.org/\"", "12:8: `GET //example.org/` is never sent");
    check(
        "path = \"/about\"",
        "method = \"POST\"\npath = \"/about\"",
        "13:8: `method = \"POST\"` and `class = \"T3\"` belong together",
    );
    check("path = \"/about\"", "method = \"DELETE\"\npath = \"/about\"", "12:10: unknown variant `DELETE`");
    check("path = \"/about\"", "path = \"/about\"\nmax_body = 100000", "12:8: `max_body` is 1 to 65536");
    check(
        "status = \"draft\"",
        "status = \"draft\"\ndefaults = { follow_redirects = true }",
        "1:1: `follow_redirects` may only be `false`",
    );
    check("path = \"/about\"", "", "9:1: a request has either `path` or `dialogue`");
}

#[test]
fn rules_that_prove_nothing_are_refused() {
    check("json = \"/shop\", is = \"string\"", "status = [200]", "20:1: a certain group needs a marker");
    check("certain = true\n", "", "2:6: no identity is possible");
    check(
        "{ on = \"stock\", status = [200] }",
        "{ on = \"about\", status = [200] }",
        "26:1: from `readable` up",
    );
    check(
        "{ on = \"stock\", status = [200] }",
        "{ on = \"stock\", status = [200, 404] }",
        "26:1: from `readable` up",
    );
    check("is = \"readable\"", "is = \"controllable\"", "26:1: `proof`");
    check("why = \"stock\"", "why = \"Stock.\"", "26:1: `why` is one sentence");
    check("json = \"/version\"\nkeep", "body = true\nkeep", "31:1: an extract from a body needs `matches`");
    check("name = \"version\"", "name = \"Version\"", "32:8: a fact's name");
    check(
        "is = \"string\"",
        "is = \"string\", title = 'x'",
        "24:9: a predicate looks at exactly one thing, this one at json, title",
    );
    check(", is = \"string\"", "", "24:9: `json` and `header` need a comparison");
}

#[test]
fn there_are_only_so_many_identity_groups() {
    let group = "[[identity]]\nname = \"g\"\nlayer = \"body\"\nall = [ { on = \"about\", title = 'x' } ]\n\n";
    let with =
        |more: usize| errors(&SOUND.replacen("[[state]]", &format!("{}[[state]]", group.repeat(more)), 1));
    let told = |errors: &[String]| errors.iter().any(|error| error.contains("65 identity groups"));
    assert!(!told(&with(63)), "{:#?}", with(63));
    assert!(told(&with(64)), "{:#?}", with(64));
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = SOUND
        .replace("group = \"web\"", "group = \"x\"")
        .replace("/about\"", "/x/exec\"")
        .replace("is = \"string\"", "is = \"x\"");
    assert_eq!(errors(&text).len(), 3, "{:#?}", errors(&text));
}

#[test]
fn identifiers_are_unique() {
    let twice = errors(&SOUND.replace("id = \"stock\"", "id = \"about\""));
    assert!(twice[0].starts_with("15:6: request `about` exists already"), "{twice:?}");
    let sources = ["a", "b"].map(|path| Source { path, text: SOUND, side_files: &[] });
    let errors = Catalogue::compile(&sources, &Known::dialogues(&[])).unwrap_err();
    assert!(errors[0].to_string().contains("fingerprint `shop` exists already"), "{errors:?}");
}
