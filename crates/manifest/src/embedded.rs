//! Configuration files that are values of ConfigMaps: what kubeadm keeps for kubelet and kube-proxy.

use std::sync::Arc;

use crate::{Corpus, Document, Format, Kind, Limits, Node, NodeId, Object, Span, read::yaml};

/// Longer values are not looked into.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Kinds of configuration that are looked for; a value is read when its text names one of them.
const KINDS: [&str; 6] = [
    "KubeletConfiguration",
    "KubeProxyConfiguration",
    "KubeSchedulerConfiguration",
    "AuthorizationConfiguration",
    "AuthenticationConfiguration",
    "AdmissionConfiguration",
];

/// A document found in a value, kept by the corpus.
#[derive(Debug)]
pub(crate) struct Found {
    document: Document,
    host: usize,
    object: NodeId,
    is_in_place: bool,
}

/// A configuration file in a ConfigMap.
#[derive(Clone, Copy, Debug)]
pub struct Embedded<'a> {
    /// The ConfigMap.
    pub object: Object<'a>,
    /// The configuration. Its places are those of the host's source.
    pub root: Node<'a>,
    /// True when every node has a place of its own (a literal block of YAML), so that it can be edited there; otherwise
    /// (JSON, quoted text) every node has the place of the whole value.
    pub is_in_place: bool,
}

impl<'a> Embedded<'a> {
    /// The kind that the configuration says it is.
    pub fn kind(&self) -> &'a str {
        self.root.get("kind").map_or("", Node::text)
    }
}

impl Corpus {
    /// Configuration files in ConfigMaps, in order. They are looked for when first asked for.
    pub fn embedded(&self) -> impl Iterator<Item = Embedded<'_>> {
        self.embedded.get_or_init(|| find(self)).iter().filter_map(|found| {
            let host = self.documents.get(found.host)?;
            let object = crate::corpus::objects_of(host, self.namespace.as_deref())
                .into_iter()
                .find(|object| object.root.id() == found.object)?;
            Some(Embedded { object, root: found.document.root(), is_in_place: found.is_in_place })
        })
    }
}

fn find(corpus: &Corpus) -> Vec<Found> {
    let mut found = Vec::new();
    for (host, document) in corpus.documents.iter().enumerate() {
        let kind = document.root().get("kind").map_or("", Node::text);
        if kind != "ConfigMap" && !kind.ends_with("List") {
            continue;
        }
        for object in
            crate::corpus::objects_of(document, None).iter().filter(|object| object.kind == "ConfigMap")
        {
            let values = object.root.get("data").into_iter().flat_map(Node::entries).map(|(_, value)| value);
            for value in values.filter(|value| is_configuration(*value)) {
                let read = in_place(value).map(|document| (document, true));
                if let Some((document, is_in_place)) =
                    read.or_else(|| apart(value).map(|document| (document, false)))
                {
                    found.push(Found { document, host, object: object.root.id(), is_in_place });
                }
            }
        }
    }
    found
}

fn is_configuration(value: Node<'_>) -> bool {
    let text = value.text();
    value.kind() == Kind::String
        && text.len() <= TEXT_BYTES_MAX
        && KINDS.iter().any(|kind| text.contains(kind))
}

/// Reads a literal block where it stands: it is indented evenly, so it is YAML as it is, and the places are right.
fn in_place(value: Node<'_>) -> Option<Document> {
    let host = value.document();
    let Span { start, end } = value.span();
    let source = host.text().get(start as usize..end as usize)?;
    let header = source.split_inclusive('\n').next()?;
    if host.format != Format::Yaml || !header.starts_with('|') || value.text().contains("\n---") {
        return None;
    }
    let body = start as usize + header.len();
    // The block's last line break is not in its span, but blocks in it need theirs.
    let end = end as usize + usize::from(host.text().get(end as usize..)?.starts_with('\n'));
    let document = yaml::read_part(host.source, &host.text, body, end, &Limits::default())?;
    document.root().get("kind").is_some().then_some(document)
}

