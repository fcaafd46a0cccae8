use std::{env, io};

/// Why something below TCP could not be had: what was wanted, why not, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RawError {
    /// The process lacks a right.
    #[error(
        "{wanted} needs {capability}, which this process does not have; grant it with `{}`, or run as root",
        setcap(capability)
    )]
    Denied {
        /// What was tried, as the beginning of a sentence.
        wanted: String,
        /// Name of the capability.
        capability: &'static str,
    },
    /// The kernel or the device does not have it.
    #[error("{wanted} is not possible here: {why}")]
    Unsupported {
        /// What was tried, as the beginning of a sentence.
        wanted: String,
        /// What is missing, and what can be used instead.
        why: String,
    },
    /// Anything else that the system refused.
    #[error("{wanted} failed")]
    System {
        /// What was tried, as the beginning of a sentence.
        wanted: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl RawError {
    /// The error of having `wanted`, told apart by whether a right was missing.
    pub(crate) fn of(wanted: impl Into<String>, capability: &'static str, source: io::Error) -> Self {
        let wanted = wanted.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { wanted, capability },
            _ => Self::System { wanted, source },
        }
    }
}

/// The one command that grants what raw sockets and the drop rule need, and what live frames need beside that where
/// `capability` is about them.
pub(crate) fn setcap(capability: &str) -> String {
    let more = if capability.contains("CAP_BPF") { ",cap_bpf,cap_perfmon" } else { "" };
    let program = env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok());
    format!("sudo setcap cap_net_raw,cap_net_admin{more}+ep {}", quoted(program.as_deref().unwrap_or("PATH")))
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_names_the_command() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let text = RawError::of("opening a raw socket", "CAP_NET_RAW", denied).to_string();
        assert!(text.starts_with("opening a raw socket needs CAP_NET_RAW"), "{text}");
        assert!(text.contains("`sudo setcap cap_net_raw,cap_net_admin+ep /"), "{text}");
    }

    #[test]
    fn odd_paths_are_quoted() {
        assert_eq!(quoted("/opt/a b"), "'/opt/a b'");
        assert_eq!(quoted("/opt/it's"), r"'/opt/it'\''s'");
        assert_eq!(quoted("/usr/bin/nightlatch"), "/usr/bin/nightlatch");
    }
}
