//! Command lines as checks ask for them: what a flag says, where it stands, and the change that gives it a value.

pub(crate) mod authority;
pub(crate) mod gates;
pub(crate) mod listen;
pub(crate) mod releases;
pub(crate) mod tls;
pub(crate) mod values;

use nightlatch_manifest::{Component, Distribution, Format, Kind, Node, Object};

use crate::{Change, Context, Found, KubernetesVersion, Subject};

/// Why an absent flag says nothing on a command line that is not whole.
pub(crate) const INJECTED: &str =
    "the flag may be set where the input does not show it, as by k3s, RKE2 or a variable";

/// One program of the input with its command line.
#[derive(Clone, Copy)]
pub(crate) struct Program<'c, 'a> {
    context: &'c Context<'a>,
    component: &'c Component<'a>,
}

/// The value of a flag: that of its last use. `true` for a bare flag; an empty value is as good as none.
#[derive(Clone, Debug)]
pub(crate) struct Setting<'a> {
    /// The value.
    pub text: String,
    /// Where it stands.
    pub node: Node<'a>,
}

/// One element of a list that a flag takes.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    /// The element.
    pub text: String,
    /// Where the flag stands.
    pub node: Node<'a>,
}

impl Setting<'_> {
    /// The value.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// True when it reads as this boolean.
    pub(crate) fn is(&self, wanted: bool) -> bool {
        values::go_bool(&self.text) == Some(wanted)
    }

    /// The elements of a list between commas.
    pub(crate) fn items(&self) -> impl Iterator<Item = &str> {
        values::items(&self.text)
    }
}

/// All programs of a name.
pub(crate) fn programs<'c, 'a>(
    context: &'c Context<'a>,
    name: &str,
) -> impl Iterator<Item = Program<'c, 'a>> {
    context.components_of(name).map(move |component| Program { context, component })
}

