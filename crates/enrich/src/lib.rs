//! Country, network, cloud, domain: what files the user named say about an address.
