//! Charts and kustomizations, rendered by the programs the user has.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nightlatch_manifest::Input;
use nightlatch_untrusted::Text;

use crate::program::{self, Stopped};

/// How to render.
#[derive(Clone, Debug)]
pub struct Renderers {
    /// The program for charts.
    pub helm: PathBuf,
    /// The program for kustomizations; nothing means `kustomize`, or `kubectl kustomize` when there is none.
    pub kustomize: Option<PathBuf>,
    /// Values files for charts, in order.
    pub values: Vec<PathBuf>,
    /// Longest time for one folder.
    pub time_max: Duration,
    /// Longest output for one folder, in bytes.
    pub bytes_max: u64,
}

impl Default for Renderers {
    fn default() -> Self {
        Self {
            helm: "helm".into(),
            kustomize: None,
            values: Vec::new(),
            time_max: Duration::from_secs(60),
            bytes_max: 256_000_000,
        }
    }
}

/// Why a folder was not rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The program is not there.
    #[error(
        "`{program}` is needed to render {what} and was not found; install it, or render yourself and audit the output"
    )]
    Missing {
        /// The program.
        program: String,
        /// What it would render.
        what: &'static str,
    },
    /// It failed.
    #[error("`{program}` failed: {message}")]
    Failed {
        /// The program.
        program: String,
        /// The end of what it said, cut to 2,000 characters.
        message: String,
    },
    /// It took too long.
    #[error("`{program}` took longer than {} s and was stopped", limit.as_secs())]
    TooSlow {
        /// The program.
        program: String,
        /// The limit.
        limit: Duration,
    },
    /// It wrote too much.
    #[error("`{program}` wrote more than {} MB and was stopped", limit / 1_000_000)]
    TooLong {
        /// The program.
        program: String,
        /// The limit in bytes.
        limit: u64,
    },
}

/// Renders each folder: a chart with `helm template`, a kustomization with `kustomize build`. A folder below one that was
/// rendered as a chart is part of it (sub-charts) and is left out.
///
/// Gives one input for each folder that was rendered, named after the folder, and why others were not.
pub fn render_folders(
    folders: &[PathBuf],
    renderers: &Renderers,
) -> (Vec<Input>, Vec<(PathBuf, RenderError)>) {
    let (mut inputs, mut failures) = (Vec::new(), Vec::new());
    let mut charts: Vec<&PathBuf> = Vec::new();
    for folder in folders {
        if charts.iter().any(|chart| folder != *chart && folder.starts_with(chart)) {
            continue;
        }
        let is_chart = folder.join("Chart.yaml").is_file();
        let rendered = if is_chart { helm(folder, renderers) } else { kustomize(folder, renderers) };
        if is_chart {
            charts.push(folder);
        }
        match rendered {
            Ok(bytes) => {
                let name = Text::new(format!("{} (rendered)", folder.to_string_lossy()));
                inputs.push(Input { name, bytes });
            }
            Err(error) => failures.push((folder.clone(), error)),
        }
    }
    (inputs, failures)
}

fn helm(folder: &Path, renderers: &Renderers) -> Result<Vec<u8>, RenderError> {
    let mut command = Command::new(&renderers.helm);
    command.args(["template", "--include-crds", "release-name"]).arg(folder);
    for values in &renderers.values {
        command.arg("--values").arg(values);
    }
    run(command, "a Helm chart", renderers)
}

fn kustomize(folder: &Path, renderers: &Renderers) -> Result<Vec<u8>, RenderError> {
    let what = "a kustomization";
    if let Some(program) = &renderers.kustomize {
        let mut command = Command::new(program);
        command.arg("build").arg(folder);
        return run(command, what, renderers);
    }
    let mut own = Command::new("kustomize");
    own.arg("build").arg(folder);
    match run(own, what, renderers) {
        Err(RenderError::Missing { .. }) => {
            let mut command = Command::new("kubectl");
            command.arg("kustomize").arg(folder);
            run(command, what, renderers).map_err(|error| match error {
                RenderError::Missing { .. } => {
                    RenderError::Missing { program: "kustomize` or `kubectl".to_owned(), what }
                }
                other => other,
            })
        }
        other => other,
    }
}

/// Runs a program, and says in words of rendering what went wrong.
fn run(command: Command, what: &'static str, renderers: &Renderers) -> Result<Vec<u8>, RenderError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ended =
        program::run(command, renderers.time_max, renderers.bytes_max).map_err(|stopped| match stopped {
            Stopped::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
                RenderError::Missing { program: program.clone(), what }
            }
            Stopped::Io(error) => {
                RenderError::Failed { program: program.clone(), message: error.to_string() }
            }
            Stopped::TooSlow => RenderError::TooSlow { program: program.clone(), limit: renderers.time_max },
            Stopped::TooLong => RenderError::TooLong { program: program.clone(), limit: renderers.bytes_max },
        })?;
    if ended.status.success() {
        return Ok(ended.output);
    }
    Err(RenderError::Failed { program, message: program::failure(&ended) })
}
