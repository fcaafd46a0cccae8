//! The offline authoriser against the real one: the same answer to every question, from files and from a dump.

use std::{
    collections::BTreeMap,
    env,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use nightlatch_e2e::lab::{Api, Lab, Setup};
use nightlatch_manifest::{Corpus, Input, View};
use nightlatch_rbac::{Assume, Attributes, Authorizer, Decision, Options, User};
use nightlatch_untrusted::Text;
use serde_json::{Value, json};

use crate::{
    Case, Needs,
    estate::{Dice, GROUP, LABEL, Made, NAMESPACES, Question, estate, placed, question},
};

const ROUNDS: u64 = 8;
const QUESTIONS: usize = 1_500;
/// Questions of a round that are also asked as the caller, by impersonation.
const IMPERSONATED: usize = 60;
/// Requests of a round that are not questions: the server's filter decides.
const REQUESTS: usize = 60;
const CONNECTIONS: usize = 4;
/// How often a round is asked again because a controller still wrote roles meanwhile.
const ATTEMPTS: usize = 5;
const SETTLE_MAX: Duration = Duration::from_secs(60);
const SHOWN_MAX: usize = 10;
/// Minor version of the server that `tests/lab/build` builds.
const MINOR: u32 = 20;
/// Another seed than the usual one.
const SEED_VARIABLE: &str = "NIGHTLATCH_LAB_SEED";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
const SELF_REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

pub(super) const CASES: &[Case] = &[
    Case { name: "rbac/same-answers", needs: Needs::Lab, run: same_answers },
    Case { name: "rbac/shipped-roles", needs: Needs::Lab, run: shipped_roles },
];

/// What the server was asked, and how often it allowed.
#[derive(Debug, Default)]
struct Tally {
    reviews: usize,
    impersonated: usize,
    requests: usize,
    allowed: usize,
}

fn same_answers() -> Result<(), Failed> {
    let seed = env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_126_u64);
    let lab = Lab::start(&Setup { controllers: true, ..Setup::default() });
    let admin = lab.admin();
    for namespace in NAMESPACES {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        admin.post("/api/v1/namespaces", &object).done();
    }
    let mut tally = Tally::default();
    let started = Instant::now();
    for number in 0..ROUNDS {
        let dice = Dice(seed.wrapping_add(number.wrapping_mul(0x1_0000_0001)));
        round(&admin, dice, number, &mut tally)
            .map_err(|why| format!("seed {seed}, round {number}: {why}"))?;
    }
    let all = tally.reviews + tally.impersonated + tally.requests;
    let share = tally.allowed * 100 / all.max(1);
    println!(
        "rbac: seed {seed}: {all} questions in {ROUNDS} rounds ({} reviews, {} as the caller, {} requests), {share} % \
         allowed, all answers agree, {} s",
        tally.reviews,
        tally.impersonated,
        tally.requests,
        started.elapsed().as_secs()
    );
    if tally.reviews < 10_000 || !(15..=85).contains(&share) {
        return Err(format!("too few or too easy questions: {tally:?}").into());
    }
    Ok(())
}

