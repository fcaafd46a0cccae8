//! API-040: feature gates that weaken the cluster.

use crate::{
    Context, Sink,
    program::{gates::gates, programs, values::go_bool},
};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let mut is_sound = true;
        for gate in gates() {
            let Some((value, node)) = program.gate(&gate.name) else { continue };
            if go_bool(&value) == Some(gate.unsafe_value) {
                is_sound = false;
                let message = format!("{}={} {}", gate.name, gate.unsafe_value, gate.why);
                sink.fail(program.found_at(node, message).cause(gate.name.as_str()));
            }
        }
        if is_sound {
            sink.pass();
        }
    }
}
