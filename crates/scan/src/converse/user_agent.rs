/// What the scanner calls itself: name, version and, where the scope names one, whom to ask.
///
/// A contact that would break the header line is left out.
pub fn user_agent(contact: Option<&str>) -> String {
    let name = concat!("nightlatch/", env!("CARGO_PKG_VERSION"));
    let fits = |text: &&str| {
        text.len() <= CONTACT_BYTES_MAX && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    };
    match contact.map(str::trim).filter(|text| !text.is_empty()).filter(fits) {
        Some(contact) => format!("{name} (authorised security scan; contact {contact})"),
        None => format!("{name} (authorised security scan)"),
    }
}

const CONTACT_BYTES_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_cannot_add_headers() {
        assert!(user_agent(Some("soc@example.org")).ends_with("contact soc@example.org)"));
        assert!(!user_agent(Some("a\r\nCookie: b")).contains("Cookie"));
        assert!(user_agent(None).starts_with("nightlatch/"));
    }
}
