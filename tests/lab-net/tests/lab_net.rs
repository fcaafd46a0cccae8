//! Discovery on a wire of our own: what is sent is compared with what should be, and what is found with what is there.
//!
//! `./test lab-net` builds the program and runs this. It needs root, network namespaces and virtual cards; where the machine
//! has none of them everything here counts as ignored, and the reason is printed before and after the run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

#[path = "lab_net/faults.rs"]
mod faults;
#[path = "lab_net/found.rs"]
mod found;
#[path = "lab_net/harness.rs"]
mod harness;
#[path = "lab_net/loss.rs"]
mod loss;
#[path = "lab_net/pace.rs"]
mod pace;
#[path = "lab_net/replies.rs"]
mod replies;
#[path = "lab_net/rights.rs"]
mod rights;
#[path = "lab_net/ways.rs"]
mod ways;
#[path = "lab_net/wire.rs"]
mod wire;

use libtest_mimic::{Arguments, Trial};
use nightlatch_lab_net::{Lab, Sky};

/// One test.
type Case = (&'static str, fn());

fn main() {
    let mut arguments = Arguments::from_args();
    // Rates are measured: one scan at a time.
    arguments.test_threads = Some(1);
    let lacks = Lab::new(Sky::Dark).err().map(|reason| reason.0);
    let netem = lacks.is_none() && Lab::new(Sky::Dark).is_ok_and(|lab| lab.has_netem());
    let say = || {
        if let Some(reason) = &lacks {
            eprintln!("\n!!! NOT RUN: nothing of lab-net, because {reason}\n");
        } else if !netem {
            eprintln!(
                "\n!!! NOT RUN: delay, duplication and reordering: this kernel has no `tc netem`. Loss is by a rule of \
                 nftables.\n"
            );
        }
    };
    let cases = [
        harness::CASES,
        found::CASES,
        wire::CASES,
        pace::CASES,
        loss::CASES,
        replies::CASES,
        faults::CASES,
        ways::CASES,
        rights::CASES,
    ]
    .concat();
    let mut trials: Vec<Trial> = cases
        .into_iter()
        .map(|(name, run): Case| {
            let trial = Trial::test(name, move || {
                run();
                Ok(())
            });
            trial.with_ignored_flag(lacks.is_some())
        })
        .collect();
    trials.extend(faults::NETEM.iter().map(|(name, run)| {
        let run = *run;
        let trial = Trial::test(*name, move || {
            run();
            Ok(())
        });
        trial.with_ignored_flag(!netem)
    }));
    say();
    let conclusion = libtest_mimic::run(&arguments, trials);
    say();
    conclusion.exit();
}
