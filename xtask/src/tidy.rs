//! Compares the table of rooms in `docs/ARCHITECTURE.md` with the crate graph that cargo resolves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Room to the rooms it uses or may use.
type Graph = BTreeMap<String, BTreeSet<String>>;

const PREFIX: &str = "nightlatch-";

/// Every way in which map and house differ, as sentences.
///
/// # Errors
/// When the map or the crate graph cannot be read.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let root = root();
    let map = root.join("docs/ARCHITECTURE.md");
    let text = fs::read_to_string(&map).map_err(|e| format!("cannot read {}: {e}", map.display()))?;
    Ok(differences(&allowed(&text), &used(&root)?))
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn differences(allowed: &Graph, used: &Graph) -> Vec<String> {
    let mut problems = Vec::new();
    for (room, uses) in used {
        let Some(may) = allowed.get(room) else {
            problems.push(format!("room `{room}` is not on the map: add a row to docs/ARCHITECTURE.md"));
            continue;
        };
        for other in uses.difference(may).filter(|_| !may.contains("all")) {
            problems.push(format!("`{room}` uses `{other}`, which the map does not allow"));
        }
        for other in may.difference(uses).filter(|other| *other != "all") {
            problems.push(format!("the map lets `{room}` use `{other}`, which it does not: take it out"));
        }
    }
    for room in allowed.keys().filter(|room| !used.contains_key(*room)) {
        problems.push(format!("the map shows a room `{room}` that does not exist"));
    }
    problems
}

/// Reads the rows `| room | for | may use |` below the heading `## Rooms`.
fn allowed(text: &str) -> Graph {
    let rooms = text.split("\n## ").find(|section| section.starts_with("Rooms")).unwrap_or_default();
    rooms
        .lines()
        .filter_map(|line| line.strip_prefix('|'))
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells.len() >= 3 && cells[0] != "room" && !cells[0].starts_with("---"))
        .map(|cells| (cells[0].to_owned(), cells[2].split_whitespace().map(str::to_owned).collect()))
        .collect()
}

/// Asks cargo for the packages of the workspace and their ordinary dependencies among each other.
fn used(root: &Path) -> Result<Graph, String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .map_err(|e| format!("cannot run cargo metadata: {e}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|e| format!("cargo metadata: {e}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    Ok(packages.iter().filter_map(room).collect())
}

fn room(package: &Value) -> Option<(String, BTreeSet<String>)> {
    let in_crates = package["manifest_path"].as_str().is_some_and(|path| path.contains("/crates/"));
    let name = package["name"].as_str().filter(|_| in_crates)?.strip_prefix(PREFIX)?;
    let uses = package["dependencies"]
        .as_array()?
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str()?.strip_prefix(PREFIX))
        .map(str::to_owned)
        .collect();
    Some((name.to_owned(), uses))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_true() {
        assert_eq!(check().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn differences_are_seen_both_ways() {
        let map = allowed(
            "# x\n## Rooms\n| room | for | may use |\n| --- | --- | --- |\n| a | x | b c |\n| gone | x | |\n",
        );
        let house = Graph::from([
            ("a".into(), BTreeSet::from(["b".into(), "d".into()])),
            ("new".into(), BTreeSet::new()),
        ]);
        assert_eq!(differences(&map, &house).len(), 4);
    }
}
