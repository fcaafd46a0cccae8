//! Native checks of the family `controller-manager`.

use crate::{
    Context, NativeCheck, Sink,
    program::{listen, programs, values::go_bool},
};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("controller-manager/bind-address-public", bind_address),
    ("controller-manager/insecure-port", insecure_port),
    ("controller-manager/rotate-kubelet-server-cert-off", rotate_off),
];

fn bind_address<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    listen::bind_address(context, "kube-controller-manager", sink);
}

fn insecure_port<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    listen::legacy_port(context, "kube-controller-manager", sink);
}

fn rotate_off<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-controller-manager") {
        match program.gate("RotateKubeletServerCertificate") {
            Some((value, node)) if go_bool(&value) == Some(false) => {
                sink.fail(program.found_at(node, "serving certificates of kubelets are not renewed"));
            }
            _ => sink.pass(),
        }
    }
}