fn round(admin: &Api, mut dice: Dice, number: u64, tally: &mut Tally) -> Result<(), String> {
    clear(admin)?;
    let mut made = estate(&mut dice);
    made.extend(sentinels(number));
    let mut session = admin.connect().map_err(|e| e.to_string())?;
    // Two roles may have drawn one name; then the first stays.
    made = made
        .into_iter()
        .filter_map(|made| match session.ask("POST", &made.path, Some(&made.object)) {
            Ok(answer) if answer.status == 201 => Some(Ok(made)),
            Ok(answer) if answer.status == 409 => None,
            Ok(answer) => Some(Err(format!("{}: {}\n{}", answer.status, answer.text, made.object))),
            Err(error) => Some(Err(error.to_string())),
        })
        .collect::<Result<_, _>>()?;
    let files = files(&made, number);
    let questions: Vec<Question> = (0..QUESTIONS).map(|_| question(&mut dice, &made)).collect();
    wait_for_sentinels(admin, number)?;
    for _ in 0..ATTEMPTS {
        let before = dump(admin)?;
        let answers = ask_all(admin, &questions)?;
        let as_callers = ask_as_callers(admin, &questions)?;
        let requests = request_all(admin, &questions)?;
        if content(&before) != content(&dump(admin)?) {
            continue;
        }
        let judges = [("files", &files), ("dump", &authorizer(&before, View::Full, Assume::Never))];
        // Who knows the shipped roles alone must be caught.
        let blind = read(Vec::new(), View::Partial, Assume::Always);
        if compare(&[("blind", &blind)], answers.iter(), &mut 0).is_ok() {
            return Err("the questions do not depend on what was made".to_owned());
        }
        tally.reviews += answers.len();
        tally.impersonated += as_callers.len();
        tally.requests += requests.len();
        return compare(&judges, answers.iter().chain(&as_callers).chain(&requests), &mut tally.allowed);
    }
    Err("the roles did not come to rest".to_owned())
}

/// A question, who asked, and what the server said.
struct Asked {
    user: User,
    what: String,
    question: Question,
    /// Whether the server's own completion of requests applies.
    completed: bool,
    allowed: bool,
    reason: String,
}

fn compare<'a>(
    judges: &[(&str, &Authorizer)],
    asked: impl Iterator<Item = &'a Asked>,
    allowed: &mut usize,
) -> Result<(), String> {
    let mut wrong = Vec::new();
    for asked in asked {
        *allowed += usize::from(asked.allowed);
        for (name, judge) in judges {
            let decision = judge.authorize(&asked.user, &attributes(asked));
            // What depends on pods is not settled by files alone; there are none, so the server says no.
            let right = match decision {
                Decision::Allow(_) => asked.allowed,
                Decision::Deny | Decision::UnknownMayAllow(_) => !asked.allowed,
                Decision::UnknownMayDeny(..) => false,
            };
            if !right {
                wrong.push(format!(
                    "{} {:?}\n  as {:?}\n  server: {} ({})\n  {name}: {decision:?}",
                    asked.what, asked.question, asked.user, asked.allowed, asked.reason
                ));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let shown = wrong.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    Err(format!("{} answers differ:\n{shown}", wrong.len()))
}

fn attributes(asked: &Asked) -> Attributes<'_> {
    let question = &asked.question;
    let attributes = Attributes {
        verb: &question.verb,
        group: &question.group,
        resource: &question.resource,
        subresource: &question.subresource,
        namespace: &question.namespace,
        name: &question.name,
        path: question.path.as_deref(),
    };
    if asked.completed { attributes.completed() } else { attributes }
}

/// All questions as SubjectAccessReviews, over a few connections at once.
fn ask_all(admin: &Api, questions: &[Question]) -> Result<Vec<Asked>, String> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<Asked>, String> {
        let mut session = admin.connect().map_err(|e| e.to_string())?;
        let mut answers = Vec::new();
        while let Some(question) = questions.get(next.fetch_add(1, Relaxed)) {
            let answer = session.ask("POST", REVIEWS, Some(&question.review())).map_err(|e| e.to_string())?;
            let status = reviewed(&answer.json, &answer.text)?;
            answers.push(Asked {
                user: User::exact(&question.user, &question.groups),
                what: "review".to_owned(),
                question: question.clone(),
                completed: false,
                allowed: status.0,
                reason: status.1,
            });
        }
        Ok(answers)
    };
    let parts: Vec<Result<Vec<Asked>, String>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a worker panicked".into())))
            .collect()
    });
    Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn reviewed(json: &Value, text: &str) -> Result<(bool, String), String> {
    let allowed = json["status"]["allowed"].as_bool().ok_or_else(|| format!("no answer: {text}"))?;
    Ok((allowed, json["status"]["reason"].as_str().unwrap_or_default().to_owned()))
}

