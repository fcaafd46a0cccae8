use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr, slice,
    sync::atomic::{AtomicU32, AtomicU64},
};

/// Memory that the kernel sees too (mmap(2)), given back on drop.
///
/// The other side may write at any time, so words are atomics, and frames are copied in and out but where it is certain that
/// it does not.
#[derive(Debug)]
pub(super) struct Mapping {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: the memory belongs to no thread. What is not atomic is `unsafe` below, with the duty to keep threads apart.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `bytes` of what `descriptor` stands for, from `offset` on.
    ///
    /// # Errors
    /// What mmap(2) said.
    pub(super) fn shared(descriptor: BorrowedFd<'_>, bytes: usize, offset: i64) -> io::Result<Self> {
        Self::map(bytes, libc::MAP_SHARED | libc::MAP_POPULATE, descriptor.as_raw_fd(), offset)
    }

    /// New zeroed memory, beginning at a page.
    ///
    /// # Errors
    /// What mmap(2) said.
    pub(super) fn anonymous(bytes: usize) -> io::Result<Self> {
        Self::map(bytes, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE, -1, 0)
    }

    fn map(bytes: usize, flags: i32, descriptor: i32, offset: i64) -> io::Result<Self> {
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory of this process.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                descriptor,
                offset as libc::off_t,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: start.cast(), bytes })
    }

    /// Where it begins in this process, for the kernel.
    pub(super) fn address(&self) -> u64 {
        self.start as u64
    }

    /// Its size.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn holds(&self, offset: usize, count: usize) -> bool {
        offset.checked_add(count).is_some_and(|end| end <= self.bytes)
    }

    /// The word at `offset`; `None` outside, or where a word does not begin.
    #[inline]
    pub(super) fn word(&self, offset: usize) -> Option<&AtomicU32> {
        if !offset.is_multiple_of(4) || !self.holds(offset, 4) {
            return None;
        }
        // SAFETY: inside the memory by the check above, aligned because it starts at a page, alive as long as `self`; the
        // other side moves whole words.
        Some(unsafe { AtomicU32::from_ptr(self.start.add(offset).cast()) })
    }

    /// The double word at `offset`; `None` outside, or where a double word does not begin.
    #[inline]
    pub(super) fn double_word(&self, offset: usize) -> Option<&AtomicU64> {
        if !offset.is_multiple_of(8) || !self.holds(offset, 8) {
            return None;
        }
        // SAFETY: as for `word`.
        Some(unsafe { AtomicU64::from_ptr(self.start.add(offset).cast()) })
    }

    /// Copies `bytes` to `offset`; nothing happens when they do not fit.
    ///
    /// # Safety
    /// Nobody else reads or writes the range meanwhile.
    #[inline]
    pub(super) unsafe fn write(&self, offset: usize, bytes: &[u8]) {
        if self.holds(offset, bytes.len()) {
            // SAFETY: inside by the check; no slice of Rust memory overlaps a mapping; alone by the caller's promise.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(offset), bytes.len()) };
        }
    }

    /// `count` bytes from `offset` on; `None` when they are not inside.
    ///
    /// # Safety
    /// Nobody else writes the range as long as the slice lives, nor reads it once it was written to.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "who may write is the caller's promise")]
    pub(super) unsafe fn slice_mut(&self, offset: usize, count: usize) -> Option<&mut [u8]> {
        if !self.holds(offset, count) {
            return None;
        }
        // SAFETY: inside by the check, alive as long as `self`, bytes have no alignment; alone by the caller's promise.
        Some(unsafe { slice::from_raw_parts_mut(self.start.add(offset), count) })
    }

    /// Copies `count` bytes from one offset to another; nothing happens when they are not inside.
    ///
    /// # Safety
    /// Nobody else reads the target or writes either range meanwhile.
    pub(super) unsafe fn copy_within(&self, from: usize, to: usize, count: usize) {
        if self.holds(from, count) && self.holds(to, count) {
            // SAFETY: inside by the check; `copy` allows overlap; alone by the caller's promise.
            unsafe { ptr::copy(self.start.add(from), self.start.add(to), count) };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: given back once; all that was borrowed from it is gone.
        unsafe { libc::munmap(self.start.cast(), self.bytes) };
    }
}
