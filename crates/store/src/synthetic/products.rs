use nightlatch_asset::Exposure;

use super::Draw;

/// A kind of server.
pub(super) struct Product {
    /// Empty for what could not be named.
    pub(super) name: &'static str,
    pub(super) fingerprint: &'static str,
    /// Every port belongs to one of the three groups of products, so that no endpoint is two things.
    pub(super) ports: &'static [u16],
    pub(super) http: bool,
    pub(super) always_tls: bool,
    pub(super) server: &'static str,
    pub(super) title: &'static str,
}

const fn web(
    name: &'static str,
    fingerprint: &'static str,
    ports: &'static [u16],
    always_tls: bool,
    server: &'static str,
    title: &'static str,
) -> Product {
    Product { name, fingerprint, ports, http: true, always_tls, server, title }
}

const fn plain(name: &'static str, fingerprint: &'static str, ports: &'static [u16]) -> Product {
    Product { name, fingerprint, ports, http: false, always_tls: false, server: "", title: "" }
}

/// Three groups, most frequent first; an address has at most one product of each.
pub(super) const PRODUCTS: [&[Product]; 3] = [
    &[
        web("nginx", "nginx", &[80, 443], false, "nginx/1.24.0", "Welcome to nginx!"),
        web("Kubernetes", "kubernetes-apiserver", &[6443, 8443], true, "", ""),
        web("Apache httpd", "apache-httpd", &[80, 443], false, "Apache/2.4.57 (Debian)", "It works"),
        web("Kubelet", "kubelet", &[10250], true, "", ""),
        web("Rancher", "rancher", &[443], true, "rancher", "Rancher"),
        web("Harbor", "harbor", &[443], true, "nginx", "Harbor"),
        web("OpenShift", "openshift", &[8443], true, "", "OpenShift Web Console"),
    ],
    &[
        plain("MySQL", "mysql", &[3306]),
        web("Elasticsearch", "elasticsearch", &[9200], false, "", ""),
        plain("PostgreSQL", "postgresql", &[5432]),
        web("Docker", "docker-api", &[2375, 2376], false, "Docker/24.0.7 (linux)", ""),
        web("Jenkins", "jenkins", &[8080], false, "Jetty(10.0.18)", "Dashboard [Jenkins]"),
        plain("Redis", "redis", &[6379]),
        web("Kibana", "kibana", &[5601], false, "", "Kibana"),
        web("Mesos", "mesos-master", &[5050], false, "", "Mesos"),
        web("Marathon", "marathon", &[8080], false, "Jetty(9.3.z-SNAPSHOT)", "Marathon"),
    ],
    &[
        plain("", "", &[22, 25, 110]),
        plain("MongoDB", "mongodb", &[27017]),
        web("etcd", "etcd", &[2379], false, "", ""),
        web("Portainer", "portainer", &[9000, 9443], false, "", "Portainer"),
        web(
            "Prometheus",
            "prometheus",
            &[9090],
            false,
            "",
            "Prometheus Time Series Collection and Processing Server",
        ),
        web("Grafana", "grafana", &[3000], false, "", "Grafana"),
        web("Docker Registry", "docker-registry", &[5000], false, "", ""),
        web("Consul", "consul", &[8500], false, "", "Consul by HashiCorp"),
        plain("DNS", "dns", &[53]),
        web("Swarmpit", "swarmpit", &[888], false, "", "Swarmpit"),
    ],
];

/// A product of the group of `slot`, the first ones most often.
pub(super) fn pick(draw: &mut Draw, slot: u64) -> &'static Product {
    let group = PRODUCTS[slot as usize % PRODUCTS.len()];
    group.get(draw.zipf(group.len() as u64) as usize).unwrap_or(&group[0])
}

impl Product {
    pub(super) fn version(&self, draw: &mut Draw) -> String {
        format!("{}.{}.{}", 1 + self.name.len() % 8, draw.zipf(30), draw.zipf(12))
    }

    pub(super) fn exposure(&self, draw: &mut Draw) -> Exposure {
        match draw.below(100) {
            _ if self.name.is_empty() => Exposure::Unknown,
            0..2 => Exposure::Controllable,
            2..9 => Exposure::Readable,
            9..35 => Exposure::Limited,
            35..90 => Exposure::AuthRequired,
            _ => Exposure::Unknown,
        }
    }

    pub(super) fn status(&self, exposure: Exposure) -> u16 {
        match exposure {
            Exposure::Controllable | Exposure::Readable => 200,
            Exposure::Limited if self.title.is_empty() => 403,
            Exposure::Limited => 200,
            Exposure::AuthRequired if self.title.is_empty() => 401,
            Exposure::AuthRequired => 302,
            Exposure::Unknown => 404,
        }
    }

    pub(super) fn protocol(&self, secure: bool) -> &'static str {
        match (self.http, secure, self.fingerprint) {
            (true, true, _) => "https",
            (true, false, _) => "http",
            (false, _, "") => "tcp",
            (false, _, own) => own,
        }
    }

    pub(super) fn why(&self, exposure: Exposure) -> String {
        match exposure {
            Exposure::Unknown => "nothing can be concluded".to_owned(),
            Exposure::AuthRequired => format!("{} refuses every question", self.name),
            Exposure::Limited => "a stranger learns the version, no more".to_owned(),
            Exposure::Readable => "a stranger can count what it holds".to_owned(),
            Exposure::Controllable => "a stranger may create things".to_owned(),
        }
    }
}
