//! Reads every file of a folder and parses it with positions, with one parser, and does nothing else: what an audit of
//! the same folder is compared with. Prints documents or events, so that nothing is optimised away.
//!
//! Usage: `bare-parse PARSER DIR`. Exits with 1 when a file cannot be read or parsed.

use std::{env, fs, io, path::Path, process::ExitCode};

use nightlatch_manifest::{Corpus, Input};
use saphyr::{LoadableYamlNode, MarkedYaml};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARSERS: &[(&str, fn(Vec<Vec<u8>>) -> Result<usize, String>)] = &[
    ("nightlatch", nightlatch),
    ("saphyr", saphyr),
    ("saphyr-events", saphyr_events),
    ("libyaml-events", libyaml_events),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [name, dir] = arguments.as_slice() else { return fail("usage: bare-parse PARSER DIR") };
    let Some((_, parse)) = PARSERS.iter().find(|(own, _)| own == name) else {
        let names: Vec<&str> = PARSERS.iter().map(|(name, _)| *name).collect();
        return fail(&format!("no parser {name}; there are: {}", names.join(", ")));
    };
    let mut files = Vec::new();
    if let Err(error) = collect(Path::new(dir), &mut files) {
        return fail(&format!("{dir}: {error}"));
    }
    match parse(files) {
        Ok(count) => {
            println!("{count}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn collect(dir: &Path, files: &mut Vec<Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// The tree of every document, with spans.
fn nightlatch(files: Vec<Vec<u8>>) -> Result<usize, String> {
    let input = |(at, bytes)| Input { name: format!("{at}.yaml").into(), bytes };
    let corpus = Corpus::read(files.into_iter().enumerate().map(input));
    if corpus.diagnostics.is_empty() {
        Ok(corpus.documents.len())
    } else {
        Err("a file was not read".to_owned())
    }
}

/// The tree of every document, with spans. All trees are kept, as an audit keeps them.
fn saphyr(files: Vec<Vec<u8>>) -> Result<usize, String> {
    let texts = texts(files)?;
    let mut trees = Vec::new();
    for text in &texts {
        trees.extend(MarkedYaml::load_from_str(text).map_err(|error| error.to_string())?);
    }
    Ok(trees.len())
}

/// Events with spans, of which nothing is kept.
fn saphyr_events(files: Vec<Vec<u8>>) -> Result<usize, String> {
    let mut events = 0;
    for text in texts(files)? {
        for event in saphyr_parser::Parser::new_from_str(&text) {
            event.map_err(|error| error.to_string())?;
            events += 1;
        }
    }
    Ok(events)
}

/// Events with marks, of which nothing is kept.
fn libyaml_events(files: Vec<Vec<u8>>) -> Result<usize, String> {
    let mut events = 0;
    for bytes in files {
        let mut rest = bytes.as_slice();
        let mut parser = libyaml_safer::Parser::new();
        parser.set_input_string(&mut rest);
        loop {
            let event = parser.parse().map_err(|error| error.to_string())?;
            events += 1;
            if matches!(event.data, libyaml_safer::EventData::StreamEnd) {
                break;
            }
        }
    }
    Ok(events)
}

fn texts(files: Vec<Vec<u8>>) -> Result<Vec<String>, String> {
    files.into_iter().map(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string())).collect()
}
