//! Whether something asks for credentials, or for the right address, in front of what is published.

use nightlatch_manifest::{Node, Object};

/// Annotations by which an ingress controller asks before it lets anybody through: the key's end, after the prefix.
const ASKING: &[&str] = &[
    "nginx.ingress.kubernetes.io/auth-url",
    "nginx.ingress.kubernetes.io/auth-type",
    "nginx.ingress.kubernetes.io/auth-tls-secret",
    "nginx.ingress.kubernetes.io/whitelist-source-range",
    "nginx.ingress.kubernetes.io/allowlist-source-range",
    "haproxy.org/auth-type",
    "haproxy.org/whitelist",
    "haproxy-ingress.github.io/auth-url",
    "haproxy-ingress.github.io/allowlist-source-range",
    "haproxy-ingress.github.io/whitelist-source-range",
    "ingress.kubernetes.io/auth-type",
    "ingress.kubernetes.io/auth-url",
    "alb.ingress.kubernetes.io/auth-type",
    "alb.ingress.kubernetes.io/inbound-cidrs",
    "appgw.ingress.kubernetes.io/waf-policy-for-path",
    "haproxy.router.openshift.io/ip_whitelist",
    "haproxy.router.openshift.io/ip_allowlist",
];

/// Ingress classes and schemes that publish to a private network only.
fn is_private_entry(object: &Object<'_>) -> bool {
    let class = object.root.at("spec.ingressClassName").map(Node::text);
    let class = class.or_else(|| object.annotation("kubernetes.io/ingress.class")).unwrap_or("");
    let scheme = object.annotation("alb.ingress.kubernetes.io/scheme") == Some("internal");
    scheme
        || class == "tailscale"
        || class == "gce-internal"
        || class.split(['-', '.']).any(|part| matches!(part, "internal" | "private"))
}

/// True when an Ingress or route asks before it lets anybody through, or is for a private network only.
pub(super) fn is_guarded(object: &Object<'_>) -> bool {
    let asks = ASKING.iter().filter_map(|key| object.annotation(key)).any(|value| {
        let value = value.trim();
        !value.is_empty() && !matches!(value, "none" | "0.0.0.0/0" | "0.0.0.0/0,::/0")
    });
    let middleware = object.annotation("traefik.ingress.kubernetes.io/router.middlewares").unwrap_or("");
    let by_middleware =
        ["auth", "oauth", "allowlist", "whitelist", "sso"].iter().any(|word| middleware.contains(word));
    asks || by_middleware || is_private_entry(object)
}
