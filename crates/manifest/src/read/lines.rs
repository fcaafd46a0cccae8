//! What programs print about nodes, line by line: files with mode and owner, and processes with their arguments.

use super::{Out, detect};
use crate::{Format, Kind, Span, TreeBuilder};

const FILE_FIELDS: [&str; 5] = ["mode", "uid", "gid", "owner", "group"];

/// Reads `MODE UID GID OWNER GROUP PATH` lines, as `stat -c '%a %u %g %U %G %n'` and
/// `find -printf '%m %U %G %u %g %p\n'` print them, as a list of mappings `mode uid gid owner group path`.
pub(super) fn files(out: &mut Out<'_>, start: usize) {
    let text = out.text.clone();
    let mut tree = out.builder(Format::Lines);
    tree.open(start as u32, Kind::Sequence);
    for (at, line) in numbered(&text, start) {
        if tree.len() + 13 > out.limits.nodes_max {
            break;
        }
        if !file(&mut tree, at, line) {
            out.error(at, "expected mode, user id, group id, owner, group and path");
        }
    }
    tree.close(text.len() as u32);
    let document = tree.finish(text.len() as u32);
    out.push(document);
}

fn file(tree: &mut TreeBuilder, at: usize, line: &str) -> bool {
    let mut fields = Vec::with_capacity(FILE_FIELDS.len());
    let mut rest = line;
    for _ in FILE_FIELDS {
        rest = rest.trim_start();
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        fields.push(span(at, line, &rest[..length]));
        rest = &rest[length..];
    }
    let path = rest.trim();
    if path.is_empty() {
        return false;
    }
    tree.open(at as u32, Kind::Mapping);
    for (name, span) in FILE_FIELDS.iter().zip(fields) {
        pair(tree, name, span, if matches!(*name, "uid" | "gid") { Kind::Int } else { Kind::String });
    }
    pair(tree, "path", span(at, line, path), Kind::String);
    tree.close((at + line.trim_end().len()) as u32);
    true
}

/// Reads what `ps` prints, or the content of `/proc/PID/cmdline` files, as a list of mappings with `args`.
pub(super) fn processes(out: &mut Out<'_>, start: usize) {
    let text = out.text.clone();
    let mut tree = out.builder(Format::Lines);
    tree.open(start as u32, Kind::Sequence);
    let mut skipped_fields = 0;
    for (index, (at, line)) in numbered(&text, start).enumerate() {
        if tree.len() + 3 > out.limits.nodes_max {
            break;
        }
        if index == 0 && detect::is_process_header(line) {
            skipped_fields = line.split_whitespace().count().saturating_sub(1);
            continue;
        }
        let mut rest = line.trim_start();
        for _ in 0..skipped_fields {
            rest = rest.find(char::is_whitespace).map_or("", |end| rest[end..].trim_start());
        }
        let args = rest.trim_end_matches(['\0', ' ', '\r', '\t']);
        if args.is_empty() {
            continue;
        }
        tree.open(at as u32, Kind::Mapping);
        let place = span(at, line, args);
        if args.contains('\0') {
            let quoted: Vec<String> = args.split('\0').map(quoted).collect();
            let key = Span { start: place.start, end: place.start };
            tree.scalar_text(key, Kind::String, "args");
            tree.scalar_text(place, Kind::String, quoted.join(" "));
        } else {
            pair(&mut tree, "args", place, Kind::String);
        }
        tree.close(place.end);
    }
    tree.close(text.len() as u32);
    let document = tree.finish(text.len() as u32);
    out.push(document);
}

/// Reads the arguments of the program that the input is named after, words as a shell splits them and comments from `#`
/// to the end of the line, as a list of one process whose `args` are a list: the program, then every argument at its place.
///
/// Source: MicroK8s, "Configuring MicroK8s services": the files of `args` are put on the command line by a shell.
pub(super) fn arguments(out: &mut Out<'_>, start: usize) {
    let (text, program) = (out.text.clone(), out.file_name());
    let mut tree = out.builder(Format::Lines);
    let top = Span { start: start as u32, end: start as u32 };
    tree.open(top.start, Kind::Sequence);
    tree.open(top.start, Kind::Mapping);
    tree.scalar_text(top, Kind::String, "args");
    tree.open(top.start, Kind::Sequence);
    tree.scalar_text(top, Kind::String, program);
    for (at, line) in numbered(&text, start) {
        for place in words(at, line) {
            if tree.len() + 1 > out.limits.nodes_max {
                break;
            }
            let raw = text.get(place.start as usize..place.end as usize).unwrap_or("");
            match crate::split_words(raw).into_iter().next() {
                Some(word) if word != raw => tree.scalar_text(place, Kind::String, word),
                _ => tree.scalar_slice(place, Kind::String, place),
            };
        }
    }
    let document = tree.finish(text.len() as u32);
    out.push(document);
}

