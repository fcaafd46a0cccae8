use std::{
    ffi::{CStr, CString},
    io, mem,
    path::PathBuf,
    ptr, thread,
};

use rustix::{
    process::{Gid, Uid, geteuid},
    thread::{set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::rights::drop_capabilities;

/// Room for what the system knows of a user, at first and at most.
const ENTRY_BYTES: usize = 4 << 10;
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// A user of this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// The name; the number where there is none.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's own group.
    pub gid: u32,
    /// The home directory; `None` where the system knows of none.
    pub home: Option<PathBuf>,
}

impl User {
    /// The user called `name`, wherever the system keeps its users (`getpwnam(3)`); `None` when there is none.
    ///
    /// # Errors
    /// The system's own.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        let Ok(name) = CString::new(name) else { return Ok(None) };
        look_up(|entry, room, found| {
            // SAFETY: the name ends with a zero; `entry`, `room` with its size and `found` are valid for writes.
            unsafe { libc::getpwnam_r(name.as_ptr(), entry, room.as_mut_ptr().cast(), room.len(), found) }
        })
    }

    /// The user with this number; `None` when the system does not know it.
    ///
    /// # Errors
    /// The system's own.
    pub fn of(uid: u32) -> io::Result<Option<Self>> {
        look_up(|entry, room, found| {
            // SAFETY: `entry`, `room` with its size and `found` are valid for writes.
            unsafe { libc::getpwuid_r(uid, entry, room.as_mut_ptr().cast(), room.len(), found) }
        })
    }

    /// A user of whom nothing is known but numbers.
    pub fn unnamed(uid: u32, gid: u32) -> Self {
        Self { name: format!("uid {uid}"), uid, gid, home: None }
    }

    /// Whether this is the user who may do everything.
    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Whether the calling thread acts as root, and so may become somebody else.
    pub fn may_change() -> bool {
        geteuid().is_root()
    }

    /// What `work` says when this user does it: on a thread that becomes the user, and ends with the work.
    ///
    /// # Errors
    /// The user cannot be become, or no thread can be had.
    pub fn doing<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let work = || self.become_for_good().map(|()| work());
        thread::scope(|scope| {
            let done = thread::Builder::new().name("as-user".to_owned()).spawn_scoped(scope, work)?;
            done.join().unwrap_or_else(|_| Err(io::Error::other("the thread broke off; this is a bug")))
        })
    }

    /// The calling thread becomes this user, with the user's own group and no other, and gives up every capability;
    /// threads it starts are the same. There is no way back. Sockets that are open stay usable.
    ///
    /// Other threads stay who they are: call it before they are started.
    ///
    /// # Errors
    /// The system's own; the thread may then still have rights.
    pub fn become_for_good(&self) -> io::Result<()> {
        self.change()?;
        drop_capabilities()
    }

    /// As [`become_for_good`](Self::become_for_good), but what the thread may do stays to be given up by itself.
    pub(super) fn become_with_rights(&self) -> io::Result<()> {
        // Undone by the kernel when a program is started, which `no_new_privs` then gives nothing.
        set_keep_capabilities(true)?;
        self.change()
    }

    /// Groups first: who is no longer root may not change them.
    fn change(&self) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&[gid])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}

/// Asks the system's list of users with room that grows until the answer fits.
fn look_up(
    ask: impl Fn(*mut libc::passwd, &mut [u8], *mut *mut libc::passwd) -> libc::c_int,
) -> io::Result<Option<User>> {
    let mut room = vec![0u8; ENTRY_BYTES];
    loop {
        // SAFETY: a plain C struct of numbers and pointers, for which all bits zero is a value.
        let mut entry: libc::passwd = unsafe { mem::zeroed() };
        let mut found = ptr::null_mut();
        match ask(&mut entry, &mut room, &mut found) {
            0 if found.is_null() => return Ok(None),
            0 => return Ok(Some(read(&entry))),
            libc::ERANGE if room.len() < ENTRY_BYTES_MAX => room.resize(room.len() * 2, 0),
            libc::EINTR => {}
            // What `getpwnam(3)` says may come for "not found".
            libc::ENOENT | libc::ESRCH | libc::EBADF | libc::EPERM => return Ok(None),
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

/// Reads an entry that the system has just filled in, while its texts are still there.
fn read(entry: &libc::passwd) -> User {
    let text = |text: *const libc::c_char| {
        // SAFETY: null, or a text with a zero at its end in the room of the answer, which the caller still holds.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    };
    User {
        name: text(entry.pw_name).unwrap_or_else(|| format!("uid {}", entry.pw_uid)),
        uid: entry.pw_uid,
        gid: entry.pw_gid,
        home: text(entry.pw_dir).map(PathBuf::from).filter(|home| home.is_absolute()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        let root = User::named("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid, root.is_root()), (0, 0, true));
        assert_eq!(User::of(0).unwrap(), Some(root));
        let nobody = User::named("nobody").unwrap().unwrap();
        assert!(!nobody.is_root());
        for none in ["", "no such user", "a\0b"] {
            assert_eq!(User::named(none).unwrap(), None, "{none:?}");
        }
        assert_eq!(User::of(4_000_000_123).unwrap(), None);
    }
}
