//! Private keys anywhere in the input.

use std::collections::HashMap;

use nightlatch_credential::scan_text;
use nightlatch_manifest::{Document, Kind, Node, NodeId};

use super::{credential::say, decode::decoded, walk::scalars};
use crate::{Context, Found, Sink, Subject};

/// How keys begin: as they are, and wrapped in base64.
const BEGINNINGS: [&str; 2] = ["-----BEGIN ", "LS0tLS1CRUdJTi"];

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let mut of_source: HashMap<u32, bool> = HashMap::new();
    let mut holders: Option<Holders<'a>> = None;
    for document in &context.corpus.documents {
        let has_key = *of_source
            .entry(document.source.0)
            .or_insert_with(|| BEGINNINGS.iter().any(|beginning| document.text().contains(beginning)));
        if !has_key {
            sink.pass();
            continue;
        }
        let before = sink.found.len();
        search(context, document, holders.get_or_insert_with(|| holders_of(context)), sink);
        if sink.found.len() == before {
            sink.pass();
        }
    }
}

/// The subject that each object is, by document and top.
type Holders<'a> = HashMap<(*const Document, NodeId), Subject<'a>>;

fn holders_of<'a>(context: &Context<'a>) -> Holders<'a> {
    let key = |node: Node<'a>| (std::ptr::from_ref(node.document()), node.id());
    let objects = context.objects.iter().map(|object| (key(object.root), Subject::object(object)));
    let workloads = context.workloads.iter();
    let workloads = workloads.map(|workload| (key(workload.object.root), context.workload_subject(workload)));
    objects.chain(workloads).collect()
}

fn search<'a>(context: &Context<'a>, document: &'a Document, holders: &Holders<'a>, sink: &mut Sink<'a>) {
    for scalar in scalars(document.root()) {
        let node = scalar.node;
        if node.kind() != Kind::String || !BEGINNINGS.iter().any(|beginning| node.text().contains(beginning))
        {
            continue;
        }
        let unwrapped = if node.text().contains(BEGINNINGS[0]) { None } else { decoded(node.text()) };
        let text = unwrapped.as_deref().unwrap_or(node.text());
        let keys: Vec<_> =
            scan_text(None, text).into_iter().filter(|one| one.kind.is_private_key()).collect();
        let Some(said) = say(text, &keys) else { continue };
        let file = context.corpus.source(document.source).name.raw();
        let subject = subject(holders, node).unwrap_or_else(|| Subject::document(document, "File", file));
        let message = format!("a private key is readable here: {}", said.what);
        sink.fail(Found::new(subject, node, message).cause(node.pointer_from(subject.root)));
    }
}

/// The object that holds a node, and the container in it; nothing when there is no object.
fn subject<'a>(holders: &Holders<'a>, node: Node<'a>) -> Option<Subject<'a>> {
    let mut container = None;
    let mut at = node;
    loop {
        if let Some(subject) = holders.get(&(std::ptr::from_ref(at.document()), at.id())) {
            return Some(container.map_or(*subject, |name| subject.container(name)));
        }
        let parent = at.parent()?;
        let list = parent.key().map_or("", Node::text);
        if matches!(list, "containers" | "initContainers" | "ephemeralContainers") {
            container = at.get("name").map(Node::text);
        }
        at = parent;
    }
}