impl<'c, 'a> Program<'c, 'a> {
    /// Whom findings are about.
    pub(crate) fn subject(&self) -> Subject<'a> {
        self.context.component_subject(self.component)
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> Node<'a> {
        self.component.at
    }

    /// False when flags may be set where the input does not show them.
    pub(crate) fn is_whole(&self) -> bool {
        is_whole(self.component)
    }

    /// True for a command line without any flag.
    pub(crate) fn is_bare(&self) -> bool {
        self.component.flags.is_empty()
    }

    /// True for a control plane that a cloud provider runs.
    pub(crate) fn is_managed(&self) -> bool {
        let by_version = |version: &str| ["-eks", "-gke", "-aks"].iter().any(|mark| version.contains(mark));
        matches!(self.component.distribution, Distribution::Eks | Distribution::Gke | Distribution::Aks)
            || self.component.version.as_deref().is_some_and(by_version)
    }

    /// The version of its image, else the one that the audit was told; nothing when neither is known.
    pub(crate) fn version(&self) -> Option<KubernetesVersion> {
        let own = self.component.version.as_deref().filter(|version| *version != "latest");
        own.and_then(KubernetesVersion::parse).or(self.context.settings.kubernetes)
    }

    /// The image that tells the version, or the version in a configuration of kubeadm.
    pub(crate) fn image(&self) -> Option<Node<'a>> {
        match (self.component.container, &self.component.object) {
            (Some(container), _) => container.node.get("image"),
            (None, Some(object)) => {
                object.root.get("kubernetesVersion").or_else(|| object.root.at("spec.version"))
            }
            (None, None) => None,
        }
    }

    /// The value of a flag.
    pub(crate) fn get(&self, flag: &str) -> Option<Setting<'a>> {
        let found = self.component.flag(flag)?;
        let text = found.value.as_deref().unwrap_or("true");
        (!text.is_empty()).then(|| Setting { text: text.to_owned(), node: found.node })
    }

    /// The elements of a list, those of every use of the flag.
    pub(crate) fn list(&self, flag: &str) -> Vec<Item<'a>> {
        self.component
            .all(flag)
            .flat_map(|flag| {
                let node = flag.node;
                values::items(flag.value.as_deref().unwrap_or(""))
                    .map(move |item| Item { text: item.to_owned(), node })
            })
            .collect()
    }

    /// The value of a feature gate; the last one named counts.
    pub(crate) fn gate(&self, name: &str) -> Option<(String, Node<'a>)> {
        self.component
            .all("feature-gates")
            .filter_map(|flag| Some((values::pair(flag.value.as_deref()?, name)?.to_owned(), flag.node)))
            .last()
    }

    /// The object of a kind in the file that a flag names.
    pub(crate) fn object_at(&self, file: &Setting<'a>, kind: &str) -> Option<Object<'a>> {
        let candidates = self.context.objects_of(kind).map(|object| (*object, object.root));
        nearest(self.context, file.text(), self.component.at, candidates)
    }

    /// A finding at a flag.
    pub(crate) fn found(&self, setting: &Setting<'a>, message: impl Into<crate::Words>) -> Found<'a> {
        self.found_at(setting.node, message)
    }

    /// A finding at a part of the command line.
    pub(crate) fn found_at(&self, node: Node<'a>, message: impl Into<crate::Words>) -> Found<'a> {
        Found::new(self.subject(), node, message)
    }

    /// A finding about a flag that is absent.
    pub(crate) fn missing(&self, message: impl Into<crate::Words>) -> Found<'a> {
        Found::new(self.subject(), self.component.at, message)
    }

    /// A finding at a flag that must go.
    pub(crate) fn removing(&self, setting: &Setting<'a>, message: impl Into<crate::Words>) -> Found<'a> {
        let found = self.found(setting, message);
        if self.component.is_of_kubeadm_file() {
            return match kubeadm_entry(setting.node) {
                Some(entry) => found.change(Change::Remove(entry)),
                None => found,
            };
        }
        if argument_name(setting.node).is_some() { found.change(Change::Remove(setting.node)) } else { found }
    }

    /// Adds the change that gives a flag a value: in the argument that sets it now, else behind the others.
    pub(crate) fn setting_to(
        &self,
        found: Found<'a>,
        now: Option<&Setting<'a>>,
        flag: &str,
        value: &str,
    ) -> Found<'a> {
        match change_of_flag(self.component, now.map(|setting| setting.node), flag, value) {
            Some(change) => found.change(change),
            None => found,
        }
    }
}

/// False when settings may stand where the input does not show them. OpenShift's servers have theirs in a file of its own.
pub(crate) fn is_whole(component: &Component<'_>) -> bool {
    component.is_whole && component.flag("openshift-config").is_none()
}

/// The change that gives a flag a value; nothing where the command line cannot be changed by one argument.
pub(crate) fn change_of_flag<'a>(
    component: &Component<'a>,
    now: Option<Node<'a>>,
    flag: &str,
    value: &str,
) -> Option<Change<'a>> {
    if component.is_of_kubeadm_file() {
        return change_of_kubeadm(component, now, flag, value);
    }
    match now {
        Some(node) => {
            let text = format!("{}{flag}={value}", argument_name(node)?);
            Some(Change::Set(node, word(node, &text).into()))
        }
        None => {
            let list = component.arguments?;
            // k3s and RKE2 take flags without dashes, a shell takes one text.
            let dashes = match component.distribution {
                Distribution::K3s | Distribution::Rke2 if component.object.is_none() => "",
                _ => "--",
            };
            let is_script = list.items().any(|item| item.text().contains(char::is_whitespace));
            (!is_script).then(|| Change::Append(list, word(list, &format!("{dashes}{flag}={value}")).into()))
        }
    }
}

/// The same in a configuration of kubeadm, whose values are texts; nothing where it has no `extraArgs` yet.
fn change_of_kubeadm<'a>(
    component: &Component<'a>,
    now: Option<Node<'a>>,
    flag: &str,
    value: &str,
) -> Option<Change<'a>> {
    let arguments = component.arguments?;
    let text = format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    if let Some(node) = now.filter(|node| kubeadm_entry(*node).is_some()) {
        return Some(Change::Set(node, text.into()));
    }
    match arguments.kind() {
        Kind::Mapping if flag.contains('.') => None,
        Kind::Mapping => Some(Change::SetPath(arguments, flag.to_owned().into(), text.into())),
        Kind::Sequence => Some(Change::Append(arguments, format!("{{name: {flag}, value: {text}}}").into())),
        _ => None,
    }
}

