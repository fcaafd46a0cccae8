//! Hosts of Ingresses: without TLS, or for every name.

use nightlatch_manifest::{Node, Object};

use super::guard::is_guarded;
use crate::{Context, Found, Sink, Subject};

/// Annotations by which a controller or cloud is given a certificate without `spec.tls`: key, and what the value must
/// contain (empty: anything).
const CERTIFICATES: &[(&str, &str)] = &[
    ("alb.ingress.kubernetes.io/certificate-arn", ""),
    ("alb.ingress.kubernetes.io/listen-ports", "HTTPS"),
    ("networking.gke.io/managed-certificates", ""),
    ("networking.gke.io/v1beta1.FrontendConfig", ""),
    ("ingress.gcp.kubernetes.io/pre-shared-cert", ""),
    ("kubernetes.io/ingress.allow-http", "false"),
    ("appgw.ingress.kubernetes.io/appgw-ssl-certificate", ""),
    ("traefik.ingress.kubernetes.io/router.tls", "true"),
    ("traefik.ingress.kubernetes.io/router.tls.certresolver", ""),
    ("nginx.ingress.kubernetes.io/ssl-passthrough", "true"),
    ("nginx.ingress.kubernetes.io/force-ssl-redirect", "true"),
    ("haproxy.org/ssl-passthrough", "true"),
    ("haproxy-ingress.github.io/ssl-passthrough", "true"),
    ("konghq.com/protocols", "https"),
    ("route.openshift.io/termination", ""),
    ("service.beta.kubernetes.io/aws-load-balancer-ssl-cert", ""),
    ("kubernetes.digitalocean.com/load-balancer-certificate", ""),
];

/// Ingress classes whose controller ends TLS by itself for every host.
const TLS_CLASSES: [&str; 3] = ["tailscale", "cloudflare-tunnel", "ngrok"];

/// Ingresses that serve a host without TLS.
pub(super) fn no_tls<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for ingress in ingresses(context).filter(|ingress| !is_solver(ingress)) {
        let Some(spec) = ingress.spec() else { continue };
        if has_certificate(ingress) {
            sink.pass();
            continue;
        }
        let covers = tls_hosts(spec);
        let rules: Vec<Node<'a>> = spec.get("rules").into_iter().flat_map(Node::items).collect();
        let open: Vec<&Node<'a>> = rules.iter().filter(|rule| !is_covered(host(rule), &covers)).collect();
        let serves =
            !rules.is_empty() || spec.get("defaultBackend").or_else(|| spec.get("backend")).is_some();
        if !serves || (open.is_empty() && !rules.is_empty()) || (rules.is_empty() && !covers.is_empty()) {
            sink.pass();
            continue;
        }
        sink.fail(found(ingress, spec, &open));
    }
}

fn found<'a>(ingress: &Object<'a>, spec: Node<'a>, open: &[&Node<'a>]) -> Found<'a> {
    let subject = Subject::object(ingress);
    let names: Vec<String> =
        open.iter().filter_map(|rule| rule.get("host")).map(|host| format!("`{}`", host.text())).collect();
    let message = match names.as_slice() {
        [] => "requests are taken without TLS".to_owned(),
        [one] => format!("host {one} is served without TLS"),
        [one, rest @ ..] => format!("host {one} and {} more are served without TLS", rest.len()),
    };
    let mut found = match (spec.get("tls"), open.first().and_then(|rule| rule.get("host"))) {
        (Some(_), Some(host)) => Found::new(subject, host, message),
        _ => Found::missing(subject, spec, "tls", message),
    };
    for rule in open.iter().skip(1).take(10) {
        if let Some(host) = rule.get("host") {
            found = found.related("this host as well", Some(host));
        }
    }
    found
}

/// Ingresses of either group.
fn ingresses<'c, 'a>(context: &'c Context<'a>) -> impl Iterator<Item = &'c Object<'a>> {
    context
        .objects_of("Ingress")
        .filter(|ingress| matches!(ingress.group(), "networking.k8s.io" | "extensions"))
}

/// Challenges of certificate issuers are asked for over HTTP.
fn is_solver(ingress: &Object<'_>) -> bool {
    ingress.label("acme.cert-manager.io/http01-solver") == Some("true")
        || ingress.name.starts_with("cm-acme-http-solver")
}

fn has_certificate(ingress: &Object<'_>) -> bool {
    let by_annotation = CERTIFICATES.iter().any(|(key, wanted)| {
        ingress.annotation(key).is_some_and(|value| !value.is_empty() && value.contains(wanted))
    });
    let class = ingress.root.at("spec.ingressClassName").map(Node::text);
    let class = class.or_else(|| ingress.annotation("kubernetes.io/ingress.class")).unwrap_or("");
    by_annotation || TLS_CLASSES.contains(&class)
}

/// The hosts of all TLS entries; an entry without hosts is for every host and stands as an empty name.
fn tls_hosts<'a>(spec: Node<'a>) -> Vec<&'a str> {
    let mut hosts = Vec::new();
    for entry in spec.get("tls").into_iter().flat_map(Node::items) {
        match entry.get("hosts").filter(|hosts| !hosts.is_empty()) {
            Some(own) => hosts.extend(own.items().map(Node::text)),
            None => hosts.push(""),
        }
    }
    hosts
}

fn host<'a>(rule: &Node<'a>) -> &'a str {
    rule.get("host").map_or("", Node::text)
}

/// A wildcard covers one label, as in the API's own words on `hosts`.
fn is_covered(host: &str, tls: &[&str]) -> bool {
    tls.iter().any(|own| {
        let wild = own
            .strip_prefix("*.")
            .is_some_and(|rest| host.split_once('.').is_some_and(|(_, parent)| parent == rest));
        own.is_empty() || *own == host || wild || (host.is_empty() && !own.is_empty())
    })
}

/// Ingresses that answer to names nobody wrote down.
pub(super) fn wildcard<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for ingress in ingresses(context).filter(|ingress| !is_solver(ingress) && !is_guarded(ingress)) {
        let subject = Subject::object(ingress);
        let rules = ingress.spec().and_then(|spec| spec.get("rules"));
        let mut failed = false;
        for rule in rules.into_iter().flat_map(Node::items) {
            let found = match rule.get("host") {
                None => Found::missing(subject, rule, "host", "a rule without a host answers to every name"),
                Some(host) if host.text().is_empty() => {
                    Found::new(subject, host, "a rule without a host answers to every name")
                }
                Some(host) if host.text().starts_with('*') => Found::new(
                    subject,
                    host,
                    format!("`{}` answers to names that nobody wrote down", host.text()),
                ),
                Some(_) => continue,
            };
            failed = true;
            sink.fail(found);
        }
        if !failed {
            sink.pass();
        }
    }
}
