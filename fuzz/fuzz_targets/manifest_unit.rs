//! systemd units, environment files, TOML, files of arguments, certificates and the output of programs: any text is read or refused with a place inside it,
//! and the components in it are found without harm.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_manifest::{Corpus, Input, components, node_files, workloads};

fuzz_target!(|bytes: &[u8]| {
    let names = [
        "kubelet.service",
        "kubelet.service.d/a.conf",
        "a.env",
        "config.toml",
        "ps.txt",
        "stat.txt",
        "args/kubelet",
        "ca.crt",
    ];
    let corpus =
        Corpus::read(names.map(|name| Input { name: name.to_owned().into(), bytes: bytes.to_vec() }));
    for diagnostic in &corpus.diagnostics {
        let (source, span) = diagnostic.at.expect("there is a text");
        assert!(span.start <= span.end && span.end as usize <= corpus.source(source).text.len());
    }
    let objects: Vec<_> = corpus.objects().collect();
    for component in components(&corpus, &objects, &workloads(&corpus, &objects)) {
        assert!(component.at.span().end as usize <= component.document().text().len());
    }
    let _ = node_files(&corpus).len();
});
