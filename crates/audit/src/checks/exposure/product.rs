//! Which product a workload is, and which ports administer or hold data: two tables, `data/products.tsv` and
//! `data/ports.tsv`.

use std::{collections::HashMap, sync::LazyLock};

use nightlatch_manifest::{Container, Workload};

/// What a product is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sort {
    /// A console.
    Console,
    /// A database, queue or cache.
    Data,
    /// Something else that one does not publish.
    Infrastructure,
}

/// One product.
#[derive(Debug)]
pub(crate) struct Product {
    /// Identifier within the project.
    pub(crate) id: &'static str,
    /// Name for people.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) sort: Sort,
    images: Vec<&'static str>,
    labels: Vec<&'static str>,
    /// Ports it listens on by default.
    pub(crate) ports: Vec<u16>,
}

/// One row of the table of ports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AdminPort {
    /// What usually listens there.
    pub(crate) what: &'static str,
    /// The port by itself is evidence; else only with a product that listens there.
    pub(crate) alone: bool,
}

/// What spoke for a product.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Evidence {
    /// The repository of an image.
    Image,
    /// A label of the pods.
    Label,
}

/// Labels that name what runs in a pod.
const NAMING_LABELS: [&str; 4] = ["app.kubernetes.io/name", "app", "k8s-app", "name"];

static PRODUCTS: LazyLock<Vec<Product>> =
    LazyLock::new(|| rows(include_str!("data/products.tsv")).filter_map(product).collect());

/// Products by the last part of an image repository.
static BY_IMAGE: LazyLock<HashMap<&str, Vec<&Product>>> = LazyLock::new(|| {
    let mut found: HashMap<&str, Vec<&Product>> = HashMap::new();
    for product in PRODUCTS.iter() {
        for image in &product.images {
            found.entry(image.rsplit('/').next().unwrap_or(image)).or_default().push(product);
        }
    }
    found
});

static PORTS: LazyLock<Vec<(u16, u16, AdminPort)>> =
    LazyLock::new(|| rows(include_str!("data/ports.tsv")).filter_map(port).collect());

fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

fn product(row: Vec<&'static str>) -> Option<Product> {
    let [id, name, sort, images, labels, ports] = row.as_slice() else { return None };
    let words = |list: &'static str| list.split(',').filter(|word| !word.is_empty()).collect::<Vec<_>>();
    let sort = match *sort {
        "ui" => Sort::Console,
        "data" => Sort::Data,
        "infra" => Sort::Infrastructure,
        _ => return None,
    };
    let ports = words(ports).iter().filter_map(|port| port.parse().ok()).collect();
    Some(Product { id, name, sort, images: words(images), labels: words(labels), ports })
}

fn port(row: Vec<&'static str>) -> Option<(u16, u16, AdminPort)> {
    let [range, what, evidence] = row.as_slice() else { return None };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some((first.parse().ok()?, last.parse().ok()?, AdminPort { what, alone: *evidence == "alone" }))
}

/// The row of a port, when it administers or holds data.
pub(crate) fn admin_port(port: u16) -> Option<AdminPort> {
    PORTS.iter().find(|(first, last, _)| (*first..=*last).contains(&port)).map(|(_, _, row)| *row)
}

/// The ports of data services, without those that many other things listen on.
pub(crate) fn data_ports() -> impl Iterator<Item = u16> {
    let data = PRODUCTS.iter().filter(|product| product.sort == Sort::Data);
    data.flat_map(|product| product.ports.iter().copied())
        .filter(|port| admin_port(*port).is_none_or(|row| row.alone))
}

/// The repository of an image reference: no tag, no digest.
///
/// Source: the reference grammar of the OCI distribution specification.
pub(crate) fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

/// The tag of an image reference, when it has one.
pub(crate) fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next().unwrap_or(image);
    name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))
}

/// The product of an image.
pub(crate) fn of_image(image: &str) -> Option<&'static Product> {
    let repository = repository(image);
    let last = repository.rsplit('/').next().unwrap_or(repository);
    let fits = |pattern: &&str| {
        repository == *pattern
            || repository.strip_suffix(*pattern).is_some_and(|before| before.ends_with('/'))
    };
    let candidates = BY_IMAGE.get(last)?;
    // The longest pattern: `hashicorp/vault` before `vault`.
    let best =
        |product: &&&Product| product.images.iter().copied().filter(fits).map(str::len).max().unwrap_or(0);
    candidates.iter().filter(|product| best(product) > 0).max_by_key(best).copied()
}

/// The product that a label value names.
fn of_label(value: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.labels.contains(&value))
}

/// The product of an identifier.
#[cfg(test)]
pub(crate) fn by_id(id: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}

/// True when a name is that of a product, as people name Services after what is behind them.
pub(crate) fn of_name(name: &str) -> bool {
    of_label(name).is_some() || of_image(name).is_some()
}

/// The product of one container.
pub(crate) fn of_container(container: &Container<'_>) -> Option<&'static Product> {
    of_image(container.image)
}

/// The product of a workload: by the image of any of its containers that run for long, else by the labels of its pods.
pub(crate) fn of_workload(workload: &Workload<'_>) -> Option<(&'static Product, Evidence)> {
    use nightlatch_manifest::ContainerList;
    let mut running = workload.containers().filter(|container| container.list != ContainerList::Init);
    if let Some(product) = running.find_map(|container| of_image(container.image)) {
        return Some((product, Evidence::Image));
    }
    let labels: Vec<(&str, &str)> = workload.pod_labels().collect();
    let named = NAMING_LABELS.iter().find_map(|key| labels.iter().find(|(own, _)| own == key));
    named.and_then(|(_, value)| of_label(value)).map(|product| (product, Evidence::Label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_read() {
        let lines = |table: &str| table.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(PRODUCTS.len(), lines(include_str!("data/products.tsv")));
        assert_eq!(PORTS.len(), lines(include_str!("data/ports.tsv")));
    }

    #[test]
    fn images_match_whole_parts() {
        let id = |image| of_image(image).map(|product| product.id);
        let cases = [
            ("redis", Some("redis")),
            ("docker.io/bitnami/redis:7.2@sha256:abc", Some("redis")),
            ("oliver006/redis_exporter:v1", None),
            ("redis-exporter", None),
            ("registry.example:5000/hashicorp/vault:1.2", Some("vault")),
            ("kubernetesui/dashboard:v2.7.0", Some("kubernetes-dashboard")),
            ("acme/dashboard:1", None),
            ("weaveworks/scope:1.13", Some("weave-scope")),
            ("quay.io/argoproj/argocd:v2.9", Some("argocd")),
            ("registry:2", Some("registry")),
            ("", None),
        ];
        for (image, expected) in cases {
            assert_eq!(id(image), expected, "{image}");
        }
    }

    #[test]
    fn ports() {
        assert!(admin_port(2380).is_some_and(|row| row.alone));
        assert!(admin_port(8080).is_some_and(|row| !row.alone));
        assert_eq!(admin_port(80), None);
    }
}
