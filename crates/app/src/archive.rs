use std::sync::Arc;

use nightlatch_store::{Snapshot, Store, StoreError};

/// Where observations are kept: the backend, as the binary chose it.
pub trait Archive: Send + Sync {
    /// Everything committed up to now, frozen; also while another process writes.
    ///
    /// # Errors
    /// When it cannot be read.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError>;

    /// The writer. One at a time, of all processes; made where there is no store yet.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while there is another one.
    fn writer(&self) -> Result<Box<dyn Store>, StoreError>;
}
