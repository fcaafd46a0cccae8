//! Words of closed lists on the command line: shells complete them, mistakes are told as everywhere else.

use std::ffi::OsStr;

use clap::{
    Arg, Command,
    builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser},
    error::{ContextKind, ContextValue, Error, ErrorKind},
};
use nightlatch_asset::{CATALOGUE, Severity};

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
