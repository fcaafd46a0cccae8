use std::collections::BTreeMap;

use nightlatch_asset::RequestClass;
use serde_json::Value;

use super::{BODY_BYTES_MAX_T1, BODY_BYTES_MAX_T2, DEFAULT_ACCEPT, Scribe, predicate};
use crate::{
    deny,
    error::Fault,
    file::{At, File, MethodWord, RequestClassWord, RequestEntry},
    model::{Ask, Method, ROOT, Request, Slot, Target, What},
};

/// What the rules of one file may refer to.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) requests: Vec<Request>,
    pub(super) ids: BTreeMap<String, Target>,
    /// Names of the identity groups; empty until those are compiled.
    pub(super) groups: Vec<String>,
}

/// Compiles the requests, without their conditions, and shares equal questions.
pub(super) fn all(scribe: &mut Scribe<'_>, file: &File, asks: &mut Vec<Ask>) -> Parts {
    let mut parts = Parts::default();
    parts.ids.insert("canary".to_owned(), Target::Canary);
    for entry in &file.request {
        let Some(request) = one(scribe, file, entry, asks) else {
            // Known by name, so that one mistake is reported once.
            parts.ids.insert(entry.get().id.get().clone(), Target::Request(usize::MAX));
            continue;
        };
        let target = Target::Request(parts.requests.len());
        if parts.ids.insert(request.id.clone(), target).is_some() {
            scribe.report(
                entry.get().id.span(),
                Fault::Duplicate { what: "request", word: request.id.clone() },
            );
        }
        parts.requests.push(request);
    }
    // Everybody's `GET /` is there without being declared.
    parts.ids.entry("root".to_owned()).or_insert_with(|| {
        parts.requests.push(root());
        Target::Request(parts.requests.len() - 1)
    });
    parts
}

fn root() -> Request {
    Request {
        id: "root".to_owned(),
        slot: ROOT,
        class: RequestClass::T1,
        when: Vec::new(),
        opt_in: None,
        permission: false,
        catch_all: false,
        dialogue: false,
    }
}

/// Compiles `when`; a second pass, because it may name later requests and identity groups.
pub(super) fn conditions(scribe: &mut Scribe<'_>, file: &File, parts: &mut Parts) {
    for entry in &file.request {
        let when: Vec<_> = entry.get().when.iter().filter_map(|p| predicate::one(scribe, p, parts)).collect();
        if let Some(Target::Request(at)) = parts.ids.get(entry.get().id.get()).copied()
            && let Some(request) = parts.requests.get_mut(at)
        {
            request.when = when;
        }
    }
}

fn one(
    scribe: &mut Scribe<'_>,
    file: &File,
    entry: &At<RequestEntry>,
    asks: &mut Vec<Ask>,
) -> Option<Request> {
    let at = entry.get();
    let class = match at.class {
        RequestClassWord::T1 => RequestClass::T1,
        RequestClassWord::T2 => RequestClass::T2,
        RequestClassWord::T3 => RequestClass::T3,
    };
    let what = match (&at.path, &at.dialogue) {
        (Some(path), None) => http(scribe, file, at, path, class)?,
        (None, Some(name)) => {
            let known: Vec<_> = scribe.known.dialogues.iter().map(|name| (*name, name)).collect();
            scribe.word("dialogue", name.get(), name.span(), &known)?;
            What::Dialogue(name.get().clone())
        }
        _ => {
            scribe.rule(entry.span(), "a request has either `path` or `dialogue`");
            return None;
        }
    };
    let dialogue = matches!(what, What::Dialogue(_));
    Some(Request {
        id: at.id.get().clone(),
        slot: share(asks, Ask { class, what }),
        class,
        when: Vec::new(),
        opt_in: at.opt_in.clone(),
        permission: at.permission,
        catch_all: at.catch_all,
        dialogue,
    })
}

fn http(
    scribe: &mut Scribe<'_>,
    file: &File,
    entry: &RequestEntry,
    path: &At<String>,
    class: RequestClass,
) -> Option<What> {
    let method = match entry.method.or(file.defaults.method).unwrap_or_default() {
        MethodWord::Get => Method::Get,
        MethodWord::Head => Method::Head,
        MethodWord::Post => Method::Post,
    };
    if (method == Method::Post) != (class == RequestClass::T3) {
        scribe.rule(path.span(), "`method = \"POST\"` and `class = \"T3\"` belong together");
        return None;
    }
    let body = entry.json_body.as_ref().map(|table| predicate::json(&toml::Value::Table(table.clone())));
    if body.is_some() && (method == Method::Head || class == RequestClass::T1) {
        scribe.rule(path.span(), "`json_body` belongs to T3, or to a T2 `GET`");
    }
    let opted_in = entry.opt_in.is_some();
    if let Some(reason) = deny::refusal(method.as_str(), path.get(), opted_in, body.as_ref()) {
        let request = format!("{} {}", method.as_str(), path.get());
        scribe.report(path.span(), Fault::Denied { request, reason });
        return None;
    }
    let ceiling = if class == RequestClass::T1 { BODY_BYTES_MAX_T1 } else { BODY_BYTES_MAX_T2 };
    let wanted = entry.max_body.or(file.defaults.max_body.map(|max| max.min(ceiling))).unwrap_or(ceiling);
    if wanted > ceiling || wanted == 0 {
        scribe.rule(path.span(), format!("`max_body` is 1 to {ceiling} for this class, not {wanted}"));
    }
    Some(What::Http {
        method,
        path: path.get().clone(),
        accept: entry.accept.clone().or(file.defaults.accept.clone()).unwrap_or(DEFAULT_ACCEPT.to_owned()),
        body: body.as_ref().map(Value::to_string),
        body_bytes_max: wanted,
    })
}

/// Finds the equal question, or adds it. Of two that differ only in class or cap, the larger is kept.
fn share(asks: &mut Vec<Ask>, ask: Ask) -> Slot {
    for (slot, known) in asks.iter_mut().enumerate() {
        if merge(&mut known.what, &ask.what) {
            // The canary and the root page stay what they are for everybody.
            known.class = if slot < 2 { known.class } else { known.class.max(ask.class) };
            return slot;
        }
    }
    asks.push(ask);
    asks.len() - 1
}

fn merge(known: &mut What, new: &What) -> bool {
    match (known, new) {
        (
            What::Http { method, path, accept, body, body_bytes_max },
            What::Http { method: m, path: p, accept: a, body: b, body_bytes_max: cap },
        ) if (*method, &*path, &*accept, &*body) == (*m, p, a, b) => {
            *body_bytes_max = (*body_bytes_max).max(*cap);
            true
        }
        (What::Dialogue(name), What::Dialogue(other)) => name == other,
        _ => false,
    }
}
