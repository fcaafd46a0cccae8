//! A live cluster, read and never changed.
//!
//! Only GET requests leave. Lists are paged, bounded in number, size and time; what the user may not read, and what the
//! server breaks off, is named and the rest is audited. Of secrets only the metadata is asked for.

mod answer;
mod resources;

use std::{path::PathBuf, time::Duration};

use kube::{
    Client, Config,
    config::{AuthInfo, KubeConfigOptions, Kubeconfig},
};
use nightlatch_manifest::{Diagnostic, DiagnosticKind, Input};
use nightlatch_untrusted::{Text, terminal};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use self::{
    answer::{Refusal, get},
    resources::{Wanted, discover},
};

/// Which cluster, and how much of it.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// The kubeconfig; nothing means `KUBECONFIG`, `~/.kube/config`, or the service account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; nothing means the current one.
    pub context: Option<String>,
    /// Whether the file of `kubeconfig` may name programs that are run for credentials (`exec`, `auth-provider` with
    /// `cmd-path`). What nobody named, the user's own files, may: kubectl runs them every day.
    pub allow_exec: bool,
    /// Only this namespace, and nothing that has none.
    pub namespace: Option<String>,
    /// Longest time for one request.
    pub request_max: Duration,
    /// Longest time for everything.
    pub time_max: Duration,
    /// Objects asked for in one request.
    pub page: u32,
    /// Longest answer to one request, in bytes.
    pub page_bytes_max: usize,
    /// Most objects of one kind.
    pub objects_max: usize,
    /// Most bytes of everything.
    pub bytes_max: usize,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            allow_exec: false,
            namespace: None,
            request_max: Duration::from_secs(30),
            time_max: Duration::from_secs(600),
            page: 500,
            page_bytes_max: 128_000_000,
            objects_max: 200_000,
            bytes_max: 2_000_000_000,
        }
    }
}

/// What was read of a cluster.
#[derive(Debug, Default)]
pub struct Cluster {
    /// One input for each object, named `cluster:CONTEXT/...`; its text is what `kubectl get -o json` shows.
    pub inputs: Vec<Input>,
    /// What was not read, and why.
    pub diagnostics: Vec<Diagnostic>,
    /// The server's minor version, such as `1.29`, when it tells.
    pub version: Option<String>,
    /// True when everything that was asked for was read: what is not there does not exist.
    pub complete: bool,
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Config(String),
    /// It names a program to run, and nobody allowed that.
    #[error("the kubeconfig `{}` wants to run `{}` for user `{}`", path.display(), terminal(program), terminal(user))]
    Program {
        /// The kubeconfig.
        path: PathBuf,
        /// The program.
        program: String,
        /// The user of the kubeconfig that it is for.
        user: String,
    },
    /// The server does not answer.
    #[error("the API server does not answer: {0}")]
    Unreachable(String),
    /// The server knows nobody of this name.
    #[error("the API server refuses: {0}")]
    Refused(String),
}

/// Reads a cluster.
///
/// # Errors
/// [`ClusterError`] when nothing could be read at all.
pub async fn read_cluster(options: &ClusterOptions) -> Result<Cluster, ClusterError> {
    let (client, name) = connect(options).await?;
    let mut reader = Reader {
        client,
        name,
        options,
        until: Instant::now() + options.time_max,
        bytes: 0,
        cluster: Cluster { complete: options.namespace.is_none(), ..Cluster::default() },
    };
    let version = reader.get("/version", false).await.map_err(|refusal| match refusal {
        Refusal::Status(401 | 403, message) => ClusterError::Refused(message),
        other => ClusterError::Unreachable(other.to_string()),
    });
    match version {
        Ok(version) => reader.cluster.version = minor_version(&version),
        // Whoever may list pods need not be allowed to ask for the version.
        Err(ClusterError::Refused(message)) => reader.missing("/version", &message),
        Err(error) => return Err(error),
    }
    let wanted = discover(&mut reader).await?;
    for resource in wanted {
        reader.list(&resource).await;
    }
    Ok(reader.cluster)
}

async fn connect(options: &ClusterOptions) -> Result<(Client, String), ClusterError> {
    let refused = |error: &dyn std::error::Error| ClusterError::Config(chain(error));
    let chosen = KubeConfigOptions { context: options.context.clone(), ..KubeConfigOptions::default() };
    let (mut config, name) = match &options.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| refused(&error))?;
            let name = options.context.clone().or_else(|| file.current_context.clone()).unwrap_or_default();
            let user = user_of(&file, &name);
            let config =
                Config::from_custom_kubeconfig(file, &chosen).await.map_err(|error| refused(&error))?;
            match program_of(&config.auth_info).filter(|_| !options.allow_exec) {
                Some(program) => return Err(ClusterError::Program { path: path.clone(), program, user }),
                None => (config, name),
            }
        }
        None => match Kubeconfig::read() {
            Ok(file) => {
                let name =
                    options.context.clone().or_else(|| file.current_context.clone()).unwrap_or_default();
                (Config::from_custom_kubeconfig(file, &chosen).await.map_err(|error| refused(&error))?, name)
            }
            Err(error) if options.context.is_some() => return Err(refused(&error)),
            Err(error) => {
                let config = Config::incluster().map_err(|_| refused(&error))?;
                (config, "in-cluster".to_owned())
            }
        },
    };
    config.connect_timeout = Some(options.request_max);
    config.read_timeout = Some(options.request_max);
    config.write_timeout = Some(options.request_max);
    let client = Client::try_from(config).map_err(|error| refused(&error))?;
    Ok((client, name))
}