/// As `kubectl auth can-i --as NAME --as-group GROUP`.
fn ask_as_callers(admin: &Api, questions: &[Question]) -> Result<Vec<Asked>, String> {
    // Strangers may not ask what they may do.
    let known = questions.iter().filter(|question| {
        question.user != "system:anonymous"
            && !question.groups.iter().any(|group| group == "system:unauthenticated")
    });
    let mut answers = Vec::new();
    for question in known.take(IMPERSONATED) {
        let mut review = question.review();
        review["kind"] = json!("SelfSubjectAccessReview");
        review["spec"].as_object_mut().into_iter().for_each(|spec| {
            spec.remove("user");
            spec.remove("groups");
        });
        let api = admin.impersonating(&question.user, &question.groups);
        let answer = api.ask("POST", SELF_REVIEWS, Some(&review)).map_err(|e| e.to_string())?;
        let status = reviewed(&answer.json, &answer.text)?;
        answers.push(Asked {
            user: User::impersonated(&question.user, question.groups.clone()),
            what: "as the caller".to_owned(),
            question: question.clone(),
            completed: false,
            allowed: status.0,
            reason: status.1,
        });
    }
    Ok(answers)
}

/// Real requests that read; refused or not is the answer.
fn request_all(admin: &Api, questions: &[Question]) -> Result<Vec<Asked>, String> {
    let mut answers = Vec::new();
    for (at, question) in questions.iter().rev().take(REQUESTS).enumerate() {
        let (path, question) = request(at, question);
        let api = admin.impersonating(&question.user, &question.groups);
        let answer = api.ask("GET", &path, None).map_err(|e| e.to_string())?;
        answers.push(Asked {
            user: User::impersonated(&question.user, question.groups.clone()),
            what: format!("GET {path}"),
            question,
            completed: true,
            allowed: answer.status != 403,
            reason: answer.status.to_string(),
        });
    }
    Ok(answers)
}

/// One of the shapes of read requests, with the words of a question.
fn request(at: usize, question: &Question) -> (String, Question) {
    let namespace = if question.namespace.is_empty() { "alpha" } else { &question.namespace };
    let mut asked = Question {
        verb: "get".to_owned(),
        group: String::new(),
        resource: "pods".to_owned(),
        subresource: String::new(),
        namespace: namespace.to_owned(),
        name: String::new(),
        path: None,
        ..question.clone()
    };
    let path = match at % 8 {
        0 => {
            asked.verb = "list".to_owned();
            format!("/api/v1/namespaces/{namespace}/pods")
        }
        1 => {
            asked.name = "web".to_owned();
            format!("/api/v1/namespaces/{namespace}/pods/web")
        }
        2 => {
            (asked.name, asked.subresource) = ("web".to_owned(), "log".to_owned());
            format!("/api/v1/namespaces/{namespace}/pods/web/log")
        }
        3 => {
            // A namespace lies within itself.
            (asked.resource, asked.name) = ("namespaces".to_owned(), namespace.to_owned());
            asked.namespace = String::new();
            format!("/api/v1/namespaces/{namespace}")
        }
        4 => {
            (asked.verb, asked.resource) = ("list".to_owned(), "nodes".to_owned());
            asked.namespace = String::new();
            "/api/v1/nodes".to_owned()
        }
        5 => {
            // A list of one by its name has that name.
            (asked.verb, asked.resource, asked.name) =
                ("list".to_owned(), "secrets".to_owned(), "db".to_owned());
            format!("/api/v1/namespaces/{namespace}/secrets?fieldSelector=metadata.name%3Ddb")
        }
        6 => {
            (asked.group, asked.resource) = ("apps".to_owned(), "deployments".to_owned());
            (asked.name, asked.subresource) = ("web".to_owned(), "scale".to_owned());
            format!("/apis/apps/v1/namespaces/{namespace}/deployments/web/scale")
        }
        _ => {
            let path = ["/healthz", "/metrics", "/version", "/readyz/etcd", "/api/"][at / 8 % 5];
            asked.path = Some(path.to_owned());
            path.to_owned()
        }
    };
    (path, asked)
}

