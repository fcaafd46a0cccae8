//! As whom a scan goes on that root started, and whose its files are.
//!
//! Whoever listens to the network should not be root. So once the sockets are open the process becomes an ordinary user
//! for good: the one that `--user` names, else the owner of the data directory, else who called `sudo`, else `nobody`.
//! What a scan writes must then belong to that user. A data directory of root is handed over: the folder itself and what
//! scans write in it, nothing else, and only where it is recognisable as one.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use nightlatch_netio::raw::User;
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{
        Access, AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, accessat, chownat, fchown, fstat, openat,
    },
};

use crate::{failure::Failure, session::shell_word};

/// What scans write in a data directory, by the beginnings of names.
const WRITTEN: [&str; 8] =
    ["JOURNAL", "LOCK", "MANIFEST", "keys.redb", "part", "runs", "scan-log.ndjson", "secret"];
/// What else shows that a folder is a data directory.
const KNOWN: [&str; 3] = ["scope.toml", "nightlatch.toml", "control.sqlite3"];
/// Folders in folders that are gone through.
const DEPTH_MAX: u32 = 16;

/// As whom a scan goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum GoOn {
    /// As who it is; what it may do beyond others is given up.
    Same,
    /// As this user. `wanted`: somebody said so, or files would have the wrong owner otherwise; not for its own sake.
    As {
        /// Who.
        user: User,
        /// Whether connecting, which needs no right, is done as this user too.
        wanted: bool,
    },
    /// As root without its rights, because the user cannot be become or cannot get at the data directory.
    Root {
        /// What to tell, as a sentence.
        why: String,
    },
}

impl GoOn {
    /// Decides, before anything is opened. The data directory is made where it is missing.
    ///
    /// - `asked`: what `--user` says.
    pub(crate) fn decide(asked: Option<&str>, data: &Path) -> Result<Self, Failure> {
        if !User::may_change() {
            return match asked {
                Some(_) => Err(Failure::usage("--user: only root can go on as somebody else")),
                None => Ok(Self::Same),
            };
        }
        let Some((user, wanted)) = whom(asked, data)? else { return Ok(Self::Same) };
        if user.is_root() {
            return Ok(Self::Same);
        }
        // In a container without a root of its own (`unshare --map-root-user`) there is nobody else to become.
        if let Err(error) = user.doing(|| ()) {
            let why = format!("it cannot become {}: {error}", user.name);
            return match asked {
                Some(_) => Err(Failure::world(why)),
                None => Ok(Self::Root { why }),
            };
        }
        let failed = |error: io::Error| {
            Failure::from(error).while_doing(format!("cannot make the data directory {}", data.display()))
        };
        let obstacle = match reaches(data, &user).map_err(failed)? {
            true => {
                make(data, Some(&user)).map_err(failed)?;
                refusal(data, &user)
            }
            false => {
                make(data, None).map_err(failed)?;
                Some(format!(
                    "{} cannot get at {}; name another directory with --data, or another user with --user",
                    user.name,
                    shell_word(&data.display().to_string())
                ))
            }
        };
        match obstacle {
            None => Ok(Self::As { user, wanted }),
            Some(why) if asked.is_some() => Err(Failure::world(why)),
            Some(why) => Ok(Self::Root { why }),
        }
    }

    /// The user that threads become which are started beforehand.
    pub(crate) fn user(&self) -> Option<&User> {
        match self {
            Self::As { user, .. } => Some(user),
            _ => None,
        }
    }

    /// Hands over what has to be, and gives up what is not needed any more: the calling thread, and those it starts from
    /// now on. Returns what there is to tell.
    ///
    /// - `raw`: sockets for raw packets are open; else the scan connects.
    pub(crate) fn go_on(self, data: &Path, raw: bool) -> Result<Option<String>, Failure> {
        let told = match self {
            Self::As { user, wanted } if raw || wanted => return become_user(&user, data).map(Some),
            // Connecting needs no right, and took none.
            _ if !raw => return Ok(None),
            Self::Root { why } => Some(format!("note: the scan goes on as root without its rights: {why}")),
            _ => None,
        };
        match nightlatch_netio::raw::drop_capabilities() {
            Ok(()) => Ok(told),
            Err(error) => Ok(Some(format!("note: the rights of this process are kept: {error}"))),
        }
    }
}

fn become_user(user: &User, data: &Path) -> Result<String, Failure> {
    let failed = |what: String| move |error: io::Error| Failure::from(error).while_doing(what);
    let handed =
        hand_over(data, user).map_err(failed(format!("cannot give {} to {}", data.display(), user.name)))?;
    user.become_for_good().map_err(failed(format!("cannot go on as {}", user.name)))?;
    let handed = match handed {
        0 => String::new(),
        _ => format!(", to whom {} belongs now", shell_word(&data.display().to_string())),
    };
    Ok(format!("rights: given up; the scan goes on as {}{handed}", user.name))
}

/// Who called `sudo`; `None` without it, and when it was root.
pub(crate) fn caller() -> Option<User> {
    if !User::may_change() {
        return None;
    }
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    let uid = number("SUDO_UID").filter(|uid| *uid != 0)?;
    match User::of(uid) {
        Ok(Some(user)) => Some(user),
        _ => Some(User::unnamed(uid, number("SUDO_GID")?)),
    }
}

