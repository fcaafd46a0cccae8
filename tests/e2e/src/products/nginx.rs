//! nginx, the thing that is not the product: none of these may be taken for one of the catalogue.

use nightlatch_asset::Exposure::Unknown;

use super::{Door, Requires, Variant, Version::Program};
use crate::{
    client::{Scheme, get},
    pki::Pki,
    server::{Home, Server, command_as, is_root},
};

/// It says its own name, which is all that is told: no product of the catalogue, and nothing of how far it opens.
const DOORS: &[Door] = &[Door::new("nginx", Program("nginx", "-v"), Unknown)];

/// A page that names every product that a careless matcher looks for.
const WIKI: &str = "<title>Kubernetes Dashboard</title>etcdserver etcdcluster Docker ApiVersion gitVersion NamespaceList \
    Prometheus Server is Healthy. Portainer RabbitMQ Management registry/2.0 {\"kind\":\"Status\"} You Know, for Search";

pub(super) const VARIANTS: &[Variant] = &[
    Variant {
        name: "nginx/site",
        requires: Requires::Nothing,
        start: || start("nginx/site", Scheme::Http, "location / { root ROOT; }"),
        shows: |server| assert_eq!(get(Scheme::Http, server.address, "/absent").unwrap().status, 404),
        doors: DOORS,
    },
    Variant {
        name: "nginx/wiki",
        requires: Requires::Nothing,
        start: || {
            start(
                "nginx/wiki",
                Scheme::Http,
                "location / { return 404; } location = / { root ROOT; } location = /index.html { root ROOT; }",
            )
        },
        shows: |server| {
            assert!(get(Scheme::Http, server.address, "/").unwrap().text.contains("Kubernetes Dashboard"))
        },
        doors: DOORS,
    },
    Variant {
        name: "nginx/everything-is-there",
        requires: Requires::Nothing,
        start: || {
            start(
                "nginx/everything-is-there",
                Scheme::Http,
                "location / { root ROOT; try_files /index.html =500; }",
            )
        },
        shows: |server| assert_eq!(get(Scheme::Http, server.address, "/version").unwrap().status, 200),
        doors: DOORS,
    },
    Variant {
        name: "nginx/ok-to-all",
        requires: Requires::Nothing,
        start: || start("nginx/ok-to-all", Scheme::Http, "return 200 'ok';"),
        shows: |server| assert!(get(Scheme::Http, server.address, "/healthz").unwrap().text.ends_with("ok")),
        doors: DOORS,
    },
    Variant {
        name: "nginx/password-everywhere",
        requires: Requires::Nothing,
        start: || {
            start(
                "nginx/password-everywhere",
                Scheme::Http,
                "auth_basic lab; auth_basic_user_file /dev/null;",
            )
        },
        shows: |server| assert_eq!(get(Scheme::Http, server.address, "/v2/").unwrap().status, 401),
        doors: DOORS,
    },
    Variant {
        name: "nginx/client-certificates",
        requires: Requires::Nothing,
        start: || {
            start(
                "nginx/client-certificates",
                Scheme::Https,
                "ssl_verify_client on; ssl_client_certificate CA;",
            )
        },
        shows: |server| {
            let answer = get(Scheme::Https, server.address, "/").unwrap();
            assert!(answer.text.contains("No required SSL certificate was sent"), "{}", answer.text);
        },
        doors: DOORS,
    },
];

fn start(name: &str, scheme: Scheme, rules: &str) -> Server {
    let home = Home::new();
    let pki = Pki::write(&home);
    home.write("index.html", WIKI);
    let work = home.dir_for("work", "www-data");
    let user = if is_root() { "user www-data;" } else { "" };
    let (tls, certificate) = match scheme {
        Scheme::Http => ("", String::new()),
        Scheme::Https => (
            " ssl",
            format!("ssl_certificate {}; ssl_certificate_key {};", pki.cert.display(), pki.key.display()),
        ),
    };
    let root = home.path("").display().to_string();
    let rules =
        rules.replace("ROOT", root.trim_end_matches('/')).replace("CA;", &format!("{};", pki.ca.display()));
    let server = Server::start(name, home, |home, port| {
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", work.join(kind).display()))
            .concat();
        let config = format!(
            "{user}\ndaemon off;\nworker_processes 1;\npid {};\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
             server {{\nlisten 127.0.0.1:{port}{tls};\n{certificate}\n{rules}\n}}\n}}\n",
            home.path("pid").display(),
        );
        let file = home.write("nginx.conf", &config);
        let mut command = command_as(None, "nginx");
        command.arg("-e").arg("stderr").arg("-c").arg(file);
        command
    });
    server.ready(|server| get(scheme, server.address, "/").is_ok())
}
