//! Which resources there are: built in, and defined in the input.

use std::collections::HashMap;

use nightlatch_manifest::{Corpus, Node, Object};

const DATA: &str = include_str!("../data/resources.tsv");

/// One kind of object as the API serves it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resource {
    /// The API group; empty is core.
    pub group: String,
    /// The plural name, as rules write it.
    pub name: String,
    /// The kind.
    pub kind: String,
    /// The singular name.
    pub singular: String,
    /// Short names.
    pub short: Vec<String>,
    /// Whether its objects stand in namespaces.
    pub is_namespaced: bool,
    /// The verbs that it serves, in alphabetical order.
    pub verbs: Vec<String>,
    /// Its subresources with their verbs.
    pub subresources: Vec<(String, Vec<String>)>,
    /// Defined in the input, not built in.
    pub is_custom: bool,
}

/// All known resources.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    all: Vec<Resource>,
    by_word: HashMap<String, Vec<usize>>,
}

impl Resources {
    /// The built-in ones of Kubernetes 1.20 to 1.36.
    pub fn built_in() -> Self {
        let mut resources = Self::default();
        for line in DATA.lines() {
            if let [group, name, kind, singular, short, reach, verbs, subs] =
                line.split('\t').collect::<Vec<_>>().as_slice()
            {
                let words = |list: &str| -> Vec<String> {
                    list.split(',').filter(|word| *word != "-").map(str::to_owned).collect()
                };
                let sub =
                    |text: &str| text.split_once('=').map(|(name, verbs)| (name.to_owned(), words(verbs)));
                resources.add(Resource {
                    group: if *group == "core" { String::new() } else { (*group).to_owned() },
                    name: (*name).to_owned(),
                    kind: (*kind).to_owned(),
                    singular: (*singular).to_owned(),
                    short: words(short),
                    is_namespaced: *reach == "n",
                    verbs: words(verbs),
                    subresources: subs.split(';').filter_map(sub).collect(),
                    is_custom: false,
                });
            }
        }
        resources
    }

    /// The built-in ones and those that the corpus defines.
    pub fn of(corpus: &Corpus) -> Self {
        let mut resources = Self::built_in();
        for object in corpus.objects().filter(|object| object.kind == "CustomResourceDefinition") {
            if let Some(resource) = custom(&object) {
                resources.add(resource);
            }
        }
        resources
    }

    fn add(&mut self, resource: Resource) {
        let at = self.all.len();
        let mut words =
            vec![resource.name.clone(), resource.singular.clone(), resource.kind.to_ascii_lowercase()];
        words.extend(resource.short.iter().cloned());
        words.sort();
        words.dedup();
        for word in words {
            self.by_word.entry(word).or_default().push(at);
        }
        self.all.push(resource);
    }

    /// All of them; the core group first.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.all.iter()
    }

    /// The resource of a plural name in a group.
    pub fn get(&self, group: &str, name: &str) -> Option<&Resource> {
        self.named(name).find(|own| own.group == group && own.name == name)
    }

    /// The resource that people mean by a word: plural, singular, short or kind, in any case, with the group (and
    /// version) behind a dot or not. Of several the core group's, then a built-in one, then the first.
    pub fn meant(&self, word: &str) -> Option<&Resource> {
        let word = word.to_ascii_lowercase();
        if let Some(found) = self.named(&word).next() {
            return Some(found);
        }
        let (name, rest) = word.split_once('.')?;
        let group_after_version = rest.split_once('.').map(|(_, group)| group);
        self.named(name).find(|own| own.group == rest || Some(own.group.as_str()) == group_after_version)
    }

    /// The known word nearest to one that is not known.
    pub fn nearest(&self, word: &str) -> Option<&str> {
        let word = word.to_ascii_lowercase();
        let near = |own: &Resource| distance(&own.name, &word).min(distance(&own.singular, &word));
        let best = self.all.iter().map(|own| (near(own), own)).min_by_key(|(distance, _)| *distance)?;
        (best.0 <= 2 && best.0 < word.chars().count()).then_some(best.1.name.as_str())
    }

    fn named(&self, word: &str) -> impl Iterator<Item = &Resource> {
        self.by_word.get(word).into_iter().flatten().filter_map(|&at| self.all.get(at))
    }
}

fn custom(object: &Object<'_>) -> Option<Resource> {
    let spec = object.spec()?;
    let word = |path: &str| spec.at(path).map_or("", Node::text).to_owned();
    let subresources = |node: Node<'_>| -> Vec<String> {
        node.get("subresources")
            .into_iter()
            .flat_map(Node::entries)
            .map(|(key, _)| key.text().to_owned())
            .collect()
    };
    let mut subs = subresources(spec);
    for version in spec.get("versions").into_iter().flat_map(Node::items) {
        subs.extend(subresources(version));
    }
    subs.sort();
    subs.dedup();
    let (name, kind, singular) = (word("names.plural"), word("names.kind"), word("names.singular"));
    let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let verbs_of = |of: &[&str]| of.iter().map(|verb| (*verb).to_owned()).collect::<Vec<_>>();
    (!name.is_empty()).then(|| Resource {
        group: word("group"),
        singular: if singular.is_empty() { kind.to_ascii_lowercase() } else { singular },
        name,
        kind,
        short: spec
            .at("names.shortNames")
            .into_iter()
            .flat_map(Node::items)
            .map(|node| node.text().to_owned())
            .collect(),
        is_namespaced: word("scope") != "Cluster",
        verbs: verbs_of(&verbs),
        subresources: subs.into_iter().map(|sub| (sub, verbs_of(&["get", "patch", "update"]))).collect(),
        is_custom: true,
    })
}

/// Edits between two words, swaps of neighbours counted once; words longer than 64 characters are far from all.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().max(b.len()) > 64 {
        return usize::MAX;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(x != y)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && *x == b[j - 1] {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_say_resources_in_many_ways() {
        let resources = Resources::built_in();
        let check = |word: &str, group: &str, name: &str| {
            let found = resources.meant(word).map(|own| (own.group.as_str(), own.name.as_str()));
            assert_eq!(found, Some((group, name)), "{word}");
        };
        check("po", "", "pods");
        check("Pod", "", "pods");
        check("deploy", "apps", "deployments");
        check("deployments.apps", "apps", "deployments");
        check("deployments.v1.apps", "apps", "deployments");
        check("ev", "", "events");
        check("events.events.k8s.io", "events.k8s.io", "events");
        check("csr", "certificates.k8s.io", "certificatesigningrequests");
        check("users", "", "users");
        assert!(resources.meant("podz").is_none());
        assert_eq!(resources.nearest("podz"), Some("pods"));
        assert_eq!(resources.nearest("widgets"), None);
        assert!(resources.iter().count() > 60);
    }
}
