use std::os::unix::fs::{PermissionsExt, symlink};

use nightlatch_untrusted::hostile::CORPUS;

use super::*;
use crate::samples::{hostile, message, notifier};

fn args(name: &str) -> Args {
    notifier("file", &[("name", name)]).args
}

#[tokio::test]
async fn each_message_is_one_line_that_only_the_owner_reads() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::new(dir.path()).unwrap();
    files.send(&args("alerts.jsonl"), &message()).await.unwrap();
    for text in CORPUS {
        files.send(&args("alerts.jsonl"), &hostile(text)).await.unwrap();
    }
    let path = dir.path().join("alerts.jsonl");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), CORPUS.len() + 1);
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["nightlatch_event"]["key"], message().key.as_str());
        assert!(!line.chars().any(nightlatch_untrusted::is_dangerous));
    }
}

#[tokio::test]
async fn half_a_line_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::new(dir.path()).unwrap();
    fs::write(dir.path().join("a"), "{\"half").unwrap();
    files.send(&args("a"), &message()).await.unwrap();
    files.send(&args("a"), &message()).await.unwrap();
    let text = fs::read_to_string(dir.path().join("a")).unwrap();
    let whole = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
    assert_eq!((text.lines().count(), whole), (3, 2));
}

#[tokio::test]
async fn nothing_but_plain_files_of_the_directory_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::new(dir.path()).unwrap();
    symlink("/dev/null", dir.path().join("link")).unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    for (name, may_pass) in [
        ("link", true),
        ("folder", true),
        ("../x", false),
        ("", false),
        ("a/b", false),
        (".x", false),
        ("/etc/x", false),
    ] {
        let error = files.send(&args(name), &message()).await.unwrap_err();
        assert_eq!(error.may_pass(), may_pass, "{name}: {error}");
    }
    drop(dir);
    assert!(files.send(&args("a"), &message()).await.unwrap_err().may_pass());
    assert!(Files::new(Path::new("/nonexistent")).is_err());
}
