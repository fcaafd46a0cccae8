//! The door with real sockets.

mod health;
mod house;
mod keys;
mod limits;
mod log;
mod pages;
mod slow;
mod stop;
mod tls;
