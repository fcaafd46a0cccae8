use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use nightlatch_alert::{Args, Message};
use nightlatch_untrusted::json;

use crate::{NotifyError, error::SettingsError};

/// Appends to files in one directory. Files are opened anew for each message, so they may be moved away any time.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    directory: PathBuf,
}

impl Files {
    pub(crate) fn new(directory: &Path) -> Result<Self, SettingsError> {
        let setting = "notify.file.directory";
        let found = fs::metadata(directory).map_err(|source| SettingsError::File {
            setting,
            path: directory.display().to_string(),
            source,
        })?;
        if !found.is_dir() {
            return Err(SettingsError::Value { setting, why: "names no directory".to_owned() });
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// Appends the message as one line of JSON; it is on the disk when this returns.
    pub(crate) async fn send(&self, args: &Args, message: &Message) -> Result<String, NotifyError> {
        let name = args.get("name").unwrap_or_default().to_owned();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(NotifyError::Config("the argument `name` is no plain file name".to_owned()));
        }
        let line = line(message)?;
        let path = self.directory.join(&name);
        let done = tokio::task::spawn_blocking(move || append(&path, &line)).await;
        let done = done.unwrap_or_else(|_| Err(io::Error::other("the writer broke off")));
        done.map_err(|e| NotifyError::file(&name, &e))?;
        Ok(format!("appended to {name}"))
    }
}

fn line(message: &Message) -> Result<String, NotifyError> {
    let body = message.document().map_err(|e| NotifyError::Config(e.to_string()))?;
    json::to_string(&body).map_err(|e| NotifyError::Config(e.to_string()))
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    // Opening a pipe or a device could wait for ever, and a link could lead anywhere.
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return Err(io::Error::other("it is there and is no plain file")),
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut text = Vec::with_capacity(line.len() + 2);
    // A crash may have left half a line; ours begins on a new one.
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push(b'\n');
        }
    }
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
    file.write_all(&text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
