//! Checks what must be absent: rooms that are pure stay so, in their text.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rooms that are pure functions and state machines: no socket, file, clock, randomness or process.
const PURE: &[&str] = &[
    "alert",
    "asset",
    "banner",
    "fingerprint",
    "finding",
    "probe",
    "query",
    "report",
    "scope",
    "store",
    "untrusted",
];

/// What a pure room may not name, and what it would be.
const IMPURE: &[(&str, &str)] = &[
    ("TcpStream", "a socket"),
    ("UdpSocket", "a socket"),
    ("TcpListener", "a socket"),
    ("tokio::", "an async runtime"),
    ("std::fs", "a file"),
    ("fs::File", "a file"),
    ("SystemTime::now", "a clock"),
    ("Instant::now", "a clock"),
    ("Timestamp::now", "a clock"),
    ("getrandom", "randomness"),
    ("process::Command", "a process"),
    ("env::var", "the environment"),
];

/// Every place where a pure room reaches outside, as sentences.
///
/// # Errors
/// When a source file cannot be read.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for room in PURE {
        for file in sources(&root.join("crates").join(room).join("src"))? {
            let text =
                fs::read_to_string(&file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
            for (line, what) in impurities(&text) {
                problems
                    .push(format!("{}:{line}: `{room}` is pure and must not touch {what}", file.display()));
            }
        }
    }
    Ok(problems)
}

/// Lines outside tests and comments that name something impure. Tests stand at the end of a file.
fn impurities(text: &str) -> Vec<(usize, &'static str)> {
    text.lines()
        .take_while(|line| !line.starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test"))
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .flat_map(|(at, line)| {
            IMPURE.iter().filter(move |(word, _)| line.contains(word)).map(move |(_, what)| (at + 1, *what))
        })
        .collect()
}

fn sources(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| format!("cannot read {}: {e}", dir.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_dir() && name != "tests" {
            found.extend(sources(&path)?);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_rooms_are_pure() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert_eq!(check(&root).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_clock_is_seen_but_not_in_comments_and_tests() {
        let text = "let a = Instant::now();\n// Instant::now\n#[cfg(test)]\nlet b = Instant::now();\n";
        assert_eq!(impurities(text), [(1, "a clock")]);
    }
}
