//! Which dialogues the probe holds: its folders, one each.

use std::fs;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../probe/src/dialogue");

/// Names of the dialogues, sorted.
pub(crate) fn names() -> Vec<String> {
    let entries = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<_> = entries
        .filter(|path| path.join("mod.rs").is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The fingerprints that come with the program; whatever is wrong with them is printed.
pub(crate) fn catalogue() -> nightlatch_fingerprint::Catalogue {
    let names = names();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    nightlatch_fingerprint::Catalogue::embedded(&names).unwrap_or_else(|errors| {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        panic!("fingerprints do not compile:\n{}", lines.join("\n"))
    })
}