/// Reads the text of a value on its own; every place is that of the value.
fn apart(value: Node<'_>) -> Option<Document> {
    let text: Arc<str> = value.text().into();
    let end = text.find("\n---").unwrap_or(text.len());
    let mut document = yaml::read_part(value.document().source, &text, 0, end, &Limits::default())?;
    for slot in &mut document.slots {
        slot.span = value.span();
    }
    document.root().get("kind").is_some().then_some(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Input;

    fn corpus(name: &str, text: &str) -> Corpus {
        Corpus::read([Input { name: name.to_owned().into(), bytes: text.as_bytes().to_vec() }])
    }

    const KUBELET: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nauthentication:\n  anonymous:\n    enabled: true\nkind: KubeletConfiguration\n";

    #[test]
    fn a_literal_block_keeps_its_places() {
        let body: String = KUBELET.lines().map(|line| format!("    {line}\n")).collect();
        let text = format!(
            "apiVersion: v1\ndata:\n  kubelet: |\n{body}kind: ConfigMap\nmetadata: {{name: kubelet-config, namespace: kube-system}}\n"
        );
        let corpus = corpus("a.yaml", &text);
        let found: Vec<Embedded<'_>> = corpus.embedded().collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].is_in_place && found[0].kind() == "KubeletConfiguration");
        assert_eq!(found[0].object.name, "kubelet-config");
        let enabled = found[0].root.at("authentication.anonymous.enabled").unwrap();
        assert_eq!(corpus.sources[0].place(enabled.span().start).line, 7);
        assert_eq!(enabled.as_bool(), Some(true));
    }

    #[test]
    fn a_quoted_value_has_one_place() {
        let text = format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n \"data\": {{\"kubelet\": {}}}}}",
            serde_json::to_string(KUBELET).unwrap()
        );
        let corpus = corpus("a.json", &text);
        let found: Vec<Embedded<'_>> = corpus.embedded().collect();
        assert_eq!(found.len(), 1);
        assert!(!found[0].is_in_place);
        let enabled = found[0].root.at("authentication.anonymous.enabled").unwrap();
        assert_eq!((corpus.sources[0].place(enabled.span().start).line, enabled.text()), (2, "true"));
    }

    #[test]
    fn what_is_no_configuration_is_left_alone() {
        for text in [
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: KubeletConfiguration\n",
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    kind: [KubeletConfiguration\n",
            "apiVersion: v1\nkind: Secret\ndata:\n  a: |\n    kind: KubeletConfiguration\n",
        ] {
            assert_eq!(corpus("a.yaml", text).embedded().count(), 0, "{text}");
        }
    }

    const PARTS: [&str; 12] = [
        "a: 1\n",
        "b:\n  c: [1, 2]\n  d: \"x\\ty\"\n",
        "e: |\n  line\n   more\n",
        "# note\n",
        "\n",
        "f: >-\n  folded\n  text\n",
        "g:\n- h: i\n  j: k\n- l\n",
        "m: 'quoted\n  two'\n",
        "n: {o: p,\n  q: r}\n",
        "s: plain\n  goes on\n",
        "t: &x {u: v}\nw: *x\n",
        "y: ~\nz:\n",
    ];

    proptest::proptest! {
        /// Read where it stands or apart, a value is the same tree.
        #[test]
        fn both_ways_of_reading_agree(parts in proptest::sample::subsequence(PARTS.to_vec(), 0..=PARTS.len()), indent in 1_usize..7) {
            let text = format!("kind: KubeletConfiguration\n{}", parts.concat());
            let pad = " ".repeat(indent + 1);
            let body: String = text
                .lines()
                .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{pad}{line}\n") })
                .collect();
            let corpus = corpus("a.yaml", &format!("kind: ConfigMap\napiVersion: v1\ndata:\n k: |\n{body}"));
            let value = corpus.documents[0].root().at("data.k").unwrap();
            let (here, there) = (in_place(value), apart(value));
            let shown = |document: &Option<Document>| document.as_ref().map(|document| format!("{:?}", document.root()));
            proptest::prop_assert_eq!(shown(&here), shown(&there));
            proptest::prop_assert!(there.is_some());
        }
    }
}
