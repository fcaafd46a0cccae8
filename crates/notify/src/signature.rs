use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha1::Sha1;
use sha2::Sha256;

use crate::Secret;

/// The value of `X-Nightlatch-Signature`: `t=1790000000,v1=` and 64 hexadecimal digits.
///
/// The digits are HMAC-SHA256 over the time in seconds, a dot, and the body; the time is signed so that a recorded
/// request cannot be sent again later.
pub fn signature(secret: &Secret, now: Timestamp, body: &[u8]) -> String {
    let time = now.as_second().to_string();
    // A key of HMAC may have any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else {
        return String::new();
    };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={time},v1={:x}", mac.finalize().into_bytes())
}

/// The value of `SHODAN-SIGNATURE-SHA1`: HMAC-SHA1 over the body, 40 hexadecimal digits.
pub fn signature_sha1(secret: &Secret, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.reveal().as_bytes()) else { return String::new() };
    mac.update(body);
    format!("{:x}", mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: RFC 2202, section 3, case 2.
    #[test]
    fn sha1_agrees_with_the_standard() {
        let secret = Secret::new("Jefe");
        assert_eq!(
            signature_sha1(&secret, b"what do ya want for nothing?"),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
    }

    /// Python: `hmac.new(b"Jefe", b"1790000000.{}", "sha256").hexdigest()`.
    #[test]
    fn the_time_is_signed_with_the_body() {
        let secret = Secret::new("Jefe");
        let at = |second| Timestamp::from_second(second).unwrap();
        let one = signature(&secret, at(1_790_000_000), b"{}");
        assert_eq!(one, "t=1790000000,v1=d927a7192cf1342cbb06dac01a2b72995b9dec4d36dbae00ea48c5671b3f9751");
        assert_ne!(one, signature(&secret, at(1_790_000_001), b"{}"));
        assert_ne!(one, signature(&secret, at(1_790_000_000), b"{ }"));
    }
}