/// What stands for one flag in `extraArgs`, by its value: the value of a mapping, or the item of the list. Nothing for what
/// kubeadm sets itself.
fn kubeadm_entry(value: Node<'_>) -> Option<Node<'_>> {
    let parent = value.parent()?;
    let is_scalar = !matches!(value.kind(), Kind::Mapping | Kind::Sequence);
    match parent.parent()?.kind() {
        _ if !is_scalar => None,
        Kind::Sequence if parent.get("name").is_some() => Some(parent),
        _ => Some(value),
    }
}

/// The dashes in front of an argument that is a flag with its value; nothing for a flag whose value is the next argument,
/// and for a whole line.
fn argument_name(node: Node<'_>) -> Option<&'static str> {
    let text = node.text();
    let is_list_item = node.parent().is_some_and(|parent| parent.kind() == Kind::Sequence);
    let format = node.document().format;
    if !is_list_item || !matches!(format, Format::Yaml | Format::Json) {
        return None;
    }
    let (name, _) = text.split_once('=')?;
    if name.contains(char::is_whitespace) {
        return None;
    }
    Some(if name.starts_with("--") {
        "--"
    } else if name.starts_with('-') {
        "-"
    } else {
        ""
    })
}

/// A text as an element of a list of YAML or JSON.
fn word(near: Node<'_>, text: &str) -> String {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=./".contains(&byte));
    if is_plain && near.document().format != Format::Json {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The candidate whose file is the one at `path` on the node of `from`: the names agree from the end, as far as the shorter
/// goes at least in the last part; of several, the one that agrees most, then the one that lies nearest to `from`. Nothing
/// when two are as good. A candidate in the same file as `from` stands in for one that is named nowhere.
fn nearest<'a, T: Copy>(
    context: &Context<'a>,
    path: &str,
    from: Node<'a>,
    candidates: impl Iterator<Item = (T, Node<'a>)>,
) -> Option<T> {
    let own = path_of(context, from);
    let mut best: Option<((usize, usize), T)> = None;
    let mut is_tied = false;
    for (candidate, root) in candidates {
        let name = path_of(context, root);
        let agreeing = shared_suffix(&name, path);
        if agreeing == 0 && root.document().source != from.document().source {
            continue;
        }
        let score = (agreeing, shared_prefix(&name, &own));
        match &best {
            Some((found, _)) if *found > score => {}
            Some((found, _)) if *found == score => is_tied = true,
            _ => {
                best = Some((score, candidate));
                is_tied = false;
            }
        }
    }
    best.filter(|_| !is_tied).map(|(_, candidate)| candidate)
}

/// A configuration file in a ConfigMap, as checks look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EmbeddedFile<'a> {
    /// The ConfigMap, with the file as its top.
    pub subject: Subject<'a>,
    /// The file.
    pub root: Node<'a>,
    /// Whether it can be changed where it stands.
    pub is_editable: bool,
}

/// The configuration files of a kind that are values of ConfigMaps.
pub(crate) fn embedded<'a>(
    context: &Context<'a>,
    kind: &'static str,
) -> impl Iterator<Item = EmbeddedFile<'a>> + use<'a> {
    context.corpus.embedded().filter(move |embedded| embedded.kind() == kind).map(|embedded| EmbeddedFile {
        subject: Subject {
            root: embedded.root,
            template: embedded.object.root.get("metadata"),
            ..Subject::object(&embedded.object)
        },
        root: embedded.root,
        is_editable: embedded.is_in_place,
    })
}

/// The path of the file in which a node stands, as the input names it.
pub(crate) fn path_of(context: &Context<'_>, node: Node<'_>) -> String {
    context.corpus.source(node.document().source).name.raw().replace('\\', "/")
}

/// The last part of that path.
pub(crate) fn file_name_of(context: &Context<'_>, node: Node<'_>) -> String {
    let path = path_of(context, node);
    path.rsplit('/').next().unwrap_or("").to_owned()
}

/// How many parts two paths share at their end.
fn shared_suffix(a: &str, b: &str) -> usize {
    let parts = |path: &'_ str| {
        path.split('/').filter(|part| !part.is_empty()).rev().map(str::to_owned).collect::<Vec<_>>()
    };
    parts(a).iter().zip(parts(b)).take_while(|(a, b)| *a == b).count()
}

/// How many parts two paths share at their start.
pub(crate) fn shared_prefix(a: &str, b: &str) -> usize {
    a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_agree_by_parts() {
        assert_eq!(shared_suffix("n1/var/lib/kubelet/config.yaml", "/var/lib/kubelet/config.yaml"), 4);
        assert_eq!(shared_suffix("xconfig.yaml", "/var/lib/kubelet/config.yaml"), 0);
        assert_eq!(shared_prefix("n1/etc/a", "n1/var/b"), 1);
    }
}
