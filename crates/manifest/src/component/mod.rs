//! Command lines of the programs that make up a platform, wherever they stand.

mod command_line;
mod container;
mod environment;
mod etcd_file;
mod image;
mod k3s;
mod kubeadm;
mod process;
mod unit;

use std::fmt;

pub(crate) use self::k3s::k3s_argument;
use crate::{Container, Corpus, Document, Node, Object, Workload};

/// Which program.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ComponentKind {
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// etcd.
    Etcd,
    /// kubelet.
    Kubelet,
    /// kube-proxy.
    KubeProxy,
    /// dockerd.
    Docker,
    /// containerd.
    Containerd,
}

impl ComponentKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::ApiServer,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Etcd,
        Self::Kubelet,
        Self::KubeProxy,
        Self::Docker,
        Self::Containerd,
    ];

    /// The name of the program.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Etcd => "etcd",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Docker => "dockerd",
            Self::Containerd => "containerd",
        }
    }

    /// The program of a name, the short names of `hyperkube` included.
    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The program that a subcommand of `hyperkube` is.
    fn of_hyperkube(name: &str) -> Option<Self> {
        match name {
            "apiserver" => Some(Self::ApiServer),
            "controller-manager" => Some(Self::ControllerManager),
            "scheduler" => Some(Self::Scheduler),
            "proxy" => Some(Self::KubeProxy),
            _ => Self::of(name),
        }
    }
}

impl fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who put the platform together, as far as it shows.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Distribution {
    /// kubeadm.
    Kubeadm,
    /// k3s.
    K3s,
    /// RKE2.
    Rke2,
    /// Amazon EKS.
    Eks,
    /// Google GKE.
    Gke,
    /// Azure AKS.
    Aks,
    /// OpenShift.
    OpenShift,
    /// Not recognised.
    #[default]
    Unknown,
}

/// One flag of a command line.
#[derive(Clone, Debug)]
pub struct Flag<'a> {
    /// The name without dashes in front, `_` written as `-`.
    pub name: String,
    /// Its value; nothing for a bare flag, which for a boolean means true.
    pub value: Option<String>,
    /// Where it stands: the element of `args`, the line of a unit, the entry of a configuration.
    pub node: Node<'a>,
}

/// One program with its command line.
#[derive(Clone, Debug)]
pub struct Component<'a> {
    /// Which program.
    pub kind: ComponentKind,
    /// The Kubernetes object it is part of, when it is.
    pub object: Option<Object<'a>>,
    /// The container that runs it, when one does.
    pub container: Option<Container<'a>>,
    /// Where it stands: the container, the `ExecStart` of a unit, the entry of a process list, a configuration.
    pub at: Node<'a>,
    /// The list to which an argument can be appended; nothing where there is no such list.
    pub arguments: Option<Node<'a>>,
    /// Its flags, in order; those of the environment in front.
    pub flags: Vec<Flag<'a>>,
    /// The version that its image's tag tells.
    pub version: Option<String>,
    /// Who put it together.
    pub distribution: Distribution,
    /// True when every flag is known: no variable that cannot be resolved, no supervisor that adds its own.
    pub is_whole: bool,
}

impl<'a> Component<'a> {
    /// True when it is told by a configuration of kubeadm: flags without dashes in a mapping, or in a list of `name` and
    /// `value`; those that kubeadm gives itself stand at the component.
    pub fn is_of_kubeadm_file(&self) -> bool {
        self.distribution == Distribution::Kubeadm && self.container.is_none() && self.object.is_some()
    }

    /// The document it stands in.
    pub fn document(&self) -> &'a Document {
        self.at.document()
    }

    /// The last flag of a name, which is the one that counts.
    pub fn flag(&self, name: &str) -> Option<&Flag<'a>> {
        self.flags.iter().rev().find(|flag| flag.name == name)
    }

    /// The value of a flag: `true` for a bare one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.flag(name).map(|flag| flag.value.as_deref().unwrap_or("true"))
    }

    /// Every flag of a name, for flags that add up.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Flag<'a>> {
        self.flags.iter().filter(move |flag| flag.name == name)
    }
}

/// Every program that the corpus tells of, in order of place. `objects` and `workloads` are those of the corpus.
pub fn components<'a>(
    corpus: &'a Corpus,
    objects: &[Object<'a>],
    workloads: &[Workload<'a>],
) -> Vec<Component<'a>> {
    let mut found = container::components(workloads);
    found.extend(unit::components(corpus));
    found.extend(process::components(corpus));
    found.extend(k3s::components(corpus));
    found.extend(kubeadm::components(objects));
    etcd_file::apply(corpus, &mut found);
    found.sort_by_key(|component| {
        (component.document().source, component.document().index, component.at.span())
    });
    found
}

/// Words of a command as a shell splits them.
pub fn split_words(text: &str) -> Vec<String> {
    command_line::split(text)
}

/// The flags in options that stand without their program, such as `DOCKER_OPTS` of `/etc/default/docker`; each stands at
/// `node`.
pub fn option_flags<'a>(options: &str, node: Node<'a>) -> Vec<Flag<'a>> {
    let words: Vec<_> =
        split_words(options).into_iter().map(|text| command_line::Word { text, node }).collect();
    command_line::flags(&words).0
}

/// True for the name of a program whose flags are understood.
pub(crate) fn is_component_name(name: &str) -> bool {
    ComponentKind::of(name).is_some() || matches!(name, "hyperkube" | "k3s" | "rke2")
}

#[cfg(test)]
mod tests;
