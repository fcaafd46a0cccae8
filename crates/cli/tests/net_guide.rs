//! The guide of `nightlatch net` shows what the program prints.

use std::{path::Path, process::Command};

#[test]
fn the_guide_shows_what_is_printed() {
    let guide = include_str!("../../../docs/guide/network.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    let mut compared = 0;
    for block in
        guide.split("```console\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block)
    {
        let (command, expected) = block.split_once('\n').unwrap();
        let words: Vec<&str> = command.trim_start_matches("$ nightlatch ").split(' ').collect();
        if expected.is_empty() || expected.starts_with('$') {
            continue;
        }
        let done = Command::new(env!("CARGO_BIN_EXE_nightlatch"))
            .args(words)
            .current_dir(&folder)
            .env("COLUMNS", "100")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), expected, "{command}");
        compared += 1;
    }
    assert!(compared >= 2);
}
