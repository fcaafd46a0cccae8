//! etcd, the API server and the controllers.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;

use super::{
    api::{Api, Login},
    authority::{Authority, Identity, path_text, token_keys},
    needed,
};
use crate::server::{Home, Server, command_as, free_port};

/// A static bearer token, and whom the API server takes its bearer for.
pub const TOKEN: &str = "lab-static-token-0123456789abcdef";
/// The user of [`TOKEN`].
pub const TOKEN_USER: &str = "token-user";
/// The controllers that the tests lean on; all of them would keep the machine busy.
const CONTROLLERS: &str =
    "clusterrole-aggregation,serviceaccount,serviceaccount-token,namespace,garbagecollector";
const AUDIT_LOG: &str = "audit.log";
const AUDIT_POLICY: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";
const SETTLE_MAX: Duration = Duration::from_secs(120);

/// The API server's `--authorization-mode`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authorization {
    /// Roles and bindings, and the authoriser of nodes.
    Rbac,
    /// Everybody who is known may do everything.
    AlwaysAllow,
}

/// How the control plane is started.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Who decides.
    pub authorization: Authorization,
    /// `--anonymous-auth`; absent: not given.
    pub anonymous: Option<bool>,
    /// Whether the controllers run; without them the roles that aggregate others stay empty.
    pub controllers: bool,
    /// Whether the server writes down who asked what.
    pub audit: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { authorization: Authorization::Rbac, anonymous: None, controllers: false, audit: false }
    }
}

/// A daemon of the control plane that is known by its ports.
#[derive(Clone, Copy, Debug)]
pub struct Daemon {
    /// Its program, and its user without the prefix.
    pub program: &'static str,
    /// Its port within TLS.
    pub secure: u16,
    /// Its port without, which releases before 1.23 have.
    pub plain: u16,
}

/// The scheduler.
pub const SCHEDULER: Daemon = Daemon { program: "kube-scheduler", secure: 10259, plain: 10251 };
/// The controllers.
pub const CONTROLLER_MANAGER: Daemon =
    Daemon { program: "kube-controller-manager", secure: 10257, plain: 10252 };

/// Why the daemons cannot have their ports; `None` when they can.
pub fn ports_taken() -> Option<String> {
    let ports = [SCHEDULER, CONTROLLER_MANAGER].into_iter().flat_map(|daemon| [daemon.secure, daemon.plain]);
    let taken: Vec<u16> = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_err()).collect();
    (!taken.is_empty()).then(|| format!("ports {taken:?} are taken on this machine"))
}

/// A running control plane.
#[derive(Debug)]
pub struct Lab {
    // Dropped first: it would only complain about the missing server.
    controllers: Option<Server>,
    server: Server,
    /// Who signs the certificates.
    pub authority: Authority,
    admin: Identity,
    home: Home,
}

impl Lab {
    /// Starts it and waits until it serves and has its default roles.
    pub fn start(setup: &Setup) -> Self {
        let home = Home::new();
        let authority = Authority::new(&home);
        let etcd = start_etcd();
        let keys = token_keys(&home);
        let mut server = start_server(&home, &authority, &etcd, setup, &keys);
        server.companions.push(etcd);
        let admin = authority.user("lab-admin", &["system:masters"]);
        let mut lab = Self { controllers: None, server, authority, admin, home };
        lab.wait_until_ready(setup);
        if setup.controllers {
            lab.controllers = Some(lab.start_controllers(&keys.0));
            lab.wait_for("the aggregated roles and the default account", |api| {
                let admin = api.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/admin");
                let rules = admin.json["rules"].as_array().map_or(0, Vec::len);
                rules > 0 && has_token(api, "default")
            });
        }
        lab
    }

    /// Where the API server listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Where the controllers listen, when they run.
    pub fn controllers_address(&self) -> Option<SocketAddr> {
        self.controllers.as_ref().map(|server| server.address)
    }

