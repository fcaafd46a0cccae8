//! The smallest roles for an audit log.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use nightlatch_rbac::{SuggestOptions, Suggestion};

use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// The smallest roles and bindings that allow what an audit log shows, as YAML
///
/// Reads audit.k8s.io events, one JSON object a line. Requests that were refused do not count unless --denied.
///
/// Example:
///   nightlatch rbac suggest --from audit.log --user system:serviceaccount:web:api > role.yaml
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Suggest {
    /// The audit log; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    from: PathBuf,
    /// Only this user; may be repeated [default: all]
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// With more names of one resource than this a rule is for all names; 0 lists none
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    names_max: usize,
    /// Allow what was refused too
    #[arg(long)]
    denied: bool,
}

/// Longest line that is read; an event with whole request and answer stays below.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Bad lines that are told one by one.
const MISTAKES_SHOWN: u64 = 5;

impl Suggest {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let only = (!self.user.is_empty()).then(|| self.user.iter().cloned().collect::<BTreeSet<_>>());
        let options = SuggestOptions { names_max: self.names_max, denied: self.denied };
        let mut suggestion = Suggestion::new(options, only);
        let mistakes = if self.from == Path::new("-") {
            collect(&mut io::stdin().lock(), &self.from, &mut suggestion)
        } else {
            let file = File::open(&self.from).map_err(|error| unreadable(&self.from, &error))?;
            collect(&mut BufReader::new(file), &self.from, &mut suggestion)
        }?;
        if suggestion.events() == 0 {
            return Err(Failure::usage(format!("{} holds no event of an audit log", self.from.display()))
                .hint("expected one JSON object of kind Event (audit.k8s.io) a line"));
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        out.write_all(suggestion.yaml().as_bytes())?;
        out.flush()?;
        if session.chatty() {
            let skipped = suggestion.skipped();
            let events = suggestion.events();
            let read = if events == 1 { "1 event".to_owned() } else { format!("{events} events") };
            say(format_args!("{read} read, {skipped} of them refused or said twice"));
            if suggestion.is_cut() {
                say("warning: there are so many different requests that some were left out");
            }
            if mistakes > 0 {
                let lines = if mistakes == 1 { "1 line".to_owned() } else { format!("{mistakes} lines") };
                say(format_args!("warning: {lines} could not be read"));
            }
        }
        Ok(Exit::Clean)
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::from_error(Exit::Usage, error).while_doing(format!("cannot read {}", path.display()))
}

/// Takes every line; tells the first bad ones. Returns how many were bad.
fn collect(input: &mut dyn BufRead, path: &Path, suggestion: &mut Suggestion) -> Result<u64, Failure> {
    let mut mistakes = 0u64;
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let whole = next_line(input, &mut line).map_err(|error| unreadable(path, &error))?;
        let Some(is_whole) = whole else { break };
        let mistake = match is_whole {
            false => Some(format!("longer than {LINE_BYTES_MAX} bytes")),
            true => suggestion.line(&line).err().map(|error| error.to_string()),
        };
        if let Some(mistake) = mistake {
            mistakes += 1;
            if mistakes <= MISTAKES_SHOWN {
                say(format_args!("warning: {}:{number}: {mistake}", path.display()));
            }
        }
    }
    Ok(mistakes)
}

/// Reads one line. Nothing at the end; false when the line was too long and was passed over.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    let mut is_whole = true;
    let mut is_any = false;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(is_any.then_some(is_whole));
        }
        is_any = true;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        if line.len() + part.len() > LINE_BYTES_MAX {
            is_whole = false;
            line.clear();
        } else if is_whole {
            line.extend_from_slice(part);
        }
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(Some(is_whole));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_the_rest_is_read() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        let text = [b"one\n".as_slice(), &long, b"\ntwo"].concat();
        let mut input = BufReader::new(text.as_slice());
        let mut line = Vec::new();
        let mut seen = Vec::new();
        while let Some(is_whole) = next_line(&mut input, &mut line).expect("memory") {
            seen.push((is_whole, String::from_utf8_lossy(&line).into_owned()));
            line.clear();
        }
        assert_eq!(seen, [(true, "one".into()), (false, String::new()), (true, "two".into())]);
    }
}
