//! The smallest roles that allow what an audit log shows.

mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{Rule, Subject, merge::merge, user};

/// What to leave out and how far to generalise.
#[derive(Clone, Copy, Debug)]
pub struct SuggestOptions {
    /// Most names that are listed for one resource; with more the rule is for all names.
    pub names_max: usize,
    /// Whether requests that were refused count too.
    pub denied: bool,
}

impl Default for SuggestOptions {
    fn default() -> Self {
        Self { names_max: 8, denied: false }
    }
}

/// Collects what an audit log shows, line by line.
#[derive(Debug, Default)]
pub struct Suggestion {
    options: SuggestOptions,
    only: Option<BTreeSet<String>>,
    used: BTreeMap<String, BTreeSet<Use>>,
    count: usize,
    read: u64,
    skipped: u64,
    is_cut: bool,
}

/// One right that was used.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Use {
    namespace: String,
    verb: String,
    group: String,
    resource: String,
    name: String,
    path: String,
}

/// A line that is no event.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Not JSON, or not of the shape of an event.
    #[error("not an event of an audit log")]
    Shape(#[source] serde_json::Error),
    /// JSON of something else.
    #[error("not an event: expected `kind: Event` of audit.k8s.io")]
    Kind,
}

/// Single rights that are kept; more are cut, and said.
const USES_MAX: usize = 1_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    items: Vec<Event>,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    verb: String,
    #[serde(default, rename = "requestURI")]
    request_uri: String,
    user: Option<Who>,
    impersonated_user: Option<Who>,
    object_ref: Option<Reference>,
    response_status: Option<Status>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Who {
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    api_group: String,
    #[serde(default)]
    subresource: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u32,
}

impl Suggestion {
    /// - `only`: the user names that are of interest; nothing for all.
    pub fn new(options: SuggestOptions, only: Option<BTreeSet<String>>) -> Self {
        Self { options, only, ..Self::default() }
    }

    /// Takes one line of the log: an event, or a list of events. Empty lines are nothing.
    ///
    /// # Errors
    /// [`LineError`] when it is neither; what was collected so far stays.
    pub fn line(&mut self, line: &[u8]) -> Result<(), LineError> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let event: Event = serde_json::from_slice(line).map_err(LineError::Shape)?;
        match event.kind.as_str() {
            "Event" => self.event(&event),
            "EventList" => event.items.iter().for_each(|event| self.event(event)),
            _ => return Err(LineError::Kind),
        }
        Ok(())
    }

    fn event(&mut self, event: &Event) {
        self.read += 1;
        let decision = event.annotations.as_ref().and_then(|all| all.get("authorization.k8s.io/decision"));
        let was_refused = decision.map_or(
            event.response_status.as_ref().is_some_and(|status| matches!(status.code, 401 | 403)),
            |decision| decision != "allow",
        );
        // Other stages of the same request say the same again.
        if event.stage == "RequestReceived" || (was_refused && !self.options.denied) {
            self.skipped += 1;
            return;
        }
        let Some(user) = event.user.as_ref() else { return };
        if let Some(other) = &event.impersonated_user {
            self.impersonation(&user.username, other);
        }
        let who = event.impersonated_user.as_ref().unwrap_or(user).username.clone();
        let used = match event.object_ref.as_ref().filter(|reference| !reference.resource.is_empty()) {
            Some(reference) => Use {
                namespace: reference.namespace.clone(),
                verb: event.verb.clone(),
                group: reference.api_group.clone(),
                resource: match reference.subresource.as_str() {
                    "" => reference.resource.clone(),
                    sub => format!("{}/{sub}", reference.resource),
                },
                // The server learns the name of what is created only from its body: a rule cannot ask for it.
                name: match (event.verb.as_str(), reference.subresource.as_str()) {
                    ("create", "") | ("deletecollection", _) => String::new(),
                    _ => reference.name.clone(),
                },
                path: String::new(),
            },
            None => Use {
                namespace: String::new(),
                verb: event.verb.clone(),
                group: String::new(),
                resource: String::new(),
                name: String::new(),
                path: event.request_uri.split('?').next().unwrap_or_default().to_owned(),
            },
        };
        self.used(who, used);
    }

    fn impersonation(&mut self, who: &str, other: &Who) {
        let used = |namespace: &str, resource: &str, name: &str| Use {
            namespace: namespace.to_owned(),
            verb: "impersonate".to_owned(),
            group: String::new(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            path: String::new(),
        };
        match user::account_of(&other.username) {
            Some((namespace, name)) => self.used(who.to_owned(), used(namespace, "serviceaccounts", name)),
            None => self.used(who.to_owned(), used("", "users", &other.username)),
        }
        // Groups that the server adds by itself need no right.
        for group in other.groups.iter().filter(|group| !group.starts_with("system:")) {
            self.used(who.to_owned(), used("", "groups", group));
        }
    }

    fn used(&mut self, who: String, used: Use) {
        if who.is_empty()
            || used.verb.is_empty()
            || self.only.as_ref().is_some_and(|only| !only.contains(&who))
        {
            return;
        }
        if self.count >= USES_MAX {
            self.is_cut = true;
            return;
        }
        self.count += usize::from(self.used.entry(who).or_default().insert(used));
    }

    /// Events that were read.
    pub fn events(&self) -> u64 {
        self.read
    }

    /// Events that do not count: refused, or an earlier stage of a request.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// True when there were so many different rights that some were left out.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The roles: for each user its rules by namespace (the empty one for the whole cluster), merged.
    pub fn roles(&self) -> Vec<(Subject, BTreeMap<String, Vec<Rule>>)> {
        let rules = |uses: &BTreeSet<Use>| {
            let mut by_scope: BTreeMap<String, Vec<&Use>> = BTreeMap::new();
            for used in uses {
                by_scope.entry(used.namespace.clone()).or_default().push(used);
            }
            by_scope.into_iter().map(|(scope, uses)| (scope, self.rules(&uses))).collect()
        };
        self.used.iter().map(|(name, uses)| (Subject::user(name).normal(), rules(uses))).collect()
    }

    fn rules(&self, uses: &[&Use]) -> Vec<Rule> {
        let mut by_right: BTreeMap<(&str, &str, &str, &str), BTreeSet<&str>> = BTreeMap::new();
        for used in uses {
            let right = (used.verb.as_str(), used.group.as_str(), used.resource.as_str(), used.path.as_str());
            by_right.entry(right).or_default().insert(&used.name);
        }
        let mut rights = Vec::new();
        for ((verb, group, resource, path), names) in by_right {
            // One request without a name needs the right to all names.
            let is_free = names.contains("") || names.len() > self.options.names_max;
            let word = |word: &str| vec![word.to_owned()];
            let right = match path {
                "" => Rule {
                    verbs: word(verb),
                    groups: word(group),
                    resources: word(resource),
                    ..Rule::default()
                },
                path => Rule { verbs: word(verb), paths: word(path), ..Rule::default() },
            };
            match is_free {
                true => rights.push(right),
                false => rights.extend(names.iter().map(|name| Rule { names: word(name), ..right.clone() })),
            }
        }
        merge(&rights)
    }

    /// The roles and bindings as a manifest.
    pub fn yaml(&self) -> String {
        yaml::manifest(&self.roles())
    }
}
