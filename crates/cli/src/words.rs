//! Words of closed lists on the command line: shells complete them, mistakes are told as everywhere else.

use std::ffi::OsStr;

use clap::{
    Arg, Command,
    builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser},
    error::{ContextKind, ContextValue, Error, ErrorKind},
};
use nightlatch_asset::{CATALOGUE, Severity, edit_distance};

/// A severity.
pub(crate) fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)).try_map(|word| word.parse::<Severity>())
}

/// A field, or with `facets` one to count by; any word is let through, and looked up where mistakes get a hint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FieldName {
    pub(crate) facets: bool,
}

impl TypedValueParser for FieldName {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        let name = StringValueParser::new().parse_ref(command, arg, value)?;
        if !name.trim().is_empty() {
            return Ok(name);
        }
        let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
        if let Some(arg) = arg {
            error.insert(ContextKind::InvalidArg, ContextValue::String(arg.to_string()));
        }
        error.insert(ContextKind::InvalidValue, ContextValue::String(String::new()));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let offered = CATALOGUE.iter().filter(|info| !self.facets || info.facet);
        Some(Box::new(offered.map(|info| PossibleValue::new(info.name).help(info.help))))
    }
}

/// `1 file`, `2 files`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The word most like one that is not known, if one is much like it.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let known = known.into_iter().take(KNOWN_MAX).map(|one| (edit_distance(word, one), one));
    let (distance, near) = known.min_by_key(|(distance, _)| *distance)?;
    (distance > 0 && distance * 3 <= word.chars().count().max(3)).then_some(near)
}

/// Words that are compared.
const KNOWN_MAX: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_understood() {
        let check =
            |word, near| assert_eq!(nearest(word, ["get", "list", "watch", "create", "web"]), near, "{word}");
        check("gett", Some("get"));
        check("wbe", Some("web"));
        check("craete", Some("create"));
        check("get", None);
        check("escalate", None);
        check("", None);
        assert_eq!((counted(1, "file"), counted(2, "file")), ("1 file".to_owned(), "2 files".to_owned()));
    }
}
