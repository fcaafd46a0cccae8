use super::*;
use crate::Input;

fn corpus(files: &[(&str, &str)]) -> Corpus {
    Corpus::read(
        files
            .iter()
            .map(|(name, text)| Input { name: (*name).to_owned().into(), bytes: text.as_bytes().to_vec() }),
    )
}

#[test]
fn ports_of_both_syntaxes_are_one() {
    let text = "services:\n  a:\n    image: x\n    ports:\n";
    let check = |element: &str, expected: (Option<&str>, Option<&str>, &str, &str)| {
        let corpus = corpus(&[("compose.yaml", &format!("{text}    - {element}\n"))]);
        let projects = compose_projects(&corpus);
        let ports = projects[0].services[0].ports(&projects[0]);
        let port = &ports[0];
        let found = (
            port.host_ip.as_deref(),
            port.published.as_deref(),
            port.target.as_str(),
            port.protocol.as_str(),
        );
        assert_eq!(found, expected, "{element}");
    };
    check("3000", (None, None, "3000", "tcp"));
    check("\"8000:80\"", (None, Some("8000"), "80", "tcp"));
    check("127.0.0.1:8001:8001", (Some("127.0.0.1"), Some("8001"), "8001", "tcp"));
    check("\"[::1]:80:80/udp\"", (Some("::1"), Some("80"), "80", "udp"));
    check("127.0.0.1::5000", (Some("127.0.0.1"), None, "5000", "tcp"));
    check("22:22", (None, Some("22"), "22", "tcp"));
    check("\"${P:-9000}:80\"", (None, Some("9000"), "80", "tcp"));
    check("\"${P}:80\"", (None, None, "", "tcp"));
    check(
        "{target: 80, published: \"8080\", host_ip: 10.0.0.1, protocol: udp}",
        (Some("10.0.0.1"), Some("8080"), "80", "udp"),
    );
    check("3000-3005", (None, None, "3000-3005", "tcp"));
}

#[test]
fn mounts_of_both_syntaxes_are_one() {
    let text = "volumes:\n  vol: {driver_opts: {type: none, o: bind, device: /etc}}\nservices:\n  a:\n    image: x\n    volumes:\n";
    let check = |element: &str, kind, source: Option<&str>, target: &str, read_only| {
        let corpus = corpus(&[("compose.yaml", &format!("{text}    - {element}\n"))]);
        let projects = compose_projects(&corpus);
        let mounts = projects[0].services[0].mounts(&projects[0]);
        let found =
            (mounts[0].kind, mounts[0].source.as_deref(), mounts[0].target.as_str(), mounts[0].read_only);
        assert_eq!(found, (kind, source, target, read_only), "{element}");
    };
    use ComposeMountKind::{Bind, Tmpfs, Volume};
    check(
        "/var/run/docker.sock:/var/run/docker.sock:ro",
        Bind,
        Some("/var/run/docker.sock"),
        "/var/run/docker.sock",
        true,
    );
    check("./a:/b", Bind, Some("./a"), "/b", false);
    check("data:/b:z,ro", Volume, Some("data"), "/b", true);
    check("vol:/b", Bind, Some("/etc"), "/b", false);
    check("/only", Volume, None, "/only", false);
    check("'C:\\x:/b'", Bind, Some("C:\\x"), "/b", false);
    check("{type: bind, source: /, target: /host, read_only: true}", Bind, Some("/"), "/host", true);
    check("{type: tmpfs, target: /t}", Tmpfs, None, "/t", false);
}

#[test]
fn files_of_a_folder_are_merged() {
    let corpus = corpus(&[
        (
            "app/compose.yaml",
            "include: [../db/compose.yaml, missing.yaml]\nservices:\n  web:\n    extends: {file: base.yaml, service: common}\n    image: web:1\n    ports: ['80:80']\n    environment: {A: '1', B: \"${SECRET}\", C: null}\n",
        ),
        (
            "app/compose.override.yaml",
            "services:\n  web:\n    image: web:2\n    privileged: true\n    ports: ['81:81']\n    environment: [A=2]\n  extra: {image: e}\n",
        ),
        ("app/base.yaml", "services:\n  common:\n    image: c\n    cap_add: [NET_ADMIN]\n"),
        (
            "app/docker-compose.prod.yml",
            "services:\n  web:\n    ports: !override ['443:443']\n    privileged: !reset null\n",
        ),
        ("app/.env", "SECRET=hunter2\n"),
        ("db/compose.yaml", "services:\n  db: {image: d}\n"),
    ]);
    let projects = compose_projects(&corpus);
    let names: Vec<Vec<&str>> = projects
        .iter()
        .map(|project| project.services.iter().map(|service| service.name).collect())
        .collect();
    assert_eq!(names, [vec!["db", "web", "extra"], vec!["web"], vec!["db"]]);
    let project = &projects[0];
    assert!(project.has_unseen_files);
    let web = &project.services[1];
    assert_eq!(web.get("image").map(Node::text), Some("web:2"));
    assert_eq!(web.flag("privileged"), Some(true));
    assert_eq!(web.ports(project).len(), 2);
    assert_eq!(web.list("cap_add").iter().map(|node| node.text()).collect::<Vec<_>>(), ["NET_ADMIN"]);
    let environment: Vec<(&str, Option<String>)> =
        web.environment(project).into_iter().map(|v| (v.name, v.value)).collect();
    assert_eq!(environment, [("A", Some("2".to_owned())), ("B", Some("hunter2".to_owned())), ("C", None)]);
    let production = &projects[1].services[0];
    assert_eq!(production.get("image").map(Node::text), Some("web:1"));
    assert_eq!(
        production.ports(&projects[1]).iter().map(|port| port.target.as_str()).collect::<Vec<_>>(),
        ["443"]
    );
}

#[test]
fn circles_end() {
    let corpus = corpus(&[
        (
            "compose.yaml",
            "include: [other/compose.yaml]\nservices:\n  a: {extends: b, image: x}\n  b: {extends: {service: a}}\n",
        ),
        ("other/compose.yaml", "include: [../compose.yaml]\nservices:\n  c: {image: x}\n"),
    ]);
    assert_eq!(compose_projects(&corpus)[0].services.len(), 3);
}
