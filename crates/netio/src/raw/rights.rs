use std::io;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_no_new_privs,
};

/// What the calling thread may do that an ordinary one may not (`capabilities(7)`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rights {
    /// CAP_NET_RAW: raw and packet sockets.
    pub net_raw: bool,
    /// CAP_NET_ADMIN: the drop rule, and having the kernel ask for a neighbour.
    pub net_admin: bool,
    /// CAP_BPF, or CAP_SYS_ADMIN which includes it: loading programs into the kernel.
    pub bpf: bool,
}

/// The rights of the calling thread; none where the system does not tell.
pub fn rights() -> Rights {
    let Ok(CapabilitySets { effective, .. }) = capabilities(None) else { return Rights::default() };
    Rights {
        net_raw: effective.contains(CapabilitySet::NET_RAW),
        net_admin: effective.contains(CapabilitySet::NET_ADMIN),
        bpf: effective.intersects(CapabilitySet::BPF | CapabilitySet::SYS_ADMIN),
    }
}

/// Gives up every capability of the calling thread for good; threads it starts have none either. Sockets that are open
/// stay usable.
///
/// # Errors
/// The system's own; the thread may then still have capabilities.
pub fn drop_capabilities() -> io::Result<()> {
    // Without this, running a program with rights of its own would bring them back.
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}
