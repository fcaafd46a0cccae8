use std::io::BufRead;
use std::net::IpAddr;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{
    Listing, address,
    source::{Mistake, Source},
};
use crate::HostName;

/// Deepest nesting of elements; Nmap's scripts nest their tables a few deep.
const DEPTH_MAX: usize = 64;

/// Reads what Nmap and masscan write with `-oX`.
///
/// A pull parser (quick-xml) reads it: it holds one tag at a time and knows no entities but the five of XML, so nothing
/// can be made to grow; a document type with declarations of its own is refused all the same.
///
/// Source: Nmap's nmap.dtd; masscan, out-xml.c.
pub(super) fn read(source: &mut Source<impl BufRead>, list: &mut Listing) -> Result<(), Mistake> {
    let mut reader = Reader::from_reader(source);
    reader.config_mut().check_end_names = true;
    let (mut buffer, mut depth, mut root_ended, mut host) = (Vec::new(), 0usize, false, Host::default());
    loop {
        buffer.clear();
        reader.get_mut().begin();
        let event = match reader.read_event_into(&mut buffer) {
            Ok(event) => event,
            Err(error) => return trouble(reader.into_inner(), error, list),
        };
        let source: &Source<_> = reader.get_ref();
        match &event {
            Event::Eof if depth == 0 && root_ended => return Ok(()),
            Event::Eof => {
                list.cut_off(source);
                return Ok(());
            }
            Event::DocType(text) if text.contains('[') => {
                return Err(source.mistake("the document type declares things of its own", "`nmaprun` alone"));
            }
            Event::Start(tag) => {
                if depth == 0 && (root_ended || tag.name().as_ref() != "nmaprun") {
                    return Err(source.mistake("this is another kind of XML", "one element `nmaprun`"));
                }
                depth += 1;
                if depth > DEPTH_MAX {
                    let what = format!("elements nested more than {DEPTH_MAX} deep");
                    return Err(source.mistake(what, "a list of ports"));
                }
                host.tag(source, tag, list)?;
            }
            Event::Empty(tag) => host.tag(source, tag, list)?,
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                root_ended |= depth == 0;
            }
            _ => {}
        }
    }
}

/// Tells a file that is cut off from one that is wrong.
fn trouble(
    source: &mut Source<impl BufRead>,
    error: quick_xml::Error,
    list: &mut Listing,
) -> Result<(), Mistake> {
    if let quick_xml::Error::Io(error) = &error {
        return Err(source.too_long(std::io::Error::new(error.kind(), error.to_string())));
    }
    // What the parser stumbles over at the very end is what is missing there.
    if source.fill_buf().is_ok_and(<[u8]>::is_empty) && matches!(error, quick_xml::Error::Syntax(_)) {
        list.cut_off(source);
        return Ok(());
    }
    Err(source.mistake(format!("no XML: {error}"), "what `-oX` writes"))
}

/// What is known of the host in hand.
#[derive(Default)]
struct Host {
    ip: Option<IpAddr>,
    name: Option<HostName>,
    /// Protocol and number of the port in hand.
    port: Option<(String, String)>,
}

impl Host {
    fn tag(
        &mut self,
        source: &Source<impl BufRead>,
        tag: &BytesStart<'_>,
        list: &mut Listing,
    ) -> Result<(), Mistake> {
        let value = |name| attribute(source, tag, name);
        match tag.name().as_ref() {
            "host" => *self = Self::default(),
            "address" if value("addrtype")?.as_deref() != Some("mac") => {
                let text = value("addr")?.unwrap_or_default();
                self.ip = Some(address(source, &text)?);
            }
            // `user`: what was typed; `PTR` is what a stranger's name server says.
            "hostname" if value("type")?.as_deref() == Some("user") => {
                self.name = value("name")?.and_then(|name| name.parse().ok());
            }
            "port" => {
                self.port =
                    Some((value("protocol")?.unwrap_or_default(), value("portid")?.unwrap_or_default()));
            }
            "state" => {
                let Some((protocol, port)) = self.port.take() else { return Ok(()) };
                let Some(ip) = self.ip else {
                    return Err(source.mistake("a port of a host without an address", "`address` before it"));
                };
                let state = value("state")?.unwrap_or_default();
                list.add(source, (ip, self.name.as_ref()), (&port, &protocol, &state))?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The value of an attribute.
fn attribute(
    source: &Source<impl BufRead>,
    tag: &BytesStart<'_>,
    name: &str,
) -> Result<Option<String>, Mistake> {
    let wrong =
        |error: &dyn std::fmt::Display| source.mistake(format!("no XML: {error}"), "what `-oX` writes");
    let Some(found) = tag.try_get_attribute(name).map_err(|error| wrong(&error))? else { return Ok(None) };
    let plain = quick_xml::escape::unescape(&found.value).map_err(|error| wrong(&error))?;
    Ok(Some(plain.into_owned()))
}
