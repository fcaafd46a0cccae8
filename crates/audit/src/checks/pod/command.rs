//! What a container starts: the programs of its command line, those of a shell script in it, and those that wrappers start.

use nightlatch_manifest::{Container, Node};

use super::spec::base_name;

/// One program that is started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    /// Its name without path.
    pub(super) name: &'a str,
    /// The same as written.
    pub(super) path: &'a str,
    /// The word after it, when there is one.
    pub(super) next: Option<&'a str>,
    /// The element of `command`, `args` or a hook that has it.
    pub(super) node: Node<'a>,
    /// True when a shell goes on without waiting for it.
    pub(super) background: bool,
}

/// Programs that start what follows them.
const WRAPPERS: [&str; 16] = [
    "tini",
    "dumb-init",
    "catatonit",
    "env",
    "exec",
    "nohup",
    "nice",
    "ionice",
    "setsid",
    "time",
    "timeout",
    "stdbuf",
    "gosu",
    "su-exec",
    "command",
    "chroot",
];

const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "ksh"];

/// Words of a script that stand before a command.
const KEYWORDS: [&str; 13] =
    ["if", "then", "else", "elif", "fi", "do", "done", "while", "until", "for", "case", "esac", "!"];

/// How many words of wrappers are skipped before it is given up.
const WRAPPED_MAX: usize = 12;

/// Bytes of a script that are looked at.
const SCRIPT_BYTES_MAX: usize = 64 * 1024;

/// Tells `say` each program that the container starts, in order.
pub(super) fn programs<'a>(container: &Container<'a>, mut say: impl FnMut(Program<'a>)) {
    let list = |key| container.node.get(key).into_iter().flat_map(Node::items);
    let words = || list("command").chain(list("args"));
    // Arguments alone go to the image's entry point; it starts them unless they are flags.
    let starts = container.node.get("command").is_some_and(|command| !command.is_empty())
        || list("args").next().is_some_and(|first| !first.text().starts_with('-'));
    if starts {
        line(words, &mut say);
    }
    for hook in ["lifecycle.postStart.exec.command", "lifecycle.preStop.exec.command"] {
        if let Some(command) = container.node.at(hook) {
            line(|| command.items(), &mut say);
        }
    }
}

/// A command line as a list of words.
fn line<'a, I: Iterator<Item = Node<'a>>>(words: impl Fn() -> I, say: &mut impl FnMut(Program<'a>)) {
    let mut at = 0;
    for _ in 0..WRAPPED_MAX {
        let Some(node) = words().nth(at) else { return };
        // A whole command line in one word is common; the runtime would not find such a program, but it shows the intent.
        if at == 0 && node.text().contains(char::is_whitespace) {
            return script(node, say);
        }
        let name = base_name(node.text());
        if SHELLS.contains(&name) {
            return shell(words().skip(at + 1), node, say);
        }
        let next = words().nth(at + 1).map(Node::text);
        say(Program { name, path: node.text(), next, node, background: false });
        if !WRAPPERS.contains(&name) {
            return;
        }
        at += 1;
        at += words().skip(at).take_while(|word| is_flag_of(name, word.text())).count();
        at += operands_of(name);
    }
}

/// True for a flag or assignment that belongs to the wrapper before it.
fn is_flag_of(wrapper: &str, word: &str) -> bool {
    word.starts_with('-')
        || match wrapper {
            "env" => word.contains('='),
            "nice" | "ionice" => word.starts_with(|c: char| c.is_ascii_digit()),
            _ => false,
        }
}

/// How many words stand between the flags of a wrapper and the command: a user, a directory, a duration.
fn operands_of(wrapper: &str) -> usize {
    usize::from(matches!(wrapper, "gosu" | "su-exec" | "chroot" | "timeout"))
}

/// `sh -c SCRIPT`: only with `c` among the flags is the next word a script.
fn shell<'a>(words: impl Iterator<Item = Node<'a>>, own: Node<'a>, say: &mut impl FnMut(Program<'a>)) {
    let mut is_script = false;
    for word in words {
        let text = word.text();
        if is_script {
            return script(word, say);
        }
        if text.starts_with(['-', '+']) {
            is_script = text.starts_with('-') && !text.starts_with("--") && text.contains('c');
            continue;
        }
        // A file that is run.
        return say(Program { name: base_name(text), path: text, next: None, node: own, background: false });
    }
}

/// One part of a script, between separators.
struct Segment<'a> {
    text: &'a str,
    background: bool,
}

