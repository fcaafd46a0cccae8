//! Embeds `fingerprints/`: every folder with a `fingerprint.toml`, its side files, and the global negative
//! corpus, sorted by name, so that the binary needs no files and the order is the same everywhere.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../fingerprints");
    let root = root.canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut out = String::new();
    writeln_to(&mut out, "pub(crate) static FILES: &[Embedded] = &[");
    for folder in entries(&root)?.into_iter().filter(|path| path.join("fingerprint.toml").is_file()) {
        watch(&folder)?;
        let id = name(&folder);
        let mut side_files = String::new();
        for side in entries(&folder.join("examples"))? {
            let _ = write!(
                side_files,
                "({:?}, include_bytes!({:?})), ",
                format!("examples/{}", name(&side)),
                side
            );
        }
        writeln_to(
            &mut out,
            &format!(
                "    Embedded {{ path: {:?}, text: include_str!({:?}), side_files: &[{side_files}] }},",
                format!("fingerprints/{id}/fingerprint.toml"),
                folder.join("fingerprint.toml"),
            ),
        );
    }
    writeln_to(&mut out, "];\npub(crate) static NEGATIVES: &[(&str, &[u8])] = &[");
    for file in entries(&root.join("negative"))?.into_iter().filter(|file| name(file).ends_with(".http")) {
        writeln_to(&mut out, &format!("    ({:?}, include_bytes!({:?})),", name(&file), file));
    }
    watch(&root.join("negative"))?;
    writeln_to(
        &mut out,
        &format!(
            "];\npub(crate) static VOCABULARY: &str = include_str!({:?});\npub(crate) static SERVERS: &str = include_str!({:?});",
            root.join("vocabulary.toml"),
            root.join("servers.toml")
        ),
    );
    fs::write(Path::new(&env::var("OUT_DIR").unwrap_or_default()).join("embedded.rs"), out)
}

fn writeln_to(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// The entries of a folder, sorted; none when the folder does not exist. Hidden files are left out.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn watch(folder: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for path in entries(folder)? {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
