//! Where reports go: standard output, a file written whole, or several files in a directory. Nothing that exists is
//! replaced without being told to.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{failure::Failure, say::say, session::Session};

/// Bytes of rows that wait in memory until they are written to their files.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most files of one report; more would be a mistake, and slow.
const FILES_MAX: usize = 10_000;
/// Longest part of a file's name that is made of a foreign word, in bytes.
const WORD_BYTES_MAX: usize = 60;

/// Whether a path means a directory: it is one, or ends like one.
pub(super) fn is_directory(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/')
}

/// A foreign word as part of a file's name: letters, digits and hyphens.
pub(super) fn file_word(text: &str) -> String {
    let mut word = String::new();
    for c in text.chars() {
        if word.len() >= WORD_BYTES_MAX {
            break;
        }
        match c {
            c if c.is_ascii_alphanumeric() => word.push(c.to_ascii_lowercase()),
            _ if !word.is_empty() && !word.ends_with('-') => word.push('-'),
            _ => {}
        }
    }
    let word = word.trim_end_matches('-');
    if word.is_empty() { "unnamed".to_owned() } else { word.to_owned() }
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::from(error).while_doing(format!("cannot write {}", path.display()))
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!("{} exists already", path.display()))
        .hint("--force replaces it, or name another place with --output")
}

/// Beside the file, so that the rename stays on one file system.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".part-{}", std::process::id()));
    PathBuf::from(name)
}

fn open_part(part: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(part)
}

/// Where one document goes.
#[derive(Debug)]
pub(super) enum Destination {
    Standard,
    File(PathBuf),
}

impl Destination {
    /// Looks whether the place may be written, before any work is done.
    pub(super) fn open(path: &Path, force: bool) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self::Standard);
        }
        match fs::metadata(path) {
            Ok(found) if !found.is_file() => Err(Failure::usage(format!("{} is not a file", path.display()))
                .hint("name a file; - writes to standard output")),
            Ok(_) if !force => Err(exists(path)),
            // What a link points to is replaced, not the link.
            Ok(_) => Ok(Self::File(fs::canonicalize(path).map_err(|error| cannot_write(path, error))?)),
            // It is made; why it cannot be is said when that fails.
            Err(_) => Ok(Self::File(path.to_owned())),
        }
    }

    /// Writes the document: all of it, or no file.
    pub(super) fn write(
        self,
        session: &Session,
        document: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        self.write_failing(session, |out| Ok(document(out)?))
    }

    /// The same for a document whose making can fail in other ways.
    pub(super) fn write_failing(
        self,
        session: &Session,
        document: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let path = match self {
            Self::Standard => {
                let mut out = BufWriter::new(io::stdout().lock());
                document(&mut out)?;
                return Ok(out.flush()?);
            }
            Self::File(path) => path,
        };
        let part = part_of(&path);
        let written = (|| {
            let file = open_part(&part).map_err(|error| cannot_write(&path, error))?;
            let mut out = BufWriter::new(file);
            document(&mut out)
                .map_err(|failure| failure.while_doing(format!("cannot write {}", path.display())))?;
            let file = out.into_inner().map_err(|error| cannot_write(&path, error.into_error()))?;
            file.sync_all()
                .and_then(|()| fs::rename(&part, &path))
                .map_err(|error| cannot_write(&path, error))
        })();
        if written.is_err() {
            // The error that matters is already on its way.
            let _ = fs::remove_file(&part);
        } else if session.chatty() {
            say(format_args!("written to {}", path.display()));
        }
        written
    }
}

/// Several files of one directory, appended to in any order, visible when all are whole.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    force: bool,
    files: BTreeMap<String, Pending>,
    waiting: usize,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    lines: u64,
    begun: bool,
}

