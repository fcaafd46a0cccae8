//! What the commands of the audit read: files, folders, standard input, rendered charts.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use nightlatch_collect::{
    Cluster, ClusterError, ClusterOptions, FileOptions, Renderers, collect_paths, read_cluster,
    render_folders,
};
use nightlatch_manifest::{Corpus, Diagnostic, DiagnosticKind, Limits, View};
use nightlatch_untrusted::Text;

use crate::{failure::Failure, say::say, session::Session, words::counted};

/// What to read.
#[derive(Clone, Debug, Args)]
pub(crate) struct CorpusArgs {
    /// Files and folders; `-` is standard input [default: . for files, nothing with --cluster]
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Read the cluster of the current context; nothing is changed in it
    #[arg(long, help_heading = "Cluster")]
    pub(crate) cluster: bool,
    /// Read the cluster of this context of the kubeconfig
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) context: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Let the file of --kubeconfig run the programs that it names for credentials
    #[arg(long, requires = "kubeconfig", help_heading = "Cluster")]
    pub(crate) allow_kubeconfig_exec: bool,
    /// Render charts with helm and kustomizations with kustomize or kubectl, and read what they give
    #[arg(long, help_heading = "Input")]
    pub(crate) render: bool,
    /// Values for charts; may be repeated
    #[arg(long, value_name = "FILE", requires = "render", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub(crate) values: Vec<PathBuf>,
    /// The program that renders charts
    #[arg(
        long,
        value_name = "PROGRAM",
        default_value = "helm",
        help_heading = "Input",
        hide_default_value = true
    )]
    pub(crate) helm: PathBuf,
    /// The input is complete: what is not in it does not exist
    #[arg(long, help_heading = "Input")]
    pub(crate) full: bool,
    /// The namespace of objects that name none; with a cluster the only namespace that is read
    #[arg(long, short, value_name = "NAME", help_heading = "Input")]
    pub(crate) namespace: Option<String>,
    /// Longest file that is read, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..4096), help_heading = "Input")]
    pub(crate) max_file_size: u64,
}

impl CorpusArgs {
    /// Reads everything. What cannot be read is in the diagnostics of the corpus.
    pub(crate) fn read(&self, session: &Session) -> Result<Corpus, Failure> {
        let live = self.is_live().then(|| self.read_cluster(session)).transpose()?;
        let paths = if self.paths.is_empty() && live.is_none() {
            vec![PathBuf::from(".")]
        } else {
            self.paths.clone()
        };
        let options = FileOptions { bytes_max: self.max_file_size * 1_000_000, ..FileOptions::default() };
        let files = collect_paths(&paths, &options);
        let (mut inputs, mut diagnostics) = (files.inputs, files.diagnostics);
        if self.render {
            let renderers = Renderers {
                helm: self.helm.clone(),
                values: self.values.clone(),
                bytes_max: options.bytes_max,
                ..Renderers::default()
            };
            let (rendered, failures) = render_folders(&files.renderable, &renderers);
            // What was rendered stands for its sources: templates are no manifests.
            let done: Vec<String> = rendered
                .iter()
                .filter_map(|input| input.name.raw().strip_suffix(" (rendered)"))
                .map(|folder| format!("{}/", folder.strip_prefix("./").unwrap_or(folder)))
                .collect();
            inputs.retain(|input| {
                !done.iter().any(|folder| folder == "./" || input.name.raw().starts_with(folder))
            });
            inputs.extend(rendered);
            diagnostics.extend(failures.into_iter().map(|(folder, error)| Diagnostic {
                kind: DiagnosticKind::Error,
                at: None,
                name: Text::from(folder.to_string_lossy().as_ref()),
                message: Text::new(error.to_string()),
            }));
        } else if !files.renderable.is_empty() && session.chatty() {
            let first =
                files.renderable.first().map(|folder| folder.display().to_string()).unwrap_or_default();
            say(format_args!(
                "note: {first} holds a chart or a kustomization; --render reads what it gives instead of its sources"
            ));
        }
        let mut complete = self.full;
        let mut kubernetes = None;
        if let Some(cluster) = live {
            inputs.extend(cluster.inputs);
            diagnostics.extend(cluster.diagnostics);
            complete |= cluster.complete;
            kubernetes = cluster.version;
        }
        if inputs.is_empty() && diagnostics.is_empty() {
            return Err(Failure::usage("there is nothing to read")
                .hint("name a folder with YAML, JSON or TOML files, or - for standard input"));
        }
        let limits = Limits { bytes_max: options.bytes_max as usize, ..Limits::default() };
        let mut corpus = Corpus::read_within(inputs, &limits);
        corpus.set_patches_aside();
        corpus.diagnostics.splice(0..0, diagnostics);
        corpus.view = if complete { View::Full } else { View::Partial };
        corpus.namespace = if self.is_live() { None } else { self.namespace.clone() };
        corpus.kubernetes = kubernetes;
        Ok(corpus)
    }

    /// That every path is there: an answer about less than what was named would be taken for one about all of it.
    pub(crate) fn check_paths(&self) -> Result<(), Failure> {
        let is_gone = |path: &&PathBuf| {
            let error = std::fs::symlink_metadata(path).err();
            path.as_os_str() != "-" && error.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
        };
        match self.paths.iter().find(is_gone) {
            Some(path) => Err(Failure::usage(format!("there is no file or folder {}", path.display()))),
            None => Ok(()),
        }
    }

    /// What was audited, in a few words.
    pub(crate) fn shown(&self) -> String {
        match (&self.context, self.is_live(), self.paths.as_slice()) {
            (Some(context), ..) => format!("cluster:{context}"),
            (None, true, []) => "cluster".to_owned(),
            (_, _, []) => std::env::current_dir().map_or(".".to_owned(), |here| here.display().to_string()),
            (_, _, paths) => {
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn is_live(&self) -> bool {
        self.cluster || self.context.is_some() || self.kubeconfig.is_some()
    }

    fn read_cluster(&self, session: &Session) -> Result<Cluster, Failure> {
        let options = ClusterOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            allow_exec: self.allow_kubeconfig_exec,
            namespace: self.namespace.clone(),
            ..ClusterOptions::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let cluster = runtime.block_on(read_cluster(&options)).map_err(|error| {
            let failure = Failure::world(&error);
            match error {
                ClusterError::Program { .. } => {
                    failure.hint("--allow-kubeconfig-exec lets it, if you know where the file comes from")
                }
                ClusterError::Config(_) => failure.hint("--kubeconfig names the file, --context what in it"),
                ClusterError::Refused(_) => failure.hint("log in anew, or use a context that may read"),
                _ => failure.hint("`kubectl cluster-info` shows where it should be"),
            }
        })?;
        if session.chatty() {
            say(format_args!("read {} of the cluster", counted(cluster.inputs.len(), "object")));
        }
        Ok(cluster)
    }
}
