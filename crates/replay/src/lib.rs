//! Serves recorded answers of real servers on real sockets.
//!
//! A [`Recording`] is one file of `recordings/`. A [`House`] puts one recorded port of it at an address, a [`Street`] is a row
//! of houses that are open until it is dropped, and [`demo_street`] is the row that `nightlatch demo` scans. What a house
//! answers to a request that nobody recorded is decided in one place, [`choice`].

mod certificate;
pub mod choice;
mod conversation;
mod demo;
mod recording;
mod request;
mod street;

pub use demo::{DEMO_NETWORK, demo_street};
pub use recording::{ClientCertificate, RecordedPort, Recording, RecordingError};
pub use street::{Expected, House, Resident, Street, StreetError};
