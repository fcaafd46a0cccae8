//! Managed clusters, and what each provider's answer says about them.

use nightlatch_manifest::{Document, Kind, Node};

use super::{
    fields::{Fields, Seen},
    terraform::Resource,
};
use crate::{Found, Sink, Subject};

/// Whose cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Provider {
    /// Elastic Kubernetes Service.
    Eks,
    /// Google Kubernetes Engine.
    Gke,
    /// Azure Kubernetes Service.
    Aks,
}

/// One managed cluster, from an answer or a plan.
#[derive(Debug)]
pub(crate) struct Cluster<'a> {
    /// Whose.
    pub(crate) provider: Provider,
    /// What a finding is about.
    pub(crate) subject: Subject<'a>,
    /// Its fields.
    pub(crate) fields: Fields<'a>,
    /// True when it is a resource of Terraform, whose fields have other names.
    pub(crate) is_planned: bool,
    /// The resource, when it is one.
    pub(crate) key: Option<String>,
}

/// What one thing comes to.
#[derive(Debug)]
pub(crate) enum Judged<'a> {
    /// In order.
    Pass,
    /// Not to be seen.
    Unknown(&'static str),
    /// Broken.
    Fail(Box<Found<'a>>),
}

impl<'a> Judged<'a> {
    /// Broken.
    pub(crate) fn broken(found: Found<'a>) -> Self {
        Self::Fail(Box::new(found))
    }

    /// Says so.
    pub(crate) fn tell(self, sink: &mut Sink<'a>) {
        match self {
            Self::Pass => sink.pass(),
            Self::Unknown(why) => sink.unknown(why),
            Self::Fail(found) => sink.fail(*found),
        }
    }
}

impl<'a> Cluster<'a> {
    /// A field by its name in an answer and in a plan.
    pub(crate) fn get(&self, answer: &str, plan: &str) -> Seen<'a> {
        self.fields.get(if self.is_planned { plan } else { answer })
    }

    /// A finding at a field, or at the cluster when it has none.
    pub(crate) fn found(&self, seen: Seen<'a>, message: impl Into<crate::Words>) -> Found<'a> {
        Found::new(self.subject, seen.node().unwrap_or(self.fields.values), message)
    }

    /// A failure at a field.
    pub(crate) fn fail(&self, seen: Seen<'a>, message: impl Into<crate::Words>) -> Judged<'a> {
        Judged::broken(self.found(seen, message))
    }
}

/// The clusters of an answer: `aws eks describe-cluster`, `gcloud container clusters describe|list`, `az aks show|list`.
pub(super) fn from_answer(document: &Document) -> Vec<Cluster<'_>> {
    let root = document.root();
    let items: Vec<Node<'_>> = match root.kind() {
        Kind::Sequence => root.items().collect(),
        _ => root.get("clusters").map_or_else(|| vec![root], |list| list.items().collect()),
    };
    items.into_iter().filter_map(of_answer).collect()
}

fn of_answer(item: Node<'_>) -> Option<Cluster<'_>> {
    let own =
        item.get("cluster").filter(|cluster| cluster.get("resourcesVpcConfig").is_some()).unwrap_or(item);
    if own.get("apiVersion").is_some() {
        return None;
    }
    let has = |key: &str| own.get(key).is_some();
    let provider = if has("resourcesVpcConfig") {
        Provider::Eks
    } else if has("agentPoolProfiles") || own.at("properties.agentPoolProfiles").is_some() {
        Provider::Aks
    } else if has("currentMasterVersion") || (has("nodePools") && has("endpoint")) {
        Provider::Gke
    } else {
        return None;
    };
    let name = own.get("name").map_or("", Node::text);
    let values = own.get("properties").filter(|_| provider == Provider::Aks).unwrap_or(own);
    Some(Cluster {
        provider,
        subject: Subject::other(own, "Cluster", name),
        fields: Fields::of_answer(values),
        is_planned: false,
        key: None,
    })
}

/// The clusters of a plan.
pub(super) fn from_plan<'a>(resources: &[Resource<'a>]) -> Vec<Cluster<'a>> {
    resources
        .iter()
        .filter_map(|resource| {
            let provider = match resource.kind {
                "aws_eks_cluster" => Provider::Eks,
                "google_container_cluster" => Provider::Gke,
                "azurerm_kubernetes_cluster" => Provider::Aks,
                _ => return None,
            };
            Some(Cluster {
                provider,
                subject: Subject::other(resource.root, "Cluster", resource.address),
                fields: resource.fields,
                is_planned: true,
                key: Some(resource.key()),
            })
        })
        .collect()
}
