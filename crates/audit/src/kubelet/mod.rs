//! The configuration that a kubelet works with, put together from its parts.
//!
//! Order, later wins: the built-in defaults, the file of `--config`, the drop-ins `*.conf` of `--config-dir` by path, the
//! flags. The defaults depend on the file: with one, strangers are refused, the API server authorises and the read-only
//! port is closed; without one, the legacy defaults of the command line hold, which are the opposite. In a file a zero
//! duration and an empty string mean "default"; as a flag they mean what they say. Source: Kubernetes 1.36,
//! `cmd/kubelet/app/options` (legacy defaults), `cmd/kubelet/app/server.go` (merging), `pkg/kubelet/apis/config/v1beta1`.

mod sources;

use std::borrow::Cow;

use nightlatch_manifest::{Kind, Node};

use crate::{
    Change, Found, Subject,
    program::{
        Program,
        values::{go_bool, items},
    },
};

pub(crate) use sources::kubelets;

/// A field of KubeletConfiguration and the flag that sets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// Dotted path in the file.
    pub path: &'static str,
    /// Name of the flag; empty when there is none.
    pub flag: &'static str,
}

const fn field(path: &'static str, flag: &'static str) -> Field {
    Field { path, flag }
}

/// Requests without credentials.
pub(crate) const ANONYMOUS: Field = field("authentication.anonymous.enabled", "anonymous-auth");
/// Token reviews.
pub(crate) const WEBHOOK_AUTHENTICATION: Field =
    field("authentication.webhook.enabled", "authentication-token-webhook");
/// Authority of client certificates.
pub(crate) const CLIENT_CA: Field = field("authentication.x509.clientCAFile", "client-ca-file");
/// `AlwaysAllow` or `Webhook`.
pub(crate) const AUTHORIZATION_MODE: Field = field("authorization.mode", "authorization-mode");
/// Port without authentication.
pub(crate) const READ_ONLY_PORT: Field = field("readOnlyPort", "read-only-port");
/// After how long idle connections are cut.
pub(crate) const STREAMING_TIMEOUT: Field =
    field("streamingConnectionIdleTimeout", "streaming-connection-idle-timeout");
/// Whether kernel settings are left alone.
pub(crate) const PROTECT_KERNEL_DEFAULTS: Field = field("protectKernelDefaults", "protect-kernel-defaults");
/// Whether helper chains are maintained.
pub(crate) const IPTABLES_UTIL_CHAINS: Field = field("makeIPTablesUtilChains", "make-iptables-util-chains");
/// Events a second.
pub(crate) const EVENT_QPS: Field = field("eventRecordQPS", "event-qps");
/// Serving certificate.
pub(crate) const TLS_CERT: Field = field("tlsCertFile", "tls-cert-file");
/// Its key.
pub(crate) const TLS_KEY: Field = field("tlsPrivateKeyFile", "tls-private-key-file");
/// Whether the serving certificate is asked of the API server.
pub(crate) const SERVER_TLS_BOOTSTRAP: Field = field("serverTLSBootstrap", "rotate-server-certificates");
/// Whether the client certificate is renewed.
pub(crate) const ROTATE_CERTIFICATES: Field = field("rotateCertificates", "rotate-certificates");
/// Cipher suites.
pub(crate) const TLS_SUITES: Field = field("tlsCipherSuites", "tls-cipher-suites");
/// Least TLS version.
pub(crate) const TLS_MIN_VERSION: Field = field("tlsMinVersion", "tls-min-version");
/// Processes of a pod.
pub(crate) const POD_PIDS_LIMIT: Field = field("podPidsLimit", "pod-max-pids");
/// Whether pods without a profile get the runtime's.
pub(crate) const SECCOMP_DEFAULT: Field = field("seccompDefault", "seccomp-default");
/// Exec, logs and port-forward.
pub(crate) const DEBUGGING_HANDLERS: Field = field("enableDebuggingHandlers", "enable-debugging-handlers");
/// The profiler; no flag.
pub(crate) const PROFILING_HANDLER: Field = field("enableProfilingHandler", "");
/// Logs of the node; no flag.
pub(crate) const SYSTEM_LOG_HANDLER: Field = field("enableSystemLogHandler", "");
/// Address of the health port.
pub(crate) const HEALTHZ_ADDRESS: Field = field("healthzBindAddress", "healthz-bind-address");
/// The health port; 0 closes it.
pub(crate) const HEALTHZ_PORT: Field = field("healthzPort", "healthz-port");
/// Sysctls that pods may set although they are unsafe.
pub(crate) const UNSAFE_SYSCTLS: Field = field("allowedUnsafeSysctls", "allowed-unsafe-sysctls");
/// Where static pods are fetched from.
pub(crate) const STATIC_POD_URL: Field = field("staticPodURL", "manifest-url");
/// Where static pods lie.
pub(crate) const STATIC_POD_PATH: Field = field("staticPodPath", "pod-manifest-path");

