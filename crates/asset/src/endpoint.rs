use std::{fmt, net::IpAddr, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::UnknownWord;

/// How bytes travel to a port.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Transmission Control Protocol.
    #[default]
    Tcp,
    /// User Datagram Protocol.
    Udp,
}

impl Transport {
    /// The one spelling, as in Shodan's banners.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Transport {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(UnknownWord { what: "transport", word: text.to_owned(), expected: "tcp or udp" }),
        }
    }
}

/// One address, port and transport: the thing that is observed again and again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address; an IPv4-mapped IPv6 address is kept as the IPv4 address it means.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// The transport.
    pub transport: Transport,
}

impl Endpoint {
    /// A TCP endpoint.
    pub fn tcp(address: SocketAddr) -> Self {
        Self { ip: address.ip().to_canonical(), port: address.port(), transport: Transport::Tcp }
    }

    /// The address and port, without the transport.
    pub fn socket(self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.socket(), self.transport)
    }
}
