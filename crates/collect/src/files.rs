//! Folders, files and standard input.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use ignore::WalkBuilder;
use nightlatch_manifest::{Diagnostic, DiagnosticKind, Input};
use nightlatch_untrusted::Text;

use crate::{
    ReadError,
    bounded::{read_bounded, read_stream},
};

/// What is read in folders.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Longest file that is read, in bytes.
    pub bytes_max: u64,
    /// Most files that are read.
    pub files_max: usize,
    /// Deepest folder below a named one.
    pub depth_max: usize,
}

impl Default for FileOptions {
    fn default() -> Self {
        Self { bytes_max: 256_000_000, files_max: 1_000_000, depth_max: 64 }
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Files {
    /// The files, sorted by path within each named folder; named files in the order named.
    pub inputs: Vec<Input>,
    /// What could not be read.
    pub diagnostics: Vec<Diagnostic>,
    /// Folders that have a chart (`Chart.yaml`) or a kustomization.
    pub renderable: Vec<PathBuf>,
}

/// Folders that hold other people's code or a tool's state; read only when named.
const SKIPPED_FOLDERS: [&str; 3] = ["node_modules", ".terraform", ".git"];
/// Endings of files that are read in folders. A named file is read whatever it is called.
const ENDINGS: [&str; 12] = [
    "yaml",
    "yml",
    "json",
    "jsonl",
    "ndjson",
    "toml",
    "service",
    "socket",
    "conf",
    "env",
    "kubeconfig",
    "config",
];
/// Names without such an ending that are read in folders.
const NAMES: [&str; 6] = [".env", "kubelet", "docker", "kube-apiserver", "etcd", "crio"];

/// Reads every configuration file in `paths`: files and folders; `-` is standard input.
///
/// In folders links are followed to files inside the same named folder only, hidden folders are left out, and a file
/// `.nightlatchignore` in any folder leaves out what it names (patterns as of `.gitignore`).
pub fn collect_paths(paths: &[PathBuf], options: &FileOptions) -> Files {
    let mut files = Files::default();
    let mut seen = HashSet::new();
    for path in paths {
        if path.as_os_str() == "-" {
            match read_stream(io::stdin().lock(), options.bytes_max) {
                Ok(bytes) => files.inputs.push(Input { name: Text::from("-"), bytes }),
                Err(error) => files.refuse(Path::new("-"), &error),
            }
        } else if path.is_dir() {
            files.folder(path, options, &mut seen);
        } else {
            files.read(path, options);
        }
    }
    files
}

/// When each file that [`collect_paths`] would read was last written, and how long it is; to see that something changed.
pub fn file_times(paths: &[PathBuf]) -> BTreeMap<PathBuf, (SystemTime, u64)> {
    let mut times = BTreeMap::new();
    let mut note = |path: &Path| {
        if let Ok(found) = path.metadata() {
            times.insert(path.to_owned(), (found.modified().unwrap_or(SystemTime::UNIX_EPOCH), found.len()));
        }
    };
    for path in paths {
        if !path.is_dir() {
            note(path);
            continue;
        }
        let walk = walk(path, FileOptions::default().depth_max);
        walk.filter_map(Result::ok)
            .filter(|entry| is_configuration(entry.path()))
            .for_each(|entry| note(entry.path()));
    }
    times
}

fn walk(root: &Path, depth_max: usize) -> ignore::Walk {
    WalkBuilder::new(root)
        .standard_filters(false)
        .add_custom_ignore_filename(".nightlatchignore")
        .max_depth(Some(depth_max))
        .follow_links(false)
        .sort_by_file_name(OsStr::cmp)
        .filter_entry(|entry| entry.depth() == 0 || !is_skipped_folder(entry))
        .build()
}

impl Files {
    fn read(&mut self, path: &Path, options: &FileOptions) {
        match read_bounded(path, options.bytes_max) {
            Ok(bytes) => self.inputs.push(Input { name: name_of(path), bytes }),
            Err(error) => self.refuse(path, &error),
        }
    }

    fn refuse(&mut self, path: &Path, error: &ReadError) {
        self.say(DiagnosticKind::Error, path, error.to_string());
    }

    fn say(&mut self, kind: DiagnosticKind, path: &Path, message: String) {
        self.diagnostics.push(Diagnostic {
            kind,
            at: None,
            name: name_of(path),
            message: Text::new(message),
        });
    }

    fn folder(&mut self, root: &Path, options: &FileOptions, seen: &mut HashSet<PathBuf>) {
        let inside = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        for entry in walk(root, options.depth_max) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.diagnostics.push(Diagnostic {
                        kind: DiagnosticKind::Error,
                        at: None,
                        name: Text::from(""),
                        message: Text::new(format!("part of a folder cannot be read: {error}")),
                    });
                    continue;
                }
            };
            let Some(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() {
                if ["Chart.yaml", "kustomization.yaml", "kustomization.yml", "Kustomization"]
                    .iter()
                    .any(|name| path.join(name).is_file())
                {
                    self.renderable.push(path.to_owned());
                }
                continue;
            }
            if !is_configuration(path) {
                continue;
            }
            if kind.is_symlink() && !self.link_stays_inside(path, &inside) {
                continue;
            }
            if !kind.is_file() && !kind.is_symlink() {
                self.say(DiagnosticKind::Warning, path, "it is no regular file and was not read".into());
                continue;
            }
            if self.inputs.len() >= options.files_max {
                let message = format!("more than {} files; the rest was not read", options.files_max);
                self.say(DiagnosticKind::Error, root, message);
                return;
            }
            if kind.is_symlink() || !seen.is_empty() {
                let Ok(real) = path.canonicalize() else { continue };
                if !seen.insert(real) {
                    continue;
                }
            }
            self.read(path, options);
        }
        // Only a second folder can name the same file again.
        seen.insert(inside);
    }

