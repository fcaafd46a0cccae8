//! Products that let everybody in, or in with what everybody knows: the table is `data/logins.tsv`.

use std::{collections::HashSet, sync::LazyLock};

use nightlatch_credential::{Kind, detect};
use nightlatch_manifest::{Container, ContainerList, Node, Workload};

use super::product;
use crate::{Context, Found, Sink};

/// One row of the table.
struct Login {
    product: &'static str,
    /// Last part of the image repository; empty for any.
    image: &'static str,
    test: Test,
    means: &'static str,
}

enum Test {
    Is(&'static str, &'static str),
    Weak(&'static str),
    Unset(Vec<&'static str>),
    Word(&'static str),
    NoWord(Vec<&'static str>),
}

static LOGINS: LazyLock<Vec<Login>> = LazyLock::new(|| {
    let rows = include_str!("data/logins.tsv").lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| login(&row.split('\t').collect::<Vec<_>>())).collect()
});

fn login(row: &[&'static str]) -> Option<Login> {
    let [product, image, test, subject, means] = row else { return None };
    let test = match *test {
        "is" => subject.split_once('=').map(|(name, value)| Test::Is(name, value))?,
        "weak" => Test::Weak(subject),
        "unset" => Test::Unset(subject.split(',').collect()),
        "word" => Test::Word(subject),
        "no-word" => Test::NoWord(subject.split('|').collect()),
        _ => return None,
    };
    Some(Login { product, image, test, means })
}

/// What a test comes to.
enum Outcome<'a> {
    Holds,
    Broken(Node<'a>),
    Unknown,
}

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let ways = context.ways();
    let served: HashSet<usize> =
        ways.services.iter().flat_map(|service| service.workloads.iter().copied()).collect();
    let open: HashSet<usize> = ways.list.iter().filter_map(|way| way.workload).collect();
    for (index, workload) in context.workloads.iter().enumerate() {
        if !served.contains(&index) && !open.contains(&index) {
            continue;
        }
        for container in workload.containers().filter(|container| container.list != ContainerList::Init) {
            let Some(product) = product::of_container(&container) else { continue };
            judge(context, workload, &container, product, open.contains(&index), sink);
        }
    }
}

fn judge<'a>(
    context: &Context<'a>,
    workload: &Workload<'a>,
    container: &Container<'a>,
    product: &'static product::Product,
    is_open: bool,
    sink: &mut Sink<'a>,
) {
    let last = product::repository(container.image).rsplit('/').next().unwrap_or("");
    let rows =
        LOGINS.iter().filter(|row| row.product == product.id && (row.image.is_empty() || row.image == last));
    let (mut looked, mut unknown) = (false, false);
    for row in rows {
        looked = true;
        match outcome(container, &row.test) {
            Outcome::Holds => {}
            Outcome::Unknown => unknown = true,
            Outcome::Broken(node) => {
                let where_from = if is_open { "from outside" } else { "inside the cluster" };
                let message = format!("{} can be reached {where_from}, and {}", product.name, row.means);
                let subject = context.container_subject(workload, container);
                let found = Found::new(subject, node, message);
                sink.fail(if is_open { found.severity(nightlatch_finding::Severity::High) } else { found });
                return;
            }
        }
    }
    match (looked, unknown) {
        (true, true) => {
            sink.unknown("variables that come from a ConfigMap, a Secret or a file of configuration")
        }
        (true, false) => sink.pass(),
        (false, _) => {}
    }
}

fn outcome<'a>(container: &Container<'a>, test: &Test) -> Outcome<'a> {
    let has_sources = container.node.get("envFrom").is_some_and(|list| !list.is_empty());
    let image = container.node.get("image").unwrap_or(container.node);
    match test {
        Test::Is(name, bad) => match variable(container, name).and_then(|variable| variable.get_raw("value"))
        {
            Some(value) if value.text().eq_ignore_ascii_case(bad) => Outcome::Broken(value),
            _ => Outcome::Holds,
        },
        Test::Weak(name) => match variable(container, name).and_then(|variable| variable.get("value")) {
            Some(value)
                if detect(Some("password"), value.text())
                    .iter()
                    .any(|one| one.kind == Kind::WeakPassword) =>
            {
                Outcome::Broken(value)
            }
            _ => Outcome::Holds,
        },
        Test::Unset(names) if names.iter().any(|name| variable(container, name).is_some()) => Outcome::Holds,
        Test::Unset(_)
            if has_sources || mounts_configuration(container) || words(container).next().is_some() =>
        {
            Outcome::Unknown
        }
        Test::Unset(_) => Outcome::Broken(image),
        Test::Word(text) => {
            match words(container).chain(values(container)).find(|word| word.text().contains(text)) {
                Some(word) => Outcome::Broken(word),
                None => Outcome::Holds,
            }
        }
        Test::NoWord(texts)
            if words(container).any(|word| texts.iter().any(|text| word.text().contains(text))) =>
        {
            Outcome::Holds
        }
        Test::NoWord(_)
            if mounts_configuration(container)
                || words(container).any(|word| word.text().contains(".sh")) =>
        {
            Outcome::Unknown
        }
        Test::NoWord(_) => Outcome::Broken(image),
    }
}

fn variable<'a>(container: &Container<'a>, name: &str) -> Option<Node<'a>> {
    let mut variables = container.node.get("env").into_iter().flat_map(Node::items);
    variables.find(|variable| variable.get("name").is_some_and(|own| own.text() == name))
}

fn values<'a>(container: &Container<'a>) -> impl Iterator<Item = Node<'a>> + use<'a> {
    let variables = container.node.get("env").into_iter().flat_map(Node::items);
    variables.filter_map(|variable| variable.get("value"))
}

fn words<'a>(container: &Container<'a>) -> impl Iterator<Item = Node<'a>> + use<'a> {
    let node = container.node;
    ["command", "args"].into_iter().filter_map(move |key| node.get(key)).flat_map(Node::items)
}

/// Something is mounted where configuration is looked for; the data folders of databases are not.
fn mounts_configuration(container: &Container<'_>) -> bool {
    let mut mounts = container.node.get("volumeMounts").into_iter().flat_map(Node::items);
    mounts.any(|mount| {
        let path = mount.get("mountPath").map_or("", Node::text);
        path.starts_with("/etc")
            || path.contains("conf")
            || path.contains("secret")
            || path.contains("initdb")
            || path.contains("provisioning")
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_row_is_read() {
        let lines = include_str!("data/logins.tsv").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(super::LOGINS.len(), lines);
        for row in super::LOGINS.iter() {
            assert!(super::product::by_id(row.product).is_some(), "{}", row.product);
        }
    }
}