/// Objects whose effect shows that all others have arrived: the last of each kind, and one that a controller fills.
fn sentinels(number: u64) -> Vec<Made> {
    let rule = json!([{"apiGroups": ["lab.example.org"], "resources": [format!("sentinels-{number}")], "verbs": ["get"]}]);
    let label = format!("sentinel-{number}");
    let object = |kind: &str, name: &str| {
        json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": kind,
            "metadata": {"name": format!("{name}-{number}"), "labels": {LABEL: "yes"}},
        })
    };
    let bound = |kind: &str, role: &str, name: &str| {
        let mut binding = object(kind, "sentinel");
        binding["roleRef"] = json!({"apiGroup": GROUP, "kind": role, "name": format!("{name}-{number}")});
        binding["subjects"] = json!([{"apiGroup": GROUP, "kind": "User", "name": kind}]);
        binding
    };
    let mut part = object("ClusterRole", "sentinel-part");
    part["metadata"]["labels"]["sentinel"] = json!(label);
    part["rules"] = rule.clone();
    let mut whole = object("ClusterRole", "sentinel-whole");
    whole["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"sentinel": label}}]});
    whole["rules"] = json!([]);
    let mut role = object("Role", "sentinel");
    role["rules"] = rule;
    vec![
        placed(part, None),
        placed(whole, None),
        placed(role, Some("gamma")),
        placed(bound("ClusterRoleBinding", "ClusterRole", "sentinel-whole"), None),
        placed(bound("RoleBinding", "Role", "sentinel"), Some("gamma")),
    ]
}

