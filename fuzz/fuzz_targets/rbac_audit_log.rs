//! Lines of an audit log: whatever they hold, the roles that come of them are read again and allow what was seen.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_manifest::{Corpus, Input};
use nightlatch_rbac::{Policy, SuggestOptions, Suggestion};

fuzz_target!(|bytes: &[u8]| {
    let mut suggestion = Suggestion::new(SuggestOptions::default(), None);
    for line in bytes.split(|&byte| byte == b'\n') {
        let _ = suggestion.line(line);
    }
    let yaml = suggestion.yaml();
    let corpus = Corpus::read([Input { name: "roles.yaml".into(), bytes: yaml.clone().into_bytes() }]);
    let errors: Vec<_> = corpus.diagnostics.iter().collect();
    assert!(errors.is_empty(), "{errors:?}\n{yaml}");
    let policy = Policy::read(&corpus);
    let expected: usize = suggestion.roles().iter().map(|(_, scopes)| scopes.values().filter(|rules| !rules.is_empty()).count()).sum();
    assert_eq!(policy.bindings.len(), expected, "{yaml}");
});
