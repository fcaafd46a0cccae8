//! Which kubelets there are in the input, and which files belong to which.

use std::collections::HashSet;

use nightlatch_manifest::{Node, NodeId, Object};

use super::{Base, Kubelet, Layer};
use crate::{
    Context, Subject,
    program::{INJECTED, Program, embedded, file_name_of, path_of, programs, shared_prefix},
};

const KIND: &str = "KubeletConfiguration";

/// Every kubelet of the input: command lines with the files that belong to them, then files that belong to none.
pub(crate) fn kubelets<'c, 'a>(context: &'c Context<'a>) -> Vec<Kubelet<'c, 'a>> {
    let mut used: HashSet<(u32, u32, NodeId)> = HashSet::new();
    let mut found: Vec<Kubelet<'c, 'a>> =
        programs(context, "kubelet").map(|program| of_program(context, program, &mut used)).collect();
    let mut rest: Vec<&Object<'a>> =
        context.objects_of(KIND).filter(|object| !used.contains(&key(object))).collect();
    rest.sort_by_key(|object| path_of(context, object.root));
    let (drop_ins, bases): (Vec<&Object<'a>>, Vec<&Object<'a>>) =
        rest.into_iter().partition(|object| is_drop_in(context, object.root));
    let lone_base = bases.len() == 1;
    for base in bases {
        let drop_ins =
            if lone_base { drop_ins.iter().map(|object| layer(object)).collect() } else { Vec::new() };
        found.push(unattended(Base::File(layer(base)), drop_ins));
    }
    if !lone_base {
        found.extend(drop_ins.iter().map(|object| unattended(Base::Unstated, vec![layer(object)])));
    }
    found.extend(embedded(context, KIND).map(|embedded| {
        let layer =
            Layer { subject: embedded.subject, root: embedded.root, is_editable: embedded.is_editable };
        unattended(Base::File(layer), Vec::new())
    }));
    found.extend(answers(context).map(|layer| unattended(Base::Effective(layer), Vec::new())));
    let by_kubeadm: HashSet<u32> = context
        .objects
        .iter()
        .filter(|object| object.group() == "kubeadm.k8s.io")
        .map(|object| object.document().source.0)
        .collect();
    for kubelet in &mut found {
        if let Base::File(layer) = kubelet.base {
            kubelet.is_completed_by_kubeadm = by_kubeadm.contains(&layer.root.document().source.0);
        }
    }
    found
}

fn unattended<'c, 'a>(base: Base<'a>, drop_ins: Vec<Layer<'a>>) -> Kubelet<'c, 'a> {
    Kubelet { program: None, drop_ins, base, has_unseen_drop_ins: false, is_completed_by_kubeadm: false }
}

fn of_program<'c, 'a>(
    context: &'c Context<'a>,
    program: Program<'c, 'a>,
    used: &mut HashSet<(u32, u32, NodeId)>,
) -> Kubelet<'c, 'a> {
    let base = match program.get("config") {
        Some(file) => match program.object_at(&file, KIND) {
            Some(object) => {
                used.insert(key(&object));
                Base::File(layer(&object))
            }
            None => Base::Unseen("the file of --config is not in the input"),
        },
        // Packages ship a unit without arguments, and kubeadm a drop-in that brings them.
        None if program.is_bare() => {
            Base::Unseen("the unit has no arguments; a drop-in that is not in the input may")
        }
        None if program.is_whole() => Base::Flags,
        None => Base::Unseen(INJECTED),
    };
    let mut drop_ins = Vec::new();
    let mut has_unseen_drop_ins = false;
    if let Some(folder) = program.get("config-dir") {
        let folder = format!("{}/", folder.text().trim_end_matches('/').trim_start_matches('/'));
        let own = path_of(context, program.at());
        let mut objects: Vec<(String, Object<'a>)> = context
            .objects_of(KIND)
            .map(|object| (path_of(context, object.root), *object))
            .filter(|(path, object)| path.contains(&folder) && is_drop_in(context, object.root))
            .collect();
        // With the files of several nodes in the input, those nearest to the unit are its own.
        let nearest = objects.iter().map(|(path, _)| shared_prefix(path, &own)).max().unwrap_or(0);
        objects.retain(|(path, _)| shared_prefix(path, &own) == nearest);
        objects.sort_by(|a, b| a.0.cmp(&b.0));
        used.extend(objects.iter().map(|(_, object)| key(object)));
        drop_ins.extend(objects.iter().map(|(_, object)| layer(object)));
        has_unseen_drop_ins = drop_ins.is_empty() && !context.is_full();
    }
    Kubelet { program: Some(program), drop_ins, base, has_unseen_drop_ins, is_completed_by_kubeadm: false }
}

fn layer<'a>(object: &Object<'a>) -> Layer<'a> {
    Layer {
        subject: Subject { name: "kubelet", ..Subject::object(object) },
        root: object.root,
        is_editable: true,
    }
}

fn key(object: &Object<'_>) -> (u32, u32, NodeId) {
    (object.document().source.0, object.document().index, object.root.id())
}

/// Only files with this ending count as drop-ins.
fn is_drop_in(context: &Context<'_>, root: Node<'_>) -> bool {
    file_name_of(context, root).ends_with(".conf")
}

/// Answers of `/configz`.
fn answers<'a>(context: &Context<'a>) -> impl Iterator<Item = Layer<'a>> {
    context.corpus.documents.iter().filter_map(|document| {
        let root = document.root().get("kubeletconfig")?;
        Some(Layer {
            subject: Subject::other(document.root(), "Kubelet", "configz"),
            root,
            is_editable: false,
        })
    })
}