/// What a kubelet is started from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Base<'a> {
    /// A configuration file that is in the input.
    File(Layer<'a>),
    /// What the kubelet itself says it works with (`/configz`): defaults are filled in.
    Effective(Layer<'a>),
    /// A configuration file that is not in the input.
    Unseen(&'static str),
    /// No file: flags and the legacy defaults.
    Flags,
    /// Nothing is known but the drop-ins.
    Unstated,
}

/// One document of configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'a> {
    /// Whom findings in it are about.
    pub subject: Subject<'a>,
    /// The KubeletConfiguration.
    pub root: Node<'a>,
    /// Whether it can be changed where it stands.
    pub is_editable: bool,
}

/// One kubelet, or one configuration that kubelets share.
pub(crate) struct Kubelet<'c, 'a> {
    /// The command line, when it is in the input.
    pub program: Option<Program<'c, 'a>>,
    /// Drop-ins in the order in which they are applied.
    pub drop_ins: Vec<Layer<'a>>,
    /// What they are applied to.
    pub base: Base<'a>,
    /// True when a folder of drop-ins is named of which nothing is in the input.
    pub has_unseen_drop_ins: bool,
    /// True when the file is one that kubeadm reads and completes before it gives it to the kubelet.
    pub is_completed_by_kubeadm: bool,
}

/// What kubeadm puts into a KubeletConfiguration that leaves it open: path and value.
///
/// Source: Kubernetes, `cmd/kubeadm/app/componentconfigs/kubelet.go`.
const KUBEADM_VALUES: [(&str, &str); 8] = [
    ("staticPodPath", "/etc/kubernetes/manifests"),
    ("authentication.x509.clientCAFile", "/etc/kubernetes/pki/ca.crt"),
    ("authentication.anonymous.enabled", "false"),
    ("authentication.webhook.enabled", "true"),
    ("authorization.mode", "Webhook"),
    ("rotateCertificates", "true"),
    ("healthzBindAddress", "127.0.0.1"),
    ("healthzPort", "10248"),
];

/// The value of a field that a kubelet works with.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// Something sets it.
    Set(Set<'a>),
    /// Nothing sets it; with a configuration file.
    Default,
    /// Nothing sets it; with the legacy defaults of a command line without a file.
    LegacyDefault,
    /// What sets it may stand where the input does not show it.
    Unknown(&'static str),
    /// A drop-in on its own does not set it: there is nothing to judge.
    Unstated,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Set<'a> {
    /// The text of a scalar; empty for lists and mappings.
    pub text: Cow<'a, str>,
    /// The value, or the argument.
    pub node: Node<'a>,
    /// What sets it.
    pub by: By<'a>,
}

/// What sets a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By<'a> {
    /// A flag.
    Flag,
    /// A file.
    File(Layer<'a>),
    /// The kubelet's own answer.
    Effective(Layer<'a>),
}

impl<'a> Set<'a> {
    /// The value as a boolean.
    pub(crate) fn bool(&self) -> Option<bool> {
        match self.by {
            By::Flag => go_bool(&self.text),
            _ => self.node.as_bool().or_else(|| go_bool(&self.text)),
        }
    }

    /// The value as a whole number.
    pub(crate) fn int(&self) -> Option<i64> {
        match self.by {
            By::Flag => self.text.parse().ok(),
            _ => self.node.as_int().or_else(|| self.text.parse().ok()),
        }
    }

    /// The elements of a list: of a sequence, or between commas.
    pub(crate) fn list(&self) -> Vec<String> {
        match self.node.kind() {
            Kind::Sequence if !matches!(self.by, By::Flag) => {
                self.node.items().map(|item| item.text().to_owned()).collect()
            }
            _ => items(&self.text).map(str::to_owned).collect(),
        }
    }
}

impl<'c, 'a> Kubelet<'c, 'a> {
    /// The value of a field.
    pub(crate) fn value(&self, field: Field) -> Value<'a> {
        if !field.flag.is_empty()
            && let Some(setting) = self.program.as_ref().and_then(|program| program.get(field.flag))
        {
            return Value::Set(Set { text: Cow::Owned(setting.text), node: setting.node, by: By::Flag });
        }
        if self.has_unseen_drop_ins {
            return Value::Unknown("the drop-ins of --config-dir are not in the input");
        }
        for layer in self.drop_ins.iter().rev() {
            // `null` in a drop-in takes the value of the file away (RFC 7396).
            if let Some(node) = raw_at(layer.root, field.path) {
                return if is_default(node) { self.default_of_file() } else { set(node, By::File(*layer)) };
            }
        }
        match self.base {
            Base::File(layer) | Base::Effective(layer) => {
                let by =
                    if matches!(self.base, Base::File(_)) { By::File(layer) } else { By::Effective(layer) };
                match raw_at(layer.root, field.path).filter(|node| !is_default(*node)) {
                    Some(node) => set(node, by),
                    None => self.completed(field, layer.root, by),
                }
            }
            Base::Unseen(why) => Value::Unknown(why),
            Base::Flags => Value::LegacyDefault,
            Base::Unstated => Value::Unstated,
        }
    }

    /// The value of a field that the file leaves open.
    fn completed(&self, field: Field, root: Node<'a>, by: By<'a>) -> Value<'a> {
        let value = KUBEADM_VALUES.iter().find(|(path, _)| *path == field.path);
        match value.filter(|_| self.is_completed_by_kubeadm) {
            Some((_, text)) => Value::Set(Set { text: Cow::Borrowed(*text), node: root, by }),
            None => Value::Default,
        }
    }

    fn default_of_file(&self) -> Value<'a> {
        match self.base {
            Base::Unseen(why) => Value::Unknown(why),
            _ => Value::Default,
        }
    }

    /// A feature gate: a flag names single gates and leaves the others to the files.
    pub(crate) fn gate(&self, name: &'static str) -> Value<'a> {
        if let Some(program) = &self.program
            && let Some((text, node)) = program.gate(name)
        {
            return Value::Set(Set { text: Cow::Owned(text), node, by: By::Flag });
        }
        if self.has_unseen_drop_ins {
            return Value::Unknown("the drop-ins of --config-dir are not in the input");
        }
        let layers = self.drop_ins.iter().rev().copied().map(By::File);
        let base = match self.base {
            Base::File(layer) => Some(By::File(layer)),
            Base::Effective(layer) => Some(By::Effective(layer)),
            _ => None,
        };
        for by in layers.chain(base) {
            let (By::File(layer) | By::Effective(layer)) = by else { continue };
            if let Some(node) = layer.root.get("featureGates").and_then(|gates| gates.get(name)) {
                return set(node, by);
            }
        }
        match self.base {
            Base::Unseen(why) => Value::Unknown(why),
            Base::Flags => Value::LegacyDefault,
            Base::Unstated => Value::Unstated,
            _ => Value::Default,
        }
    }

    /// A finding about the value of a field: at what sets it, else where it is missing.
    pub(crate) fn found(&self, field: Field, value: &Value<'a>, message: &'static str) -> Option<Found<'a>> {
        match value {
            Value::Set(set) => Some(self.found_at(set, message)),
            Value::Default | Value::LegacyDefault => self.found_missing(field.path, message),
            Value::Unknown(_) | Value::Unstated => None,
        }
    }

    /// A finding at a value.
    pub(crate) fn found_at(&self, set: &Set<'a>, message: impl Into<crate::Words>) -> Found<'a> {
        match (set.by, &self.program) {
            (By::File(layer) | By::Effective(layer), _) => Found::new(layer.subject, set.node, message),
            (By::Flag, Some(program)) => program.found_at(set.node, message),
            (By::Flag, None) => Found::new(Subject::other(set.node, "kubelet", "kubelet"), set.node, message),
        }
    }

    fn found_missing(&self, path: &'static str, message: &'static str) -> Option<Found<'a>> {
        match (self.base, &self.program) {
            (Base::File(layer) | Base::Effective(layer), _) => {
                Some(Found::missing(layer.subject, layer.root, path, message))
            }
            (_, Some(program)) => Some(program.missing(message)),
            (_, None) => {
                self.drop_ins.last().map(|layer| Found::missing(layer.subject, layer.root, path, message))
            }
        }
    }

    /// Adds the change that gives a field a value (YAML text, one line).
    pub(crate) fn setting_to(
        &self,
        found: Found<'a>,
        field: Field,
        value: &Value<'a>,
        to: &str,
    ) -> Found<'a> {
        let is_list = to.starts_with('[');
        match (value, self.base, &self.program) {
            (Value::Set(set), ..) => match (set.by, &self.program) {
                (By::Flag, Some(program)) if !is_list => {
                    program.setting_to(found, program.get(field.flag).as_ref(), field.flag, to)
                }
                (By::File(layer), _) if layer.is_editable => {
                    found.change(Change::Set(set.node, to.to_owned().into()))
                }
                _ => found,
            },
            (Value::Default, Base::File(layer), _) if layer.is_editable => {
                found.change(Change::SetPath(layer.root, field.path.into(), to.to_owned().into()))
            }
            (Value::LegacyDefault, _, Some(program)) if !field.flag.is_empty() && !is_list => {
                program.setting_to(found, None, field.flag, to)
            }
            _ => found,
        }
    }
}

fn set<'a>(node: Node<'a>, by: By<'a>) -> Value<'a> {
    Value::Set(Set { text: Cow::Borrowed(node.text()), node, by })
}

/// The value at a dotted path, an explicit `null` on the way or at its end included.
fn raw_at<'a>(root: Node<'a>, path: &str) -> Option<Node<'a>> {
    let mut node = root;
    for key in path.split('.') {
        if node.is_null() {
            return Some(node);
        }
        node = node.get_raw(key)?;
    }
    Some(node)
}

/// `null` and the empty string ask for the default.
fn is_default(node: Node<'_>) -> bool {
    node.is_null() || (node.kind() == Kind::String && node.text().is_empty())
}

#[cfg(test)]
mod tests;
