use std::error::Error;

use nightlatch_asset::Observation;

/// Why a sink did not take a batch.
pub type SinkError = Box<dyn Error + Send + Sync>;

/// Takes what was observed; as a rule, the store. It is called from a thread of its own and may block: the
/// scan then waits.
pub trait Sink: Send {
    /// Takes a batch, never empty. When it returns, the endpoints observed count as done and are not asked
    /// again, so the batch must survive a crash of the process from then on.
    ///
    /// # Errors
    /// Ends the scan. The endpoints of the batch are asked again when the run is resumed.
    fn store(&mut self, batch: &[Observation]) -> Result<(), SinkError>;
}

impl<F: FnMut(&[Observation]) -> Result<(), SinkError> + Send> Sink for F {
    fn store(&mut self, batch: &[Observation]) -> Result<(), SinkError> {
        self(batch)
    }
}