impl Files {
    /// Makes the directory where there is none.
    pub(super) fn new(dir: &Path, force: bool) -> Result<Self, Failure> {
        if dir.as_os_str() == "-" {
            return Err(Failure::usage("several files do not fit standard output").hint("name a directory"));
        }
        fs::create_dir_all(dir).map_err(|error| {
            Failure::from(error).while_doing(format!("cannot make the directory {}", dir.display()))
        })?;
        Ok(Self { dir: dir.to_owned(), force, files: BTreeMap::new(), waiting: 0 })
    }

    /// Adds to the end of a file, which begins with `head`.
    pub(super) fn append(&mut self, name: &str, head: &str, bytes: &[u8]) -> Result<(), Failure> {
        if !self.files.contains_key(name) {
            let path = self.dir.join(name);
            if !self.force && fs::symlink_metadata(&path).is_ok() {
                return Err(exists(&path));
            }
            if self.files.len() >= FILES_MAX {
                return Err(Failure::usage(format!("these would be more than {FILES_MAX} files"))
                    .hint("split by larger networks, such as /16, or narrow the query down"));
            }
            self.files
                .insert(name.to_owned(), Pending { bytes: head.as_bytes().to_vec(), ..Pending::default() });
        }
        if let Some(file) = self.files.get_mut(name) {
            file.bytes.extend_from_slice(bytes);
            file.lines += 1;
            self.waiting += bytes.len();
        }
        if self.waiting > WAITING_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes what waits, one file open at a time.
    fn flush(&mut self) -> Result<(), Failure> {
        for (name, file) in &mut self.files {
            if file.bytes.is_empty() {
                continue;
            }
            let path = self.dir.join(name);
            let part = part_of(&path);
            file.begun = true;
            open_part(&part)
                .and_then(|mut out| out.write_all(&file.bytes))
                .map_err(|error| cannot_write(&path, error))?;
            file.bytes = Vec::new();
        }
        self.waiting = 0;
        Ok(())
    }

    /// Makes all files visible, and names them.
    pub(super) fn finish(mut self, session: &Session) -> Result<(), Failure> {
        self.flush()?;
        for (name, file) in &mut self.files {
            let path = self.dir.join(name);
            let part = part_of(&path);
            open_part(&part)
                .and_then(|out| out.sync_all())
                .and_then(|()| fs::rename(&part, &path))
                .map_err(|error| cannot_write(&path, error))?;
            file.begun = false;
        }
        if session.chatty() {
            let (files, lines) = (self.files.len(), self.files.values().map(|file| file.lines).sum::<u64>());
            let files_word = if files == 1 { "file" } else { "files" };
            let entries = if lines == 1 { "entry" } else { "entries" };
            match files {
                0 => say("nothing to report: no file was written"),
                _ => say(format_args!(
                    "{files} {files_word} ({lines} {entries}) written to {}",
                    self.dir.display()
                )),
            }
        }
        Ok(())
    }
}

impl Drop for Files {
    /// Parts of files that were not finished.
    fn drop(&mut self) {
        for (name, _) in self.files.iter().filter(|(_, file)| file.begun) {
            // Whoever was told of the failure knows already.
            let _ = fs::remove_file(part_of(&self.dir.join(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_owners_are_names_of_files() {
        for (name, word) in [
            ("Shop team", "shop-team"),
            ("../../etc/passwd", "etc-passwd"),
            ("…", "unnamed"),
            ("a__b--c!", "a-b-c"),
            (&"x".repeat(100), &"x".repeat(60)),
        ] {
            assert_eq!(file_word(name), word);
        }
    }

    #[test]
    fn files_are_bounded_and_parts_do_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Files::new(dir.path(), false).unwrap();
        for number in 0..FILES_MAX {
            files.append(&number.to_string(), "head\n", b"row\n").unwrap();
        }
        let failure = files.append("one more", "", b"row\n").unwrap_err();
        assert!(failure.in_one_line().contains("10000 files"), "{failure:?}");
        files.files.retain(|name, _| name.len() == 1);
        files.flush().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 10);
        drop(files);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
