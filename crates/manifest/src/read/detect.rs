//! What an input is written in: by content first, by name where that leaves it open.

/// What an input is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    Json,
    Yaml,
    Toml,
    Unit,
    Env,
    /// A list of files with mode and owner.
    Files,
    /// A list of command lines.
    Processes,
    /// The arguments of one program, named after it.
    Arguments,
    /// Certificates as text.
    Certificates,
    Binary,
}

/// Lines that are looked at.
const LINES_MAX: usize = 40;
/// Bytes whose lines are looked at.
const LOOKED_AT_BYTES: usize = 64 << 10;
/// Bytes that are looked at for a zero byte.
const SNIFFED_BYTES: usize = 8192;

const UNIT_NAMES: [&str; 11] = [
    ".service",
    ".socket",
    ".timer",
    ".mount",
    ".path",
    ".slice",
    ".target",
    ".scope",
    ".container",
    ".pod",
    ".kube",
];
const UNIT_SECTIONS: [&str; 12] = [
    "[Unit]",
    "[Service]",
    "[Install]",
    "[Socket]",
    "[Timer]",
    "[Mount]",
    "[Path]",
    "[Slice]",
    "[Container]",
    "[Pod]",
    "[Kube]",
    "[Manager]",
];

/// True for `.json` and its kin.
pub(super) fn has_json_name(name: &str) -> bool {
    has_ending(name, &[".json", ".jsonl", ".ndjson", ".tfplan"])
}

/// True for `.yaml` and `.yml`.
pub(super) fn has_yaml_name(name: &str) -> bool {
    has_ending(name, &[".yaml", ".yml"])
}

fn has_ending(name: &str, endings: &[&str]) -> bool {
    let name = name.to_ascii_lowercase();
    endings.iter().any(|ending| name.ends_with(ending))
}

/// Decides what `text`, called `name`, is written in.
pub(super) fn detect(name: &str, text: &str) -> Shape {
    let head = &text.as_bytes()[..text.len().min(SNIFFED_BYTES)];
    if memchr::memchr(0, head).is_some() {
        return if looks_like_command(text.split('\0').next().unwrap_or("")) {
            Shape::Processes
        } else {
            Shape::Binary
        };
    }
    let whole = text;
    // The rest decides nothing, and a file of nothing but line ends is looked at once only.
    let text = text.get(..text.floor_char_boundary(LOOKED_AT_BYTES)).unwrap_or(text);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_comment(line))
        .take(LINES_MAX)
        .collect();
    if has_arguments_name(name) && lines.iter().all(|line| line.starts_with("--")) {
        return Shape::Arguments;
    }
    let Some(&first) = lines.first() else { return Shape::Yaml };
    if super::pem::is_certificates(first, whole) {
        return Shape::Certificates;
    }
    if let Some(shape) = by_first_line(name, first, &lines) {
        return shape;
    }
    if has_yaml_name(name) {
        return Shape::Yaml;
    }
    if has_ending(name, &[".toml"]) {
        return Shape::Toml;
    }
    if has_json_name(name) {
        return Shape::Json;
    }
    if is_process_header(first) || lines.iter().all(|line| looks_like_command(line)) {
        return Shape::Processes;
    }
    assignments(name, &lines).unwrap_or(Shape::Yaml)
}

/// True for a file of a folder `args` that is named after a program: what the snaps of MicroK8s and Canonical Kubernetes
/// start it with, such as `/var/snap/microk8s/current/args/kubelet`.
fn has_arguments_name(name: &str) -> bool {
    let mut parts = name.rsplit(['/', '\\']);
    let (file, folder) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    folder == "args" && crate::component::is_component_name(file)
}

fn is_comment(line: &str) -> bool {
    line.starts_with('#') || line.starts_with(';')
}

fn by_first_line(name: &str, first: &str, lines: &[&str]) -> Option<Shape> {
    if first.starts_with("{{") || first.starts_with("{%") || first.starts_with("---") {
        return Some(Shape::Yaml);
    }
    if first.starts_with('{') {
        return Some(Shape::Json);
    }
    if UNIT_SECTIONS.contains(&first) || has_ending(name, &UNIT_NAMES) {
        return Some(Shape::Unit);
    }
    let goes_on = match lines.get(1) {
        Some(next) => next.contains('=') || is_section(next),
        None => has_ending(name, &[".toml", ".conf"]),
    };
    if is_section(first) && goes_on && !has_yaml_name(name) {
        return Some(Shape::Toml);
    }
    if first.starts_with('[') {
        return Some(Shape::Json);
    }
    is_file_line(first).then_some(Shape::Files)
}

