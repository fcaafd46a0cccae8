//! Our own API as schemathesis asks it: every operation of the description, with right and wrong values.
//!
//! Needs schemathesis from PyPI, which `./test` installs beside the interpreter in `NIGHTLATCH_PYTHON`. Run by `./test`
//! with `--ignored`; without it the test fails.

#![expect(clippy::panic, reason = "a test, also in the functions around it")]

use std::{fs, path::PathBuf, process::Command};

use nightlatch_e2e::console::{Estate, finish};
use serde_json::{Value, json};

/// Examples of each operation and phase: as many as fit into a minute.
const EXAMPLES: &str = "12";
const CONFIG: &str = "[server]\nrequests_per_minute = 1000000\n";

fn schemathesis() -> PathBuf {
    let python = std::env::var_os("NIGHTLATCH_PYTHON").map(PathBuf::from);
    python.unwrap_or_else(|| panic!("needs schemathesis: ./test installs it")).with_file_name("schemathesis")
}

#[test]
fn the_served_description_is_the_committed_one() {
    let console = Estate::new();
    let console = console.serve();
    let served = console.get("/api/v1/openapi.json");
    let committed =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi.json"))
            .unwrap();
    assert_eq!(served.status, 200, "{served:?}");
    assert!(served.body == committed, "the binary was built before schemas/openapi.json was written anew");
    let page = console.get("/api/docs");
    assert!(page.status == 200 && page.body.contains("/api/v1/observations/search"), "{page:.300?}");
}

#[test]
#[ignore = "needs schemathesis; ./test installs it and runs this"]
fn schemathesis_finds_nothing() {
    let estate = Estate::with(CONFIG);
    let console = estate.serve();
    // Something to find.
    let spec = json!({"name": "a", "networks": ["127.0.0.0/8"], "triggers": {"any": {}}});
    assert_eq!(console.send_json("POST", "/api/v1/alerts", &spec).status, 201);
    let mut document: Value = console.get("/api/v1/openapi.json").json();
    // A run over whatever it thinks of would scan this machine: what a run needs is tested elsewhere.
    let paths = document["paths"].as_object_mut().unwrap();
    paths["/api/v1/runs"].as_object_mut().unwrap().remove("post");
    // Wrong keys lock their sender out, which is tested elsewhere: it is told of no key, and sends the one it is given.
    document.as_object_mut().unwrap().remove("security");
    document["components"].as_object_mut().unwrap().remove("securitySchemes");
    let description = estate.path("openapi.json");
    fs::write(&description, document.to_string()).unwrap();
    let mut command = Command::new(schemathesis());
    estate.tidy(&mut command);
    command.arg("run").arg(&description).args(["--url", &format!("http://{}", console.address)]);
    command.args(["--header", &format!("Authorization: Bearer {}", console.key())]);
    command.args([
        "--max-examples",
        EXAMPLES,
        "--workers",
        "1",
        "--seed",
        "7",
        "--max-time",
        "60",
        "--generation-database",
        "none",
        "--request-timeout",
        "20",
        "--no-color",
    ]);
    command.args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"]);
    command.args([
        "--checks",
        "response_schema_conformance,response_headers_conformance,negative_data_rejection",
    ]);
    let (code, said) = finish(command);
    assert_eq!(code, Some(0), "{said}\n{}", console.log_end());
    assert!(said.contains("passed") && !said.contains("Rate limited"), "{said}");
}