    fn link_stays_inside(&mut self, path: &Path, inside: &Path) -> bool {
        match path.canonicalize() {
            Ok(target) if target.starts_with(inside) => target.is_file(),
            Ok(_) => {
                self.say(
                    DiagnosticKind::Warning,
                    path,
                    "the link leads out of the folder and was not followed; name its target to read it"
                        .into(),
                );
                false
            }
            Err(error) => {
                self.say(DiagnosticKind::Warning, path, format!("the link leads nowhere: {error}"));
                false
            }
        }
    }
}

fn is_skipped_folder(entry: &ignore::DirEntry) -> bool {
    if !entry.file_type().is_some_and(|kind| kind.is_dir()) {
        return false;
    }
    let name = entry.file_name().to_string_lossy();
    // `..data` is how a mounted ConfigMap keeps its files: reached by the links beside it.
    name.starts_with('.') || SKIPPED_FOLDERS.contains(&name.as_ref())
}

fn is_configuration(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str())
        || NAMES.contains(&name.as_ref())
        || is_argument_file(path, &name)
        || is_authority_file(&name, &ending)
}

/// True for a certificate file whose name says that it is an authority's: `ca.crt`, `etcd-ca.pem`, `client-ca.crt`.
fn is_authority_file(name: &str, ending: &str) -> bool {
    matches!(ending, "crt" | "pem" | "cert" | "cer")
        && name.split(['-', '_', '.']).any(|part| part.eq_ignore_ascii_case("ca"))
}

/// True for what the snaps of MicroK8s and Canonical Kubernetes start a program with: `args/kube-scheduler`.
fn is_argument_file(path: &Path, name: &str) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == "args")
        && ["kube-controller-manager", "kube-scheduler", "kube-proxy", "containerd"].contains(&name)
}

/// A path as it is shown: without a leading `./`.
fn name_of(path: &Path) -> Text {
    let shown = path.to_string_lossy();
    Text::from(shown.strip_prefix("./").unwrap_or(&shown))
}

#[cfg(test)]
mod tests;