/// The name of the user of a context.
fn user_of(file: &Kubeconfig, context: &str) -> String {
    let named = file.contexts.iter().find(|one| one.name == context);
    named.and_then(|one| one.context.as_ref()?.user.clone()).unwrap_or_default()
}

/// The program that is run to get the credentials, if one is.
///
/// Source: client-go credential plug-ins (`exec`), and the `cmd-path` of the former provider plug-ins.
fn program_of(user: &AuthInfo) -> Option<String> {
    let plugin = user.exec.as_ref().map(|exec| exec.command.clone().unwrap_or_default());
    plugin.or_else(|| user.auth_provider.as_ref()?.config.get("cmd-path").cloned())
}

/// An error with its causes, in one line, each cause that says something new once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

pub(crate) struct Reader<'o> {
    client: Client,
    name: String,
    pub(crate) options: &'o ClusterOptions,
    until: Instant,
    bytes: usize,
    cluster: Cluster,
}

impl Reader<'_> {
    /// One GET, bounded in time and size.
    pub(crate) async fn get(&mut self, path: &str, metadata_only: bool) -> Result<Value, Refusal> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Refusal::OutOfTime);
        }
        let limit = self.options.page_bytes_max.min(self.options.bytes_max.saturating_sub(self.bytes));
        let time = left.min(self.options.request_max);
        let (value, bytes) = timeout(time, get(&self.client, path, metadata_only, limit))
            .await
            .map_err(|_| Refusal::Slow(time))??;
        self.bytes += bytes;
        Ok(value)
    }

    /// Says that something was not read.
    pub(crate) fn missing(&mut self, what: &str, why: &str) {
        self.cluster.complete = false;
        self.cluster.diagnostics.push(Diagnostic {
            kind: DiagnosticKind::Error,
            at: None,
            name: Text::new(format!("cluster:{}{what}", self.name)),
            message: Text::new(why.chars().take(500).collect::<String>()),
        });
    }

    /// Reads all objects of a resource, page by page. What was read before something went wrong stays.
    async fn list(&mut self, resource: &Wanted) {
        let mut more = String::new();
        let mut read = 0usize;
        // A server that never says "that was all" is stopped by the count of objects; one whose pages are empty by this.
        let pages_max = 2 + self.options.objects_max / self.options.page.max(1) as usize;
        for _ in 0..pages_max {
            let path = resource.path(self.options.namespace.as_deref(), self.options.page, &more);
            let page = match self.get(&path, resource.metadata_only).await {
                Ok(page) => page,
                Err(refusal) => {
                    let so_far =
                        if read > 0 { format!("; {read} objects were read before") } else { String::new() };
                    self.missing(&resource.shown(), &format!("{refusal}{so_far}"));
                    return;
                }
            };
            let Some(items) = page.get("items").and_then(Value::as_array) else {
                self.missing(&resource.shown(), "the answer is no list");
                return;
            };
            for item in items {
                if read >= self.options.objects_max {
                    self.missing(
                        &resource.shown(),
                        &format!("more than {read} objects; the rest was not read"),
                    );
                    return;
                }
                self.keep(resource, item);
                read += 1;
            }
            let next = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or("");
            if next.is_empty() {
                return;
            }
            if next == more {
                self.missing(
                    &resource.shown(),
                    &format!("the server gives the same page again; {read} objects were read"),
                );
                return;
            }
            next.clone_into(&mut more);
        }
        self.missing(
            &resource.shown(),
            &format!("the server never says that the list ends; {read} objects were read"),
        );
    }

    /// Makes an input of an object, as `kubectl get -o json` shows it.
    fn keep(&mut self, resource: &Wanted, item: &Value) {
        let Value::Object(fields) = item else {
            self.missing(&resource.shown(), "an element of the list is no object");
            return;
        };
        let mut object = fields.clone();
        object.insert("apiVersion".into(), Value::String(resource.api_version.clone()));
        object.insert("kind".into(), Value::String(resource.kind.clone()));
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.remove("managedFields");
        }
        let text = |key: &str| {
            object
                .get("metadata")
                .and_then(|metadata| metadata.get(key))
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        let (namespace, name) = (text("namespace"), text("name"));
        let namespace = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
        let source = format!("cluster:{}/{}/{namespace}{name}", self.name, resource.kind);
        self.cluster
            .inputs
            .push(Input { name: Text::new(source), bytes: answer::pretty(&Value::Object(object)) });
    }
}

fn minor_version(version: &Value) -> Option<String> {
    let part = |key: &str| {
        let text = version.get(key)?.as_str()?;
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then_some(digits)
    };
    Some(format!("{}.{}", part("major")?, part("minor")?))
}
