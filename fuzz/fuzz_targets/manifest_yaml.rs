//! YAML: any text is read or refused with a place inside it; where both parsers read it, they give the same tree; and
//! everything that is asked of a corpus can be asked of what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_manifest::{
    Corpus, Input, agree, comment_lines, components, compose_projects, node_files, workloads,
};

fuzz_target!(|bytes: &[u8]| {
    let corpus = Corpus::read([Input { name: "a.yaml".to_owned().into(), bytes: bytes.to_vec() }]);
    for diagnostic in &corpus.diagnostics {
        let (source, span) = diagnostic.at.expect("there is a text");
        assert!(span.start <= span.end && span.end as usize <= corpus.source(source).text.len());
    }
    for document in &corpus.documents {
        let root = document.root();
        assert!(root.span().end as usize <= document.text().len());
        let _ = root.pointer_from(root);
    }
    let objects: Vec<_> = corpus.objects().collect();
    let workloads = workloads(&corpus, &objects);
    let _ = (corpus.census(), components(&corpus, &objects, &workloads).len());
    for project in compose_projects(&corpus) {
        for service in &project.services {
            let _ = (service.ports(&project), service.mounts(&project), service.environment(&project));
        }
    }
    for embedded in corpus.embedded() {
        let end = embedded.root.span().end as usize;
        assert!(end <= corpus.source(embedded.root.document().source).text.len());
    }
    let _ = (node_files(&corpus).len(), comment_lines(&corpus.sources[0], "a"));
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(difference) = agree(text)
    {
        panic!("{difference}");
    }
});
