//! Packets: any bytes are read or ignored, and what is right with its checksums is right without looking at them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_wire::{Checksum, Reply};

fuzz_target!(|packet: &[u8]| {
    let verified = Reply::read(packet, Checksum::Verify);
    if verified.is_ok() {
        assert_eq!(verified, Reply::read(packet, Checksum::Vouched));
    }
});
