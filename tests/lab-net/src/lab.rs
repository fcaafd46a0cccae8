use std::{
    net::{Ipv4Addr, Ipv6Addr},
    num::NonZero,
    process::Command,
};

use crate::{Capture, Listeners, Namespace, Run, Unavailable, run};

/// What the far namespace answers for, IPv4.
pub const V4_PREFIX: &str = "10.0.0.0/10";
/// The same for IPv6.
pub const V6_PREFIX: &str = "fd00:a::/64";
/// Address of the scanner.
pub const NEAR_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// Address of its next hop.
pub const FAR_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// Address of the scanner.
pub const NEAR_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xb, 0, 0, 0, 0, 0, 1);
/// Address of its next hop.
pub const FAR_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xb, 0, 0, 0, 0, 0, 2);

/// Which addresses of the prefixes are alive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sky {
    /// All of them.
    Dense,
    /// One in 64: those whose last six bits are 5. The others drop everything.
    Sparse,
    /// None.
    Dark,
}

impl Sky {
    /// Whether the address with these last bits is alive.
    pub fn alive(self, low_bits: u32) -> bool {
        match self {
            Self::Dense => true,
            Self::Sparse => low_bits & 63 == 5,
            Self::Dark => false,
        }
    }

    /// The rules of the far card: before routes and sockets, so that the dead cost next to nothing.
    fn rules(self) -> &'static str {
        match self {
            Self::Dense => "",
            Self::Sparse => {
                "ip daddr 10.0.0.0/10 ip daddr & 0.0.0.63 != 0.0.0.5 drop
                 ip6 daddr fd00:a::/64 ip6 daddr & ::3f != ::5 drop"
            }
            Self::Dark => "ip daddr 10.0.0.0/10 drop\nip6 daddr fd00:a::/64 drop",
        }
    }
}

/// The two namespaces and the wire between them.
#[derive(Debug)]
pub struct Lab {
    /// Where scanners run.
    pub near: Namespace,
    /// What they scan.
    pub far: Namespace,
    sky: Sky,
}

/// What the far kernel needs to stand for a crowd: it forwards (else it sends no ICMP for addresses it calls
/// unreachable), it does not hold back ICMP, and nobody gets a SYN-ACK twice.
const FAR_SETTINGS: &str = "
    cd /proc/sys/net/ipv4
    echo 1 > ip_forward; echo 0 > icmp_ratelimit; echo 0 > tcp_synack_retries; echo 2 > tcp_syncookies
    echo 65535 > ../core/somaxconn; echo 65535 > tcp_max_syn_backlog; echo 0 > conf/all/rp_filter
    echo 1 > ../ipv6/conf/all/forwarding; echo 0 > ../ipv6/icmp/ratelimit";

impl Lab {
    /// Makes it; nothing listens yet.
    ///
    /// # Errors
    /// When this machine does not allow namespaces, or a program that makes the wire is missing.
    pub fn new(sky: Sky) -> Result<Self, Unavailable> {
        for program in ["unshare", "nsenter", "setpriv", "ip", "nft", "tcpdump", "ethtool"] {
            let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", program]).status();
            if !found.is_ok_and(|status| status.success()) {
                return Err(Unavailable(format!("`{program}` is missing; ./test installs it")));
            }
        }
        let lab = Self { near: Namespace::new()?, far: Namespace::new()?, sky };
        let wire = format!("ip link add near0 type veth peer name far0 netns {}", lab.far.pid());
        let made = run(lab.near.command("sh").args(["-c", &wire]));
        if made.code != Some(0) {
            return Err(Unavailable(format!("no pair of virtual cards can be made: {}", made.stderr.trim())));
        }
        lab.address();
        Ok(lab)
    }

    /// Gives both ends their addresses, neighbours and routes.
    fn address(&self) {
        for (namespace, card, v4, v6) in
            [(&self.near, "near0", NEAR_V4, NEAR_V6), (&self.far, "far0", FAR_V4, FAR_V6)]
        {
            namespace.shell(&format!(
                "ip addr add {v4}/30 dev {card}; ip -6 addr add {v6}/64 dev {card} nodad; ip link set {card} up"
            ));
        }
        let (near, far) = (self.near_mac(), self.far_mac());
        // Neighbours are known from the start: what is measured is the scan, not the first question for an address.
        self.near.shell(&format!(
            "ip neigh replace {FAR_V4} lladdr {far} dev near0; ip neigh replace {FAR_V6} lladdr {far} dev near0
             ip route add {V4_PREFIX} via {FAR_V4}; ip -6 route add {V6_PREFIX} via {FAR_V6}"
        ));
        self.far.shell(&format!(
            "{FAR_SETTINGS}
             ip neigh replace {NEAR_V4} lladdr {near} dev far0; ip neigh replace {NEAR_V6} lladdr {near} dev far0
             ip route add local {V4_PREFIX} dev lo; ip -6 route add local {V6_PREFIX} dev lo"
        ));
        self.set_sky(self.sky, 0);
    }

