//! Everything of the cloud that a corpus shows.

use nightlatch_manifest::{Corpus, Document, Format, Kind};

use super::{
    aws, azure, cloudformation,
    cluster::{self, Cluster},
    gcp,
    model::Firewall,
    terraform::{self, Resource},
};

/// Firewalls and managed clusters of all answers and plans of a corpus.
#[derive(Debug, Default)]
pub(crate) struct Estate<'a> {
    /// Security groups, network ACLs, networks with firewall rules, network security groups.
    pub(crate) firewalls: Vec<Firewall<'a>>,
    /// Managed clusters.
    pub(crate) clusters: Vec<Cluster<'a>>,
    /// All resources of each plan or state.
    pub(crate) plans: Vec<Vec<Resource<'a>>>,
    /// Documents that are answers of a provider's command line client.
    pub(crate) answers: Vec<&'a Document>,
}

impl<'a> Estate<'a> {
    /// Looks over a corpus.
    pub(crate) fn new(corpus: &'a Corpus) -> Self {
        let mut estate = Self::default();
        for document in corpus.documents.iter().filter(|document| is_candidate(document)) {
            let resources = terraform::resources(document);
            if resources.is_empty() {
                estate.answer(document);
            } else {
                estate.firewalls.extend(aws::from_plan(&resources));
                estate.firewalls.extend(gcp::from_plan(&resources));
                estate.firewalls.extend(azure::from_plan(&resources));
                estate.clusters.extend(cluster::from_plan(&resources));
                estate.plans.push(resources);
            }
        }
        for firewall in &mut estate.firewalls {
            firewall.work_out();
        }
        estate
    }

    fn answer(&mut self, document: &'a Document) {
        self.firewalls.extend(aws::from_answer(document));
        self.firewalls.extend(gcp::from_answer(document));
        self.firewalls.extend(azure::from_answer(document));
        self.firewalls.extend(cloudformation::from_template(document));
        self.clusters.extend(cluster::from_answer(document));
        self.answers.push(document);
    }

    /// The resources of all plans.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Resource<'a>> {
        self.plans.iter().flatten()
    }
}

/// Answers and plans are JSON or YAML, and no Kubernetes object.
fn is_candidate(document: &Document) -> bool {
    let root = document.root();
    matches!(document.format, Format::Json | Format::Yaml)
        && match root.kind() {
            Kind::Mapping => root.get_raw("apiVersion").is_none(),
            Kind::Sequence => root.items().next().is_some_and(|first| first.kind() == Kind::Mapping),
            _ => false,
        }
}