    /// The API as `login` sees it.
    pub fn api(&self, login: &Login) -> Api {
        Api::new(self.address(), &self.authority.pem, login)
    }

    /// The API as a member of `system:masters` sees it.
    pub fn admin(&self) -> Api {
        self.api(&Login::Certificate(self.admin.clone()))
    }

    /// A login by certificate.
    pub fn certificate(&self, user: &str, groups: &[&str]) -> Login {
        Login::Certificate(self.authority.user(user, groups))
    }

    /// A login by a token of a service account, which must exist, made by the server.
    pub fn service_account_token(&self, namespace: &str, name: &str) -> Login {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = self.admin().post(&path, &request).done();
        Login::Token(answer["status"]["token"].as_str().unwrap().to_owned())
    }

    /// Writes a kubeconfig for `login` under `name`, in the shape that installers write: everything inside the file.
    pub fn kubeconfig(&self, name: &str, login: &Login) -> PathBuf {
        self.home.write(name, &kubeconfig(self.address(), &self.authority.pem, login))
    }

    /// Writes a file beside those of the control plane.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        self.home.write(name, text)
    }

    /// Where the server writes down who asked what, one JSON object a line; see [`Setup::audit`].
    pub fn audit_log(&self) -> PathBuf {
        self.home.path(AUDIT_LOG)
    }

    /// The end of the API server's log.
    pub fn log(&self) -> String {
        self.server.log_tail()
    }

    /// Waits until `ready` holds; panics with the log otherwise.
    pub fn wait_for(&mut self, what: &str, ready: impl Fn(&Api) -> bool) {
        let api = self.admin();
        if let Err(why) = self.server.wait_until(SETTLE_MAX, |_| ready(&api)) {
            panic!("{what}: {why}\n{}", self.server.log_tail());
        }
    }

    /// Starts a scheduler or another controller manager on the ports that are its own, the plain one too.
    pub fn start_daemon(&self, daemon: Daemon) -> Server {
        let identity = self.authority.user(&format!("system:{}", daemon.program), &[]);
        let config =
            self.kubeconfig(&format!("{}.kubeconfig", daemon.program), &Login::Certificate(identity));
        Server::start_on(daemon.secure, daemon.program, Home::new(), |home, port| {
            let mut command = command_as(None, &path_text(&needed(daemon.program)));
            command.args(["--address=127.0.0.1", "--bind-address=127.0.0.1", "--leader-elect=false"]);
            command.arg(format!("--secure-port={port}")).arg(format!("--port={}", daemon.plain));
            command.arg("--kubeconfig").arg(&config).arg("--cert-dir").arg(home.path("certs"));
            command
        })
    }

    fn wait_until_ready(&mut self, setup: &Setup) {
        let rbac = setup.authorization == Authorization::Rbac;
        self.wait_for("the API server", |api| {
            let answers = |path| api.ask("GET", path, None).is_ok_and(|answer| answer.status == 200);
            // Namespaces come from a loop that starts after the port is open.
            answers("/readyz")
                && answers("/api/v1/namespaces/default")
                && answers("/api/v1/namespaces/kube-system")
                && (!rbac
                    || answers(
                        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:public-info-viewer",
                    ))
        });
    }

    fn start_controllers(&self, private_key: &Path) -> Server {
        let identity = self.authority.user("system:kube-controller-manager", &[]);
        let config = self.kubeconfig("controllers.kubeconfig", &Login::Certificate(identity));
        Server::start("kube-controller-manager", Home::new(), |home, port| {
            let mut command = command_as(None, &path_text(&needed("kube-controller-manager")));
            command.args(["--port=0", "--bind-address=127.0.0.1", "--leader-elect=false"]);
            // Each controller acts as an account of its own: the program's own role may change nothing.
            command.arg("--use-service-account-credentials=true");
            command.arg(format!("--secure-port={port}")).arg(format!("--controllers={CONTROLLERS}"));
            command.arg("--kubeconfig").arg(&config).arg("--cert-dir").arg(home.path("certs"));
            command.arg("--service-account-private-key-file").arg(private_key);
            command.arg("--root-ca-file").arg(&self.authority.file);
            command
        })
    }
}

