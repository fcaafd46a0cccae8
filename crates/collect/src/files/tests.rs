use std::{fs, os::unix::fs::symlink, path::PathBuf};

use super::*;

fn collected(root: &Path) -> Files {
    collect_paths(&[root.to_owned()], &FileOptions::default())
}

fn names(files: &Files, root: &Path) -> Vec<String> {
    let prefix = format!("{}/", root.display());
    files.inputs.iter().map(|input| input.name.raw().replace(&prefix, "")).collect()
}

#[test]
fn folders_are_read_sorted_and_without_what_is_no_configuration() {
    let root = tempfile::tempdir().unwrap();
    for path in [
        "b.yaml",
        "a/c.yml",
        "a/readme.md",
        ".git/x.yaml",
        "node_modules/y.json",
        ".hidden/z.yaml",
        "d.JSON",
        "ign/e.yaml",
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "a: 1\n").unwrap();
    }
    fs::write(root.path().join(".nightlatchignore"), "ign/\n").unwrap();
    let files = collected(root.path());
    assert_eq!(names(&files, root.path()), ["a/c.yml", "b.yaml", "d.JSON"]);
    assert!(files.diagnostics.is_empty(), "{:?}", files.diagnostics);
}

#[test]
fn links_stay_inside_and_pipes_are_not_waited_for() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.yaml"), "a: 1\n").unwrap();
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("..data")).unwrap();
    fs::write(root.path().join("..data/real.yaml"), "a: 1\n").unwrap();
    symlink("..data/real.yaml", root.path().join("in.yaml")).unwrap();
    symlink(outside.path().join("secret.yaml"), root.path().join("out.yaml")).unwrap();
    symlink("nowhere.yaml", root.path().join("dead.yaml")).unwrap();
    symlink(".", root.path().join("loop.yaml")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.path().join("pipe.yaml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let files = collected(root.path());
    assert_eq!(names(&files, root.path()), ["in.yaml"]);
    assert_eq!(files.diagnostics.len(), 3, "{:?}", files.diagnostics);
}

#[test]
fn what_is_named_and_cannot_be_read_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let pipe = root.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    let long = root.path().join("long.yaml");
    fs::write(&long, vec![b'a'; 100]).unwrap();
    let options = FileOptions { bytes_max: 99, ..FileOptions::default() };
    let paths: Vec<PathBuf> = vec![pipe, long, root.path().join("absent.yaml"), "/dev/null".into()];
    let files = collect_paths(&paths, &options);
    assert!(files.inputs.is_empty());
    let said: Vec<&str> = files.diagnostics.iter().map(|diagnostic| diagnostic.message.raw()).collect();
    assert!(said[0].contains("named pipe"), "{said:?}");
    assert!(said[1].contains("limit"), "{said:?}");
    assert!(said[2].contains("cannot be read"), "{said:?}");
    assert!(said[3].contains("device"), "{said:?}");
}