/// `[name]`, `[a.b."c"]`, `[[list]]`, which JSON could only be with words in it.
fn is_section(line: &str) -> bool {
    let inner = line.strip_prefix('[').and_then(|line| line.split(" #").next()?.trim_end().strip_suffix(']'));
    inner.is_some_and(|inner| {
        let inner = inner.trim_start_matches('[');
        inner.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && !matches!(inner, "true" | "false" | "null")
            && !inner.contains(',')
    })
}

/// `MODE UID GID OWNER GROUP PATH`.
fn is_file_line(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let digits = |word: Option<&str>, test: fn(&u8) -> bool| {
        word.is_some_and(|word| !word.is_empty() && word.len() <= 10 && word.as_bytes().iter().all(test))
    };
    digits(words.next(), |byte| matches!(byte, b'0'..=b'7'))
        && digits(words.next(), u8::is_ascii_digit)
        && digits(words.next(), u8::is_ascii_digit)
        && words.nth(2).is_some_and(|path| path.starts_with('/') || path.starts_with('.'))
}

/// The header that `ps` prints.
pub(super) fn is_process_header(line: &str) -> bool {
    let last = line.split_whitespace().next_back();
    matches!(last, Some("COMMAND" | "CMD" | "ARGS" | "CMDLINE"))
        && line
            .split_whitespace()
            .all(|word| word.bytes().all(|byte| byte.is_ascii_uppercase() || b"%+/".contains(&byte)))
}

/// A program's path, or a component's name, with arguments.
fn looks_like_command(line: &str) -> bool {
    let program = line.split_whitespace().next().unwrap_or("");
    let name = program.rsplit('/').next().unwrap_or("");
    let is_path = program.starts_with('/') && !program.ends_with(':');
    (is_path || crate::component::is_component_name(name)) && !name.is_empty() && !line.contains(": ")
}

/// `NAME=value` lines or TOML's `key = value`.
fn assignments(name: &str, lines: &[&str]) -> Option<Shape> {
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    let first = lines.first()?;
    let (left, right) = first.strip_prefix("export ").unwrap_or(first).split_once('=')?;
    if left.ends_with(' ') && is_name(left.trim_end()) && right.starts_with(' ') {
        return Some(Shape::Toml);
    }
    let all = lines.iter().all(|line| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        line.split_once('=').is_some_and(|(left, _)| is_name(left))
    });
    (all || (is_name(left) && has_ending(name, &[".env", "environment"]))).then_some(Shape::Env)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_before_the_name() {
        let check = |name, text, expected| assert_eq!(detect(name, text), expected, "{name}: {text}");
        check("a.yaml", "{\"kind\": \"Pod\"}", Shape::Json);
        check("a.json", "---\nkind: Pod", Shape::Yaml);
        check("-", "apiVersion: v1\n", Shape::Yaml);
        check("-", "[Unit]\nDescription=x", Shape::Unit);
        check("10-kubeadm.conf", "# note\n[Service]\nExecStart=", Shape::Unit);
        check("config.toml", "version = 2\n[plugins]\n", Shape::Toml);
        check("-", "[crio]\nlog = 1", Shape::Toml);
        check("-", "[plugins.\"io.containerd\"]\n  a = 1", Shape::Toml);
        check("-", "[\n  {\"a\": 1}]", Shape::Json);
        check("-", "[1, 2]", Shape::Json);
        check("kubelet.env", "KUBELET_ARGS=\"--x\"", Shape::Env);
        check("-", "# c\nexport A=1\nB=2", Shape::Env);
        check("-", "600 0 0 root root /etc/kubernetes/admin.conf", Shape::Files);
        check("-", "PID COMMAND\n1 /sbin/init", Shape::Processes);
        check("-", "/usr/bin/dockerd -H tcp://0.0.0.0:2375", Shape::Processes);
        check("cmdline", "kube-apiserver\0--anonymous-auth=true\0", Shape::Processes);
        check("x.png", "\u{1}PNG\0\0", Shape::Binary);
        check("-", "{{- if .Values.x }}\nkind: Pod", Shape::Yaml);
        check("empty", "", Shape::Yaml);
        check("list.yaml", "- a\n- b", Shape::Yaml);
        check("a.yml", "a=b", Shape::Yaml);
        check("var/snap/microk8s/current/args/kubelet", "# c\n--v=2\n\n--x", Shape::Arguments);
        check("args/etcd", "", Shape::Arguments);
        check("args/other", "--v=2", Shape::Yaml);
        check("kubelet", "--v=2", Shape::Yaml);
        check("args/kubelet", "kind: Pod", Shape::Yaml);
    }
}