/// Whether a service account of the namespace `default` has its token, without which the server takes no pod of it.
pub fn has_token(api: &Api, account: &str) -> bool {
    let account = api.get(&format!("/api/v1/namespaces/default/serviceaccounts/{account}"));
    account.json["secrets"].as_array().is_some_and(|secrets| !secrets.is_empty())
}

/// A kubeconfig for the server at `address`.
pub(super) fn kubeconfig(address: SocketAddr, authority: &str, login: &Login) -> String {
    let user = match login {
        Login::Anonymous => json!({}),
        Login::Token(token) => json!({ "token": token }),
        Login::Certificate(identity) => json!({
            "client-certificate-data": base64(identity.certificate.as_bytes()),
            "client-key-data": base64(identity.key.as_bytes()),
        }),
    };
    let cluster = json!({"server": format!("https://{address}"), "certificate-authority-data": base64(authority.as_bytes())});
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": cluster}],
        "users": [{"name": "somebody", "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "somebody"}}],
    })
    .to_string()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn start_etcd() -> Server {
    Server::start("etcd", Home::new(), |home, port| {
        let (client, peer) =
            (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", free_port()));
        // Another attempt must not find the members of the first.
        let data = home.path("data");
        let _ = fs::remove_dir_all(&data);
        let mut command = command_as(None, "etcd");
        command.args(["--name=lab", "--logger=zap", "--log-outputs=stderr"]).arg("--data-dir").arg(data);
        command
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"));
        command
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"));
        command.arg(format!("--initial-cluster=lab={peer}"));
        command
    })
}

fn start_server(
    home: &Home,
    authority: &Authority,
    etcd: &Server,
    setup: &Setup,
    (private_key, public_key): &(PathBuf, PathBuf),
) -> Server {
    let (certificate, key) = authority.server(home, "kube-apiserver");
    let tokens = home.write("tokens.csv", &format!("{TOKEN},{TOKEN_USER},token-user-id\n"));
    let etcd = etcd.address;
    Server::start("kube-apiserver", Home::new(), |own, port| {
        let mut command = command_as(None, &path_text(&needed("kube-apiserver")));
        command.args(["--bind-address=127.0.0.1", "--insecure-port=0", "--advertise-address=127.0.0.1"]);
        // No node could reach the loopback address, so it is not published as an endpoint.
        command.args(["--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.96.0.0/16"]);
        command.args(["--allow-privileged=true", "--service-account-issuer=https://kubernetes.default.svc"]);
        command.arg(format!("--secure-port={port}")).arg(format!("--etcd-servers=http://{etcd}"));
        command.arg("--tls-cert-file").arg(&certificate).arg("--tls-private-key-file").arg(&key);
        command.arg("--client-ca-file").arg(&authority.file).arg("--cert-dir").arg(own.path("certs"));
        command.arg("--service-account-signing-key-file").arg(private_key);
        command.arg("--service-account-key-file").arg(public_key);
        command.arg("--token-auth-file").arg(&tokens);
        command.arg(match setup.authorization {
            Authorization::Rbac => "--authorization-mode=Node,RBAC",
            Authorization::AlwaysAllow => "--authorization-mode=AlwaysAllow",
        });
        if setup.audit {
            command.arg("--audit-policy-file").arg(home.write("audit.yaml", AUDIT_POLICY));
            command.arg("--audit-log-path").arg(home.path(AUDIT_LOG));
        }
        if let Some(anonymous) = setup.anonymous {
            command.arg(format!("--anonymous-auth={anonymous}"));
        }
        command
    })
}