/// The places of the words of a line that starts at byte `at`: blanks in quotes or behind a backslash are part of a word,
/// and `#` at the start of one ends the line.
fn words(at: usize, line: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut begun: Option<usize> = None;
    let mut quote = None;
    let mut is_escaped = false;
    for (offset, character) in line.char_indices() {
        let is_blank = character.is_ascii_whitespace() && quote.is_none() && !is_escaped;
        if is_blank {
            found.extend(begun.take().map(|start| (start, offset)));
            continue;
        }
        if character == '#' && begun.is_none() {
            return places(at, &found);
        }
        begun.get_or_insert(offset);
        match (character, quote) {
            _ if is_escaped => is_escaped = false,
            ('\\', None | Some('"')) => is_escaped = true,
            ('\'' | '"', None) => quote = Some(character),
            (_, Some(open)) if open == character => quote = None,
            _ => {}
        }
    }
    found.extend(begun.map(|start| (start, line.len())));
    places(at, &found)
}

fn places(at: usize, words: &[(usize, usize)]) -> Vec<Span> {
    words.iter().map(|&(start, end)| Span { start: (at + start) as u32, end: (at + end) as u32 }).collect()
}

/// An argument as a shell would need it.
fn quoted(argument: &str) -> String {
    let simple = !argument.is_empty()
        && argument.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=./:,@%+".contains(&byte));
    if simple { argument.to_owned() } else { format!("'{}'", argument.replace('\'', "'\\''")) }
}

fn pair(tree: &mut TreeBuilder, name: &str, place: Span, kind: Kind) {
    tree.scalar_text(Span { start: place.start, end: place.start }, Kind::String, name);
    tree.scalar_slice(place, kind, place);
}

/// The place of `part`, a slice of `line`, which starts at byte `at`.
fn span(at: usize, line: &str, part: &str) -> Span {
    let offset = part.as_ptr() as usize - line.as_ptr() as usize;
    Span { start: (at + offset) as u32, end: (at + offset + part.len()) as u32 }
}

/// The lines that are neither empty nor comments, with where they start.
fn numbered(text: &str, start: usize) -> impl Iterator<Item = (usize, &str)> {
    let body = text.get(start..).unwrap_or("");
    body.split_inclusive('\n')
        .scan(start, |at, line| {
            let here = *at;
            *at += line.len();
            Some((here, line.trim_end_matches(['\n', '\r'])))
        })
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Corpus, Input};

    fn read(text: &str) -> Corpus {
        Corpus::read([Input { name: "x/args/kubelet".to_owned().into(), bytes: text.as_bytes().to_vec() }])
    }

    #[test]
    fn arguments_are_words_at_their_places() {
        let corpus = read("# note\n--a=1\n  --b 2 # why\n--c=\"x y\" --d='#'\n");
        let args = corpus.documents[0].root().items().next().and_then(|entry| entry.get("args")).unwrap();
        let found: Vec<(u32, String)> = args
            .items()
            .map(|node| (corpus.sources[0].place(node.span().start).line, node.text().to_owned()))
            .collect();
        let expected = [(1, "kubelet"), (2, "--a=1"), (3, "--b"), (3, "2"), (4, "--c=x y"), (4, "--d=#")];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    }

    proptest::proptest! {
        /// Every word has a place inside of its line, in order, and what a shell would split off is split off.
        #[test]
        fn words_lie_apart(line in "[-a-z=' \"\\\\#\u{e9}]{0,40}") {
            let found = words(3, &line);
            let mut last = 3;
            for place in &found {
                proptest::prop_assert!(place.start >= last && place.end > place.start);
                proptest::prop_assert!(line.get(place.start as usize - 3..place.end as usize - 3).is_some());
                last = place.end;
            }
            if !line.contains('#') {
                proptest::prop_assert_eq!(found.len(), crate::split_words(&line).len());
            }
        }
    }
}