    /// Has the far card take frames that a program of the near kernel redirects to it, as live frames are: a virtual card
    /// does so once its receiver gathers packets.
    pub fn take_redirected_frames(&self) {
        self.far.shell("ethtool -K far0 gro on");
    }

    /// Brings the card of the scanner up again after a test took it down, with what the kernel forgot meanwhile.
    pub fn restore_near(&self) {
        let far = self.far_mac();
        self.near.shell(&format!(
            "ip link set near0 up; ip -6 addr replace {NEAR_V6}/64 dev near0 nodad
             ip neigh replace {FAR_V4} lladdr {far} dev near0; ip neigh replace {FAR_V6} lladdr {far} dev near0
             ip route replace {V4_PREFIX} via {FAR_V4}; ip -6 route replace {V6_PREFIX} via {FAR_V6}"
        ));
    }

    /// Says which addresses are alive and how many packets of a hundred are lost on the way out; of 100, one
    /// in a thousand arrives.
    pub fn set_sky(&self, sky: Sky, lost_percent: u8) {
        let lost = match lost_percent {
            0 => String::new(),
            percent => format!(
                "numgen random mod 1000 < {} drop",
                u32::from(percent) * 10 - u32::from(percent >= 100)
            ),
        };
        let rules = sky.rules();
        self.far.shell(&format!(
            "nft -f - <<'END'
table netdev lab
delete table netdev lab
table netdev lab {{ chain in {{
  type filter hook ingress device far0 priority 0; policy accept;
  {lost}
  {rules}
}}
}}
END"
        ));
    }

    /// Lets so many packets a second in, and drops the others: a firewall that is full.
    pub fn set_room(&self, rate_pps: u32) {
        self.far.shell(&format!(
            "nft -f - <<'END'
table netdev room {{ chain in {{
  type filter hook ingress device far0 priority -10; policy accept;
  limit rate over {rate_pps}/second burst 50 packets drop
}}
}}
END"
        ));
    }

    /// Packets that the scanner's card has taken in so far, those that the kernel had no room for among them.
    pub fn near_received(&self) -> u64 {
        let shown = self.near.shell("cat /proc/net/dev").stdout;
        let line = shown.lines().find_map(|line| line.trim().strip_prefix("near0:"));
        let count = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        count.unwrap_or_else(|| panic!("no near0 in {shown}"))
    }

    /// Has the scanner's card take frames that a program of the far kernel redirects to it, and gives that program a
    /// card that holds it, which is returned.
    ///
    /// - `is_spread`: all processors but the first, which the flood takes, work on what has arrived, as on cards with
    ///   several queues.
    pub fn take_flood(&self, is_spread: bool) -> &'static str {
        self.near.shell("ethtool -K near0 gro on");
        if is_spread {
            let processors = std::thread::available_parallelism().map_or(1, NonZero::get).min(32);
            let mask = format!("{:x}", (1_u64 << processors) - 2);
            let set = format!("echo {mask} > /sys/class/net/near0/queues/rx-0/rps_cpus");
            self.near.shell(&format!("unshare --mount sh -c 'mount -t sysfs none /sys && {set}'"));
        }
        self.far.shell("ip link add holder0 type veth peer name holder1");
        "holder0"
    }

    /// Whether the kernel has `tc netem`: delay, duplication and reordering need it.
    pub fn has_netem(&self) -> bool {
        let tried = run(self.far.command("sh").args(["-c", "tc qdisc add dev lo root netem delay 1ms"]));
        if tried.code == Some(0) {
            self.far.shell("tc qdisc del dev lo root");
        }
        tried.code == Some(0)
    }

    /// A program where scanners run.
    pub fn near(&self, program: &str) -> Command {
        self.near.command(program)
    }

    /// A program in the world.
    pub fn far(&self, program: &str) -> Command {
        self.far.command(program)
    }

    /// Opens ports on everything that is alive.
    pub fn listen(&self, ports: &[u16]) -> Listeners {
        self.far.inside(|| Listeners::open(ports))
    }

    /// Captures what arrives in the world.
    pub fn capture(&self) -> Capture {
        Capture::start(&self.far, "far0", "tcp")
    }

    /// Hardware address of the scanner.
    pub fn near_mac(&self) -> String {
        mac(&self.near.shell("ip -o link show near0"))
    }

    /// Hardware address of its next hop.
    pub fn far_mac(&self) -> String {
        mac(&self.far.shell("ip -o link show far0"))
    }
}

fn mac(shown: &Run) -> String {
    let mut words = shown.stdout.split_whitespace().skip_while(|word| *word != "link/ether");
    words.nth(1).unwrap_or_else(|| panic!("no hardware address in {}", shown.stdout)).to_owned()
}