fn wait_for_sentinels(admin: &Api, number: u64) -> Result<(), String> {
    let started = Instant::now();
    let mut session = admin.connect().map_err(|e| e.to_string())?;
    for user in ["ClusterRoleBinding", "RoleBinding"] {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": {
                "verb": "get", "group": "lab.example.org", "resource": format!("sentinels-{number}"), "namespace": "gamma",
            }},
        });
        loop {
            let answer = session.ask("POST", REVIEWS, Some(&review)).map_err(|e| e.to_string())?;
            if reviewed(&answer.json, &answer.text)?.0 {
                break;
            }
            if started.elapsed() > SETTLE_MAX {
                return Err(format!("the sentinel of {user} has no rights after {} s", SETTLE_MAX.as_secs()));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// Removes what the round before made.
fn clear(admin: &Api) -> Result<(), String> {
    let spaces = NAMESPACES.map(|namespace| format!("namespaces/{namespace}/"));
    let own = spaces.iter().flat_map(|space| ["roles", "rolebindings"].map(|kind| format!("{space}{kind}")));
    let all = own.chain(["clusterroles", "clusterrolebindings"].map(str::to_owned));
    for path in all {
        let path = format!("/apis/{GROUP}/v1/{path}?labelSelector={LABEL}%3Dyes");
        let answer = admin.ask("DELETE", &path, None).map_err(|e| e.to_string())?;
        if answer.status != 200 {
            return Err(format!("DELETE {path}: {} {}", answer.status, answer.text));
        }
    }
    Ok(())
}

/// Roles and bindings as the server lists them.
fn dump(admin: &Api) -> Result<Vec<(String, Value)>, String> {
    let mut session = admin.connect().map_err(|e| e.to_string())?;
    ["clusterroles", "clusterrolebindings", "roles", "rolebindings"]
        .into_iter()
        .map(|kind| {
            let answer =
                session.ask("GET", &format!("/apis/{GROUP}/v1/{kind}"), None).map_err(|e| e.to_string())?;
            if answer.status == 200 { Ok((kind.to_owned(), answer.json)) } else { Err(answer.text) }
        })
        .collect()
}

/// What every object of a dump grants. Roles that gather each other in a circle are written anew for ever, with the same
/// rules in another order.
fn content(dump: &[(String, Value)]) -> BTreeMap<String, Vec<String>> {
    let items = dump.iter().flat_map(|(kind, list)| {
        let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().map(move |item| (kind, item))
    });
    let rules = |item: &Value| {
        let rules = item["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut rules: Vec<String> = rules.iter().map(Value::to_string).collect();
        rules.sort();
        rules
    };
    items.map(|(kind, item)| (format!("{kind} {}", item["metadata"]["uid"]), rules(item))).collect()
}

/// What was applied, as somebody would keep it: one YAML file, or many of JSON.
fn files(made: &[Made], number: u64) -> Authorizer {
    let inputs: Vec<(String, String)> = if number.is_multiple_of(2) {
        let text: String = made.iter().map(|made| format!("---\n{}\n", made.object)).collect();
        vec![("roles.yaml".to_owned(), text)]
    } else {
        made.iter().enumerate().map(|(at, made)| (format!("{at}.json"), made.object.to_string())).collect()
    };
    read(inputs, View::Partial, Assume::Always)
}

fn authorizer(dump: &[(String, Value)], view: View, assume: Assume) -> Authorizer {
    read(dump.iter().map(|(kind, list)| (format!("{kind}.json"), list.to_string())).collect(), view, assume)
}

fn read(inputs: Vec<(String, String)>, view: View, assume: Assume) -> Authorizer {
    let inputs = inputs
        .into_iter()
        .map(|(name, text)| Input { name: Text::from(name.as_str()), bytes: text.into_bytes() });
    let mut corpus = Corpus::read(inputs);
    assert!(corpus.diagnostics.is_empty(), "{:?}", corpus.diagnostics);
    corpus.view = view;
    Authorizer::with(&corpus, Options { assume, minor: MINOR })
}

/// What we say that every cluster of this version starts with is what this one started with.
fn shipped_roles() -> Result<(), Failed> {
    let lab = Lab::start(&Setup { controllers: true, ..Setup::default() });
    let dump = dump(&lab.admin())?;
    let real = authorizer(&dump, View::Full, Assume::Never);
    let assumed = read(Vec::new(), View::Partial, Assume::Always);
    let roles = |authorizer: &Authorizer| -> BTreeMap<String, Vec<String>> {
        let roles = authorizer.policy().roles.iter();
        roles
            .map(|role| {
                let rules = role.rules.iter().map(|rule| {
                    format!(
                        "{:?} {:?} {:?} {:?} {:?}",
                        rule.verbs, rule.groups, rule.resources, rule.names, rule.paths
                    )
                });
                let mut rules: Vec<String> = rules.collect();
                rules.sort();
                (format!("{:?} {}/{}", role.kind, role.namespace, role.name), rules)
            })
            .collect()
    };
    let bindings = |authorizer: &Authorizer| -> BTreeMap<String, String> {
        let bindings = authorizer.policy().bindings.iter();
        bindings
            .map(|own| {
                let mut subjects: Vec<String> = own
                    .subjects
                    .iter()
                    .map(|subject| format!("{:?} {}/{}", subject.kind, subject.namespace, subject.name))
                    .collect();
                subjects.sort();
                let to = format!("{:?} {} {subjects:?}", own.role_kind, own.role_name);
                (format!("{}/{}", own.namespace.as_deref().unwrap_or_default(), own.name), to)
            })
            .collect()
    };
    differences("role", &roles(&real), &roles(&assumed))?;
    differences("binding", &bindings(&real), &bindings(&assumed))?;
    println!("rbac: {} roles and {} bindings as shipped", roles(&real).len(), bindings(&real).len());
    Ok(())
}

fn differences<T: PartialEq + std::fmt::Debug>(
    what: &str,
    real: &BTreeMap<String, T>,
    assumed: &BTreeMap<String, T>,
) -> Result<(), String> {
    let mut wrong: Vec<String> = Vec::new();
    for (name, value) in real {
        if assumed.get(name) != Some(value) {
            wrong.push(format!("{what} {name}\n  server: {value:?}\n  assumed: {:?}", assumed.get(name)));
        }
    }
    wrong.extend(
        assumed
            .keys()
            .filter(|name| !real.contains_key(*name))
            .map(|name| format!("{what} {name} is only assumed")),
    );
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