fn script<'a>(node: Node<'a>, say: &mut impl FnMut(Program<'a>)) {
    let text = node.text();
    let mut end = text.len().min(SCRIPT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut rest = &text[..end];
    while let Some(segment) = next_segment(&mut rest) {
        first_command(&segment, node, say);
    }
}

/// Cuts the next part off: at `;`, `&`, `&&`, `|`, `||`, a line's end or a bracket outside quotes.
fn next_segment<'a>(rest: &mut &'a str) -> Option<Segment<'a>> {
    if rest.is_empty() {
        return None;
    }
    let text = *rest;
    let bytes = text.as_bytes();
    let (mut quote, mut at) = (0u8, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote != b'\'' => at += 1,
            b'\'' | b'"' if quote == 0 => quote = byte,
            _ if quote != 0 && byte == quote => quote = 0,
            b'#' if quote == 0 && starts_word(bytes, at) => {
                let line = text[at..].find('\n').unwrap_or(text.len() - at);
                *rest = &text[at + line..];
                return Some(Segment { text: &text[..at], background: false });
            }
            b'&' if quote == 0 && is_redirection(bytes, at) => {}
            b';' | b'|' | b'&' | b'\n' | b'(' | b')' | b'{' | b'}' if quote == 0 => {
                let twice = bytes.get(at + 1) == Some(&byte) && matches!(byte, b'|' | b'&' | b';');
                *rest = &text[at + 1 + usize::from(twice)..];
                return Some(Segment { text: &text[..at], background: byte == b'&' && !twice });
            }
            _ => {}
        }
        at += 1;
    }
    *rest = "";
    Some(Segment { text, background: false })
}

fn starts_word(bytes: &[u8], at: usize) -> bool {
    at == 0 || bytes.get(at - 1).is_some_and(u8::is_ascii_whitespace)
}

/// `2>&1`, `<&3`, `&>file`.
fn is_redirection(bytes: &[u8], at: usize) -> bool {
    (at > 0 && matches!(bytes.get(at - 1), Some(b'>' | b'<'))) || bytes.get(at + 1) == Some(&b'>')
}

/// The command of a part: what follows keywords, assignments and wrappers.
fn first_command<'a>(segment: &Segment<'a>, node: Node<'a>, say: &mut impl FnMut(Program<'a>)) {
    let mut words =
        segment.text.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\''])).peekable();
    let (mut wrapper, mut operands) = ("", 0);
    while let Some(word) = words.next() {
        let assigns = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        if assigns || KEYWORDS.contains(&word) || (!wrapper.is_empty() && is_flag_of(wrapper, word)) {
            continue;
        }
        if operands > 0 {
            operands -= 1;
            continue;
        }
        let name = base_name(word);
        if !name.is_empty() {
            let next = words.peek().copied();
            say(Program { name, path: word, next, node, background: segment.background });
        }
        if !WRAPPERS.contains(&name) {
            return;
        }
        (wrapper, operands) = (name, operands_of(name));
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_manifest::{Corpus, Input, Workload};

    use super::*;

    fn started(container: &str) -> Vec<String> {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - {{name: c, image: i, {container}}}\n"
        );
        let corpus = Corpus::read(vec![Input { name: "p.yaml".into(), bytes: text.into_bytes() }]);
        let object = corpus.objects().next().expect("one object");
        let workload = Workload::of(&object, &[]).expect("a workload");
        let mut found = Vec::new();
        for container in workload.containers() {
            programs(&container, |program| {
                found.push(format!("{}{}", program.name, if program.background { "&" } else { "" }));
            });
        }
        found
    }

    proptest::proptest! {
        #[test]
        fn any_script_is_taken_apart(text in r#"[a-z \\'"&;#|(){}<>\nü=/-]{0,200}"#) {
            let mut rest = text.as_str();
            let mut parts = 0;
            while let Some(segment) = next_segment(&mut rest) {
                parts += 1;
                proptest::prop_assert!(parts <= 2 * text.len() + 1 && text.contains(segment.text));
            }
        }
    }

    #[test]
    fn programs_of_command_lines() {
        for (container, expected) in [
            (r#"command: [/usr/sbin/nginx, -g, "daemon off;"]"#, "nginx"),
            (r#"args: [--config=/etc/app]"#, ""),
            (r#"args: [supervisord, -n]"#, "supervisord"),
            (r#"command: [tini, -g, --, /usr/bin/supervisord]"#, "tini supervisord"),
            (r#"command: [sh, -c, "nginx & php-fpm"]"#, "nginx& php-fpm"),
            (r#"command: [/bin/bash], args: [-ec, "a 2>&1 && b; c | d"]"#, "a b c d"),
            (r#"command: [sh, -c, "echo 'x; y & z' ; exec env A=1 run --flag"]"#, "echo exec env run"),
            (r#"command: [sh, -c, "FOO=bar service ssh start"]"#, "service"),
            (r#"command: [sh, -c, "if true; then crond; fi # sshd"]"#, "true crond"),
            (r#"command: [sh, /start.sh]"#, "start.sh"),
            (r#"command: [gosu, postgres, postgres, -D, /data]"#, "gosu postgres"),
            (r#"command: ["nginx -g daemon-off"]"#, "nginx"),
            (r#"command: null, args: null"#, ""),
            (r#"command: []"#, ""),
            (r#"lifecycle: {postStart: {exec: {command: [sudo, chown]}}}"#, "sudo"),
            (r#"command: [sh, -c]"#, ""),
        ] {
            assert_eq!(started(container).join(" "), expected, "{container}");
        }
    }
}
