use std::{fmt, fs::File, io, io::Read, path::Path};

use crate::SettingsError;

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 4_096;

/// A secret: it can be used, not shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one who must send or sign with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The secret that a file or a variable of the environment holds; `None` when neither is named.
    ///
    /// - `names`: the settings of the two, for errors;
    /// - `environment`: looks a variable up.
    ///
    /// # Errors
    /// When both are named, or what is named is not there, empty, or longer than 4 KiB.
    pub(crate) fn from_settings(
        names: (&'static str, &'static str),
        file: Option<&Path>,
        variable: Option<&str>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, SettingsError> {
        let (setting, text) = match (file, variable) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(SettingsError::Both(names.0, names.1)),
            (Some(path), None) => (names.0, read(names.0, path)?),
            (None, Some(variable)) => {
                let missing =
                    || SettingsError::Environment { setting: names.1, variable: variable.to_owned() };
                (names.1, environment(variable).ok_or_else(missing)?)
            }
        };
        // Editors and `echo` end a file with a line break, which is no part of the secret.
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(SettingsError::Value { setting, why: "names an empty secret".to_owned() });
        }
        Ok(Some(Self(text.to_owned())))
    }
}

fn read(setting: &'static str, path: &Path) -> Result<String, SettingsError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text));
    let read = read.and_then(|bytes| match bytes as u64 > SECRET_BYTES_MAX {
        true => Err(io::Error::other("longer than 4 KiB")),
        false => Ok(()),
    });
    read.map_err(|source| SettingsError::File { setting, path: path.display().to_string(), source })?;
    Ok(text)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_comes_from_a_file_or_the_environment_and_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let environment = |name: &str| (name == "THERE").then(|| "from-environment".to_owned());
        let get = |file: Option<&Path>, variable| {
            Secret::from_settings(("a_file", "a_env"), file, variable, &environment)
        };
        fs::write(&path, "from file\r\n").unwrap();
        assert_eq!(get(Some(&path), None).unwrap(), Some(Secret::new("from file")));
        assert_eq!(get(None, Some("THERE")).unwrap(), Some(Secret::new("from-environment")));
        assert_eq!(get(None, None).unwrap(), None);
        assert!(get(None, Some("NOT_THERE")).unwrap_err().to_string().contains("NOT_THERE"));
        assert!(get(Some(&path), Some("THERE")).unwrap_err().to_string().contains("exclude each other"));
        for wrong in ["\n".to_owned(), "x".repeat(5_000)] {
            fs::write(&path, wrong).unwrap();
            assert!(get(Some(&path), None).is_err());
        }
        assert!(get(Some(&dir.path().join("none")), None).unwrap_err().to_string().contains("none"));
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
