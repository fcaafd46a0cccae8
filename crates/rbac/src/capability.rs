//! What is dangerous to hold: capabilities, each a few verbs on a few resources.

use crate::{Attributes, Role, Rule};

/// Verbs, API group, resources: any verb on any of the resources is the capability.
type Right = (&'static [&'static str], &'static str, &'static [&'static str]);

macro_rules! capabilities {
    ($( $(#[doc = $doc:literal])* $name:ident $reach:ident [ $( $right:expr ),* $(,)? ] ),* $(,)?) => {
        /// Something dangerous that a rule can give.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum Capability { $( $(#[doc = $doc])* $name ),* }

        impl Capability {
            /// All of them.
            pub const ALL: &'static [Self] = &[ $( Self::$name ),* ];

            /// The rights that are it.
            pub const fn rights(self) -> &'static [Right] {
                match self { $( Self::$name => &[ $( $right ),* ] ),* }
            }

            /// True when its resources belong to no namespace, so that a RoleBinding never gives it.
            pub const fn is_cluster_only(self) -> bool {
                match self { $( Self::$name => reach!($reach) ),* }
            }
        }
    };
}

macro_rules! reach {
    (cluster) => {
        true
    };
    (anywhere) => {
        false
    };
}

const CHANGE: &[&str] = &["update", "patch"];
const WRITE: &[&str] = &["create", "update", "patch"];
const WRITE_OR_DELETE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const READ: &[&str] = &["get", "list", "watch"];
const DELETE: &[&str] = &["delete", "deletecollection"];
const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const CSR: &str = "certificates.k8s.io";
const CORE_WORKLOADS: &[&str] = &["pods", "replicationcontrollers", "podtemplates"];
const CORE_CONTROLLERS: &[&str] = &["replicationcontrollers"];
const APPS: &[&str] = &["deployments", "daemonsets", "statefulsets", "replicasets"];
const BATCH: &[&str] = &["jobs", "cronjobs"];

capabilities! {
    /// Reads secrets.
    ReadSecrets anywhere [(READ, "", &["secrets"])],
    /// Makes secrets.
    CreateSecrets anywhere [(&["create"], "", &["secrets"])],
    /// Starts pods, itself or by a controller.
    CreateWorkloads anywhere [(&["create"], "", CORE_WORKLOADS), (&["create"], "apps", APPS), (&["create"], "batch", BATCH)],
    /// Changes pods or controllers of pods.
    ModifyWorkloads anywhere [(CHANGE, "", CORE_WORKLOADS), (CHANGE, "apps", APPS), (CHANGE, "batch", BATCH)],
    /// Changes controllers of pods, and with them the account that the pods run as.
    ModifyControllers anywhere [(CHANGE, "", CORE_CONTROLLERS), (CHANGE, "apps", APPS), (CHANGE, "batch", BATCH)],
    /// Changes only how many pods there are, or what is reported of them.
    ScaleWorkloads anywhere [
        (CHANGE, "", &["replicationcontrollers/scale", "replicationcontrollers/status", "pods/status"]),
        (CHANGE, "apps", &["deployments/scale", "statefulsets/scale", "replicasets/scale", "deployments/status", "daemonsets/status", "statefulsets/status", "replicasets/status"]),
        (CHANGE, "batch", &["jobs/status", "cronjobs/status"]),
    ],
    /// Runs commands in containers.
    Exec anywhere [(&["create"], "", &["pods/exec", "pods/attach"])],
    /// Runs commands in containers where a websocket GET is enough, which is before 1.35.
    ExecByGet anywhere [(&["get"], "", &["pods/exec", "pods/attach"])],
    /// Puts a container of its own into a running pod.
    EphemeralContainers anywhere [(CHANGE, "", &["pods/ephemeralcontainers"])],
    /// Reaches any port of a pod or service, past network policies.
    PortForward anywhere [
        (&["create", "get"], "", &["pods/portforward"]),
        (&["create", "get"], "", &["pods/proxy", "services/proxy"]),
    ],
    /// Writes rules into roles that it does not hold itself.
    EscalateRoles anywhere [(&["escalate"], RBAC, &["roles"])],
    /// The same for roles of the cluster.
    EscalateClusterRoles anywhere [(&["escalate"], RBAC, &["clusterroles"])],
    /// Binds roles whose rules it does not hold itself.
    BindRoles anywhere [(&["bind"], RBAC, &["roles"])],
    /// The same for roles of the cluster.
    BindClusterRoles anywhere [(&["bind"], RBAC, &["clusterroles"])],
    /// Writes roles of a namespace.
    WriteRoles anywhere [(WRITE_OR_DELETE, RBAC, &["roles"])],
    /// Changes roles of a namespace.
    ChangeRoles anywhere [(CHANGE, RBAC, &["roles"])],
    /// Writes roles of the cluster.
    WriteClusterRoles cluster [(WRITE_OR_DELETE, RBAC, &["clusterroles"])],
    /// Changes roles of the cluster.
    ChangeClusterRoles cluster [(CHANGE, RBAC, &["clusterroles"])],
    /// Writes bindings in a namespace.
    WriteBindings anywhere [(WRITE_OR_DELETE, RBAC, &["rolebindings"])],
    /// Makes or changes bindings in a namespace.
    MakeBindings anywhere [(WRITE, RBAC, &["rolebindings"])],
    /// Writes bindings of the cluster.
    WriteClusterBindings cluster [(WRITE_OR_DELETE, RBAC, &["clusterrolebindings"])],
    /// Makes or changes bindings of the cluster.
    MakeClusterBindings cluster [(WRITE, RBAC, &["clusterrolebindings"])],
    /// Acts as any user.
    ImpersonateUsers cluster [(&["impersonate"], "", &["users"])],
    /// Acts as a member of any group.
    ImpersonateGroups cluster [(&["impersonate"], "", &["groups"])],
    /// Acts as service accounts.
    ImpersonateAccounts anywhere [(&["impersonate"], "", &["serviceaccounts"])],
    /// Acts with any extra value or identifier that an authoriser may look at.
    ImpersonateExtras cluster [(&["impersonate"], "authentication.k8s.io", &["uids", "userextras", "userextras/scopes"])],
    /// Reaches the kubelet's whole interface, which runs commands in every container.
    NodesProxy cluster [(&["get", "list", "watch", "create", "update", "patch", "delete"], "", &["nodes/proxy"])],
    /// Asks for certificates.
    CreateRequests cluster [(&["create"], CSR, &["certificatesigningrequests"])],
    /// Sets the approval of requests for certificates; the signer has to be approved too.
    ApproveRequests cluster [(CHANGE, CSR, &["certificatesigningrequests/approval"])],
    /// Writes certificates into requests; the signer has to be allowed too.
    WriteRequestStatus cluster [(CHANGE, CSR, &["certificatesigningrequests/status"])],
    /// Approves for signers.
    ApproveSigners cluster [(&["approve"], CSR, &["signers"])],
    /// Signs for signers.
    SignSigners cluster [(&["sign"], CSR, &["signers"])],
    /// Changes what is asked before objects are stored.
    WriteWebhooks cluster [
        (WRITE, ADMISSION, &["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]),
        (WRITE, ADMISSION, &["validatingadmissionpolicies", "validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings"]),
    ],
    /// Changes objects as they are stored.
    WriteMutatingWebhooks cluster [(WRITE, ADMISSION, &["mutatingwebhookconfigurations", "mutatingadmissionpolicies"])],
    /// Makes tokens of service accounts.
    CreateTokens anywhere [(&["create"], "", &["serviceaccounts/token"])],
    /// Makes volumes, which can be paths of a node.
    CreateVolumes cluster [(&["create"], "", &["persistentvolumes"])],
    /// Changes configuration that system components read.
    WriteConfigMaps anywhere [(CHANGE, "", &["configmaps"])],
    /// Changes or removes nodes.
    WriteNodes cluster [(&["update", "patch", "delete", "deletecollection"], "", &["nodes", "nodes/status"])],
    /// Changes nodes, so that no pod goes to them.
    ChangeNodes cluster [(CHANGE, "", &["nodes", "nodes/status"])],
    /// Makes pods go away.
    RemovePods anywhere [(DELETE, "", &["pods"]), (&["create"], "", &["pods/eviction"]), (CHANGE, "", &["pods/status"])],
    /// Deletes much that cannot be made again.
    DeleteBroadly anywhere [
        (DELETE, "", &["pods", "replicationcontrollers", "secrets", "persistentvolumeclaims", "namespaces"]),
        (DELETE, "apps", APPS), (DELETE, "batch", BATCH),
    ],
    /// Deletes events.
    DeleteEvents anywhere [(DELETE, "", &["events"]), (DELETE, "events.k8s.io", &["events"]), (&["delete", "update"], "", &["pods/log"])],
    /// Changes where traffic goes.
    WriteNetwork anywhere [
        (WRITE_OR_DELETE, "", &["services", "endpoints"]),
        (WRITE_OR_DELETE, "discovery.k8s.io", &["endpointslices"]),
        (WRITE_OR_DELETE, "networking.k8s.io", &["networkpolicies", "ingresses"]),
        (WRITE_OR_DELETE, "gateway.networking.k8s.io", &["gateways", "httproutes", "tcproutes", "tlsroutes", "grpcroutes"]),
    ],
    /// Sets the address that a service claims to have.
    ServiceStatus anywhere [(CHANGE, "", &["services/status"])],
    /// Changes what kinds of object there are, or who serves them.
    WriteDefinitions cluster [
        (WRITE, "apiextensions.k8s.io", &["customresourcedefinitions"]),
        (WRITE, "apiregistration.k8s.io", &["apiservices"]),
        (WRITE_OR_DELETE, "templates.gatekeeper.sh", &["constrainttemplates"]),
        (WRITE_OR_DELETE, "kyverno.io", &["clusterpolicies", "policyexceptions", "policies"]),
    ],
    /// Changes namespaces, and with them the level of pods that they admit.
    ChangeNamespaces anywhere [(CHANGE, "", &["namespaces"])],
}

const _: () = assert!(Capability::ALL.len() <= 64, "a set of capabilities is one word");

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Those that a RoleBinding never gives.
    pub fn cluster_only() -> Self {
        Self(Capability::ALL.iter().filter(|own| own.is_cluster_only()).fold(0, |set, own| set | own.bit()))
    }

    /// Whether a capability is in it.
    pub fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True when there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The capabilities in it.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |&own| self.has(own))
    }
}

impl Capability {
    const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// The part of a rule that gives it: stars as written, and of lists only what it is about.
    pub fn part_of(self, rule: &Rule) -> Rule {
        let mut part = Rule { names: rule.names.clone(), at: rule.at, ..Rule::default() };
        let mut add = |list: fn(&mut Rule) -> &mut Vec<String>, word: &str, own: &[String]| {
            let is_written = own.iter().any(|own| own == word);
            let shown = if is_written { word } else { "*" };
            let list = list(&mut part);
            if (is_written || own.iter().any(|own| own == "*")) && !list.iter().any(|own| own == shown) {
                list.push(shown.to_owned());
            }
        };
        for (verbs, group, resources) in self.rights() {
            let matching = |verb: &&&str| {
                resources
                    .iter()
                    .any(|resource| rule.allows_any_name(&Attributes::resource(verb, group, resource, "")))
            };
            let verbs: Vec<&&str> = verbs.iter().filter(matching).collect();
            let Some(first) = verbs.first() else { continue };
            verbs.iter().for_each(|verb| add(|part| &mut part.verbs, verb, &rule.verbs));
            add(|part| &mut part.groups, group, &rule.groups);
            for resource in resources.iter() {
                if !rule.allows_any_name(&Attributes::resource(first, group, resource, "")) {
                    continue;
                }
                let any_sub = resource.split_once('/').map(|(_, sub)| format!("*/{sub}"));
                match any_sub.filter(|any| rule.resources.contains(any)) {
                    Some(any) => add(|part| &mut part.resources, &any, &rule.resources),
                    None => add(|part| &mut part.resources, resource, &rule.resources),
                }
            }
        }
        part
    }

    /// Whether a rule gives it, and how.
    pub fn in_rule(self, rule: &Rule) -> Held {
        let gives = |(verbs, group, resources): &Right| {
            verbs.iter().any(|verb| {
                // A request to create something has no name, so a rule limited to names never allows it; a
                // subresource is of something that has one.
                resources.iter().any(|resource| {
                    let is_reachable = rule.names.is_empty()
                        || *verb != "create" && *verb != "deletecollection"
                        || resource.contains('/');
                    is_reachable && rule.allows_any_name(&Attributes::resource(verb, group, resource, ""))
                })
            })
        };
        match (self.rights().iter().any(gives), rule.names.is_empty()) {
            (false, _) => Held::No,
            (true, true) => Held::Freely,
            (true, false) => Held::ForNames,
        }
    }
}

/// How a capability is held.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Held {
    /// Not at all.
    No,
    /// For objects of certain names.
    ForNames,
    /// For all.
    Freely,
}

/// What a role gives: freely, and for certain names only.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RoleCapabilities {
    /// For all names.
    pub free: Capabilities,
    /// By rules that list names.
    pub named: Capabilities,
    /// Everything in every group: a rule of three stars.
    pub everything: bool,
}

impl RoleCapabilities {
    /// Of all rules of a role.
    pub fn of(role: &Role) -> Self {
        let mut own = Self::default();
        for rule in &role.rules {
            own.everything |= is_everything(rule);
            for &capability in Capability::ALL {
                match capability.in_rule(rule) {
                    Held::No => {}
                    Held::ForNames => own.named.0 |= capability.bit(),
                    Held::Freely => own.free.0 |= capability.bit(),
                }
            }
        }
        own
    }
}

/// Three stars, and no names.
pub fn is_everything(rule: &Rule) -> bool {
    let star = |list: &[String]| list.iter().any(|word| word == "*");
    star(&rule.verbs) && star(&rule.groups) && star(&rule.resources) && rule.names.is_empty()
}