/// Who it is to be, and whether that holds for connecting too; `None` when there is no ordinary user at all.
fn whom(asked: Option<&str>, data: &Path) -> Result<Option<(User, bool)>, Failure> {
    if let Some(name) = asked {
        let user = User::named(name).map_err(|e| Failure::from(e).while_doing(format!("--user {name}")))?;
        let none = || Failure::usage(format!("--user: there is no user `{name}` on this machine"));
        return user.ok_or_else(none).map(|user| Some((user, true)));
    }
    if let Ok(folder) = fs::metadata(data)
        && folder.uid() != 0
    {
        let known = User::of(folder.uid()).ok().flatten();
        return Ok(Some((known.unwrap_or_else(|| User::unnamed(folder.uid(), folder.gid())), true)));
    }
    if let Some(caller) = caller() {
        return Ok(Some((caller, true)));
    }
    Ok(User::named("nobody").ok().flatten().map(|nobody| (nobody, false)))
}

/// Makes the folder and what leads to it; what had to be made is the user's, where one is named.
fn make(data: &Path, user: Option<&User>) -> io::Result<()> {
    let missing: Vec<&Path> = data.ancestors().take_while(|path| is_missing(path)).collect();
    for path in missing.into_iter().rev() {
        fs::DirBuilder::new().mode(0o700).create(path)?;
        if let Some(user) = user {
            std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid))?;
        }
    }
    Ok(())
}

fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty() && fs::metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
}

/// Whether the user gets to where the data directory is, or is to be.
fn reaches(data: &Path, user: &User) -> io::Result<bool> {
    let data = std::path::absolute(data)?;
    let there = data.ancestors().skip(1).find(|path| !is_missing(path)).unwrap_or(&data);
    let inside = fs::canonicalize(there)?.join(".");
    // What the folder itself is, where it is there, may be behind a link.
    let behind = fs::canonicalize(&data).ok().and_then(|data| Some(data.parent()?.join(".")));
    let enters =
        || [Some(&inside), behind.as_ref()].into_iter().flatten().all(|path| path.symlink_metadata().is_ok());
    user.doing(enters)
}

/// Why the user cannot have the data directory, which is there.
fn refusal(data: &Path, user: &User) -> Option<String> {
    let can = may_write(data, user) || is_to_hand_over(data);
    let shown = shell_word(&data.display().to_string());
    (!can).then(|| format!("{} may not write in {shown}, which is not handed over", user.name))
}

fn may_write(data: &Path, user: &User) -> bool {
    let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    user.doing(|| accessat(CWD, data, all, AtFlags::empty()).is_ok()).unwrap_or(false)
}

/// Whether the folder is root's, and empty or recognisable as a data directory.
fn is_to_hand_over(data: &Path) -> bool {
    let names: Vec<PathBuf> = match fs::read_dir(data) {
        Ok(entries) => entries.filter_map(|entry| entry.ok().map(|e| e.file_name().into())).collect(),
        Err(_) => return false,
    };
    let is_ours = |name: &PathBuf| KNOWN.iter().chain(&WRITTEN).any(|known| name.as_os_str() == *known);
    fs::metadata(data).is_ok_and(|folder| folder.uid() == 0)
        && (names.is_empty() || names.iter().any(is_ours))
}

/// Gives the user the folder and what scans have written in it, as far as it is root's. How many entries it was.
fn hand_over(data: &Path, user: &User) -> io::Result<u64> {
    let folder = openat(CWD, data, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let status = fstat(&folder)?;
    // In a folder of root nobody else can have placed a second name of some other file.
    let trusted = status.st_uid == 0 && status.st_mode & 0o022 == 0;
    let mut count = 0;
    if status.st_uid == 0 && is_to_hand_over(data) {
        fchown(&folder, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))?;
        count += 1;
    }
    let is_written = |name: &[u8]| WRITTEN.iter().any(|known| name.starts_with(known.as_bytes()));
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        if is_written(entry.file_name().to_bytes()) {
            count += hand_over_entry(&folder, entry.file_name(), user, trusted, DEPTH_MAX)?;
        }
    }
    Ok(count)
}

/// Gives over one entry of `folder` and what is in it. Links are not followed, and files that have other names are left
/// unless `trusted`.
fn hand_over_entry(
    folder: impl AsFd,
    name: &std::ffi::CStr,
    user: &User,
    trusted: bool,
    depth: u32,
) -> io::Result<u64> {
    let entry = openat(&folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let status = fstat(&entry)?;
    let kind = FileType::from_raw_mode(status.st_mode);
    let is_single = kind == FileType::Directory || trusted || status.st_nlink == 1;
    let mut count = 0;
    if status.st_uid == 0 && matches!(kind, FileType::Directory | FileType::RegularFile) && is_single {
        let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
        chownat(&entry, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        count += 1;
    }
    if kind != FileType::Directory || depth == 0 {
        return Ok(count);
    }
    let inside: OwnedFd =
        openat(&entry, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for entry in Dir::read_from(&inside)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            count += hand_over_entry(&inside, entry.file_name(), user, trusted, depth - 1)?;
        }
    }
    Ok(count)
}
