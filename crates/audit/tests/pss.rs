//! The profiles `pss-baseline` and `pss-restricted` against the Pod Security Standards: for each control pods that the
//! standard allows and forbids, at each level and at the versions between which it changed. The verdicts are facts of the
//! policy of the API server's admission plugin (`k8s.io/pod-security-admission`, 1.36, with what 1.37 adds to the sysctls).
//!
//! A row changes one thing of a pod that both levels allow, and says what each level thinks of it then. What is set for a
//! container is tried in a main, an init and an ephemeral container.

use nightlatch_audit::{KubernetesVersion, Profile, Settings, audit};
use nightlatch_manifest::{Corpus, Input};

/// Where the text of a row goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// Annotations of the pod.
    Annotations,
    /// Fields of the pod's `spec`.
    Spec,
    /// Fields of its `securityContext`.
    PodSecurity,
    /// Fields of a container.
    Container,
    /// Fields of the `securityContext` of a container.
    Security,
}

use Place::{Annotations, Container, PodSecurity, Security, Spec};

/// Minor versions, place, text, further fields of `spec`; then whether Baseline and Restricted allow it.
type Row = (&'static [u16], Place, &'static str, &'static str, bool, bool);

const ALWAYS: &[u16] = &[0, 18, 22, 25, 36];

const ROWS: &[Row] = &[
    // The pod that nothing is changed of.
    (ALWAYS, Spec, "", "", true, true),
    // Host namespaces.
    (ALWAYS, Spec, "hostNetwork: true", "", false, false),
    (ALWAYS, Spec, "hostPID: true", "", false, false),
    (ALWAYS, Spec, "hostIPC: true", "", false, false),
    (ALWAYS, Spec, "hostNetwork: false, hostPID: false, hostIPC: null", "", true, true),
    // Privileged containers.
    (ALWAYS, Security, "privileged: true", "", false, false),
    (ALWAYS, Security, "privileged: false", "", true, true),
    (ALWAYS, Security, "privileged: null", "", true, true),
    // Capabilities.
    (ALWAYS, Security, "capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}", "", true, true),
    (ALWAYS, Security, "capabilities: {drop: [ALL], add: [NET_RAW]}", "", false, false),
    (ALWAYS, Security, "capabilities: {drop: [ALL], add: [CAP_CHOWN]}", "", false, false),
    (ALWAYS, Security, "capabilities: {drop: [ALL], add: [net_bind_service]}", "", false, false),
    (ALWAYS, Security, "capabilities: {drop: [ALL], add: [ALL]}", "", false, false),
    (&[0, 21], Security, "capabilities: {drop: [ALL], add: [CHOWN, SYS_CHROOT]}", "", true, true),
    (&[22, 36], Security, "capabilities: {drop: [ALL], add: [CHOWN, SYS_CHROOT]}", "", true, false),
    (&[0, 21], Security, "capabilities: {}", "", true, true),
    (&[22, 36], Security, "capabilities: {}", "", true, false),
    (&[22, 36], Security, "capabilities: null", "", true, false),
    (&[22, 36], Security, "capabilities: {drop: [all]}", "", true, false),
    (&[22, 36], Security, "capabilities: {drop: [NET_RAW, ALL]}", "", true, true),
    (&[22, 24], Security, "capabilities: null", "os: {name: windows}", true, false),
    (&[25, 36], Security, "capabilities: null", "os: {name: windows}", true, true),
    // From 1.22 on the check of Restricted stands in the place of Baseline's, and Windows is exempt from it.
    (&[22, 24], Security, "capabilities: {add: [SYS_ADMIN]}", "os: {name: windows}", false, false),
    (&[25, 36], Security, "capabilities: {add: [SYS_ADMIN]}", "os: {name: windows}", false, true),
    // Volumes.
    (ALWAYS, Spec, "volumes: [{name: v, hostPath: {path: /data}}]", "", false, false),
    (ALWAYS, Spec, "volumes: [{name: v, nfs: {server: s, path: /}}]", "", true, false),
    (ALWAYS, Spec, "volumes: [{name: v, gitRepo: {repository: r}}]", "", true, false),
    (ALWAYS, Spec, "volumes: [{name: v, awsElasticBlockStore: {volumeID: i}}]", "", true, false),
    (ALWAYS, Spec, "volumes: [{name: v, emptyDir: {}}, {name: w, iscsi: {iqn: q}}]", "", true, false),
    (
        ALWAYS,
        Spec,
        "volumes: [{name: a, configMap: {}}, {name: b, csi: {driver: d}}, {name: c, downwardAPI: {}}]",
        "",
        true,
        true,
    ),
    (
        ALWAYS,
        Spec,
        "volumes: [{name: d, emptyDir: {}}, {name: e, ephemeral: {}}, {name: f, image: {}}]",
        "",
        true,
        true,
    ),
    (
        ALWAYS,
        Spec,
        "volumes: [{name: g, persistentVolumeClaim: {}}, {name: h, projected: {}}, {name: i, secret: {}}]",
        "",
        true,
        true,
    ),
    (ALWAYS, Spec, "volumes: [{name: no-source}]", "", true, true),
    (ALWAYS, Spec, "volumes: [{name: v, hostPath: null, emptyDir: {}}]", "", true, true),
    // Host ports.
    (ALWAYS, Container, "ports: [{containerPort: 80, hostPort: 8080}]", "", false, false),
    (ALWAYS, Container, "ports: [{containerPort: 80, hostPort: 0}, {containerPort: 81}]", "", true, true),
    // AppArmor.
    (ALWAYS, Annotations, "container.apparmor.security.beta.kubernetes.io/c: unconfined", "", false, false),
    (ALWAYS, Annotations, "container.apparmor.security.beta.kubernetes.io/other: nonsense", "", false, false),
    (
        ALWAYS,
        Annotations,
        "container.apparmor.security.beta.kubernetes.io/c: runtime/default",
        "",
        true,
        true,
    ),
    (ALWAYS, Annotations, "container.apparmor.security.beta.kubernetes.io/c: localhost/p", "", true, true),
    (ALWAYS, Annotations, "container.apparmor.security.beta.kubernetes.io/c: ''", "", true, true),
    (ALWAYS, PodSecurity, "appArmorProfile: {type: Unconfined}", "", false, false),
    (ALWAYS, PodSecurity, "appArmorProfile: {type: RuntimeDefault}", "", true, true),
    (ALWAYS, Security, "appArmorProfile: {type: Unconfined}", "", false, false),
    (ALWAYS, Security, "appArmorProfile: {type: Localhost, localhostProfile: p}", "", true, true),
    // SELinux.
    (ALWAYS, PodSecurity, "seLinuxOptions: {type: spc_t}", "", false, false),
    (ALWAYS, PodSecurity, "seLinuxOptions: {type: container_t, level: 's0:c1'}", "", true, true),
    (ALWAYS, Security, "seLinuxOptions: {type: container_init_t}", "", true, true),
    (ALWAYS, Security, "seLinuxOptions: {type: container_kvm_t}", "", true, true),
    (&[0, 30], Security, "seLinuxOptions: {type: container_engine_t}", "", false, false),
    (&[31, 36], Security, "seLinuxOptions: {type: container_engine_t}", "", true, true),
    (ALWAYS, Security, "seLinuxOptions: {user: system_u}", "", false, false),
    (ALWAYS, PodSecurity, "seLinuxOptions: {role: system_r}", "", false, false),
    (ALWAYS, Security, "seLinuxOptions: {user: '', role: '', type: ''}", "", true, true),
    // /proc.
    (ALWAYS, Security, "procMount: Unmasked", "", false, false),
    (ALWAYS, Security, "procMount: Default", "", true, true),
    (&[0, 34], Security, "procMount: Unmasked", "hostUsers: false", false, false),
    (&[35, 36], Security, "procMount: Unmasked", "hostUsers: false", true, false),
    // Seccomp.
    (&[0, 18], PodSecurity, "seccompProfile: {type: Unconfined}", "", true, true),
    (&[19, 36], PodSecurity, "seccompProfile: {type: Unconfined}", "", false, false),
    (&[19, 36], PodSecurity, "seccompProfile: {type: Localhost, localhostProfile: p}", "", true, true),
    (&[0, 18], Security, "seccompProfile: {type: Unconfined}", "", true, true),
    (&[19, 36], Security, "seccompProfile: {type: Unconfined}", "", false, false),
    (&[19, 36], Security, "seccompProfile: {type: Localhost, localhostProfile: p}", "", true, true),
    (&[0, 18], PodSecurity, "seccompProfile: null", "", true, true),
    (&[19, 36], PodSecurity, "seccompProfile: null", "", true, false),
    (&[19, 24], PodSecurity, "seccompProfile: null", "os: {name: windows}", true, false),
    (&[25, 36], PodSecurity, "seccompProfile: null", "os: {name: windows}", true, true),
    (&[25, 36], PodSecurity, "seccompProfile: {type: Unconfined}", "os: {name: windows}", false, true),
    (&[0, 18], Annotations, "seccomp.security.alpha.kubernetes.io/pod: unconfined", "", false, false),
    (&[0, 18], Annotations, "container.seccomp.security.alpha.kubernetes.io/c: unconfined", "", false, false),
    (
        &[0, 18],
        Annotations,
        "container.seccomp.security.alpha.kubernetes.io/other: unconfined",
        "",
        true,
        true,
    ),
    (&[0, 18], Annotations, "seccomp.security.alpha.kubernetes.io/pod: docker/default", "", true, true),
    (&[0, 18], Annotations, "seccomp.security.alpha.kubernetes.io/pod: localhost/p", "", true, true),
    (&[19, 36], Annotations, "seccomp.security.alpha.kubernetes.io/pod: unconfined", "", true, true),
    // Sysctls.
    (ALWAYS, PodSecurity, "sysctls: [{name: kernel.shm_rmid_forced, value: '1'}]", "", true, true),
    (
        ALWAYS,
        PodSecurity,
        "sysctls: [{name: net.ipv4.ip_local_port_range, value: '1'}, {name: net.ipv4.tcp_syncookies, value: '1'}]",
        "",
        true,
        true,
    ),
    (
        ALWAYS,
        PodSecurity,
        "sysctls: [{name: net.ipv4.ping_group_range, value: '1'}, {name: net.ipv4.ip_unprivileged_port_start, value: '1'}]",
        "",
        true,
        true,
    ),
    (ALWAYS, PodSecurity, "sysctls: [{name: kernel.msgmax, value: '1'}]", "", false, false),
    (ALWAYS, PodSecurity, "sysctls: []", "", true, true),
    (
        &[0, 26],
        PodSecurity,
        "sysctls: [{name: net.ipv4.ip_local_reserved_ports, value: '1'}]",
        "",
        false,
        false,
    ),
    (
        &[27, 36],
        PodSecurity,
        "sysctls: [{name: net.ipv4.ip_local_reserved_ports, value: '1'}]",
        "",
        true,
        true,
    ),
    (&[28], PodSecurity, "sysctls: [{name: net.ipv4.tcp_keepalive_time, value: '1'}]", "", false, false),
    (
        &[29],
        PodSecurity,
        "sysctls: [{name: net.ipv4.tcp_keepalive_time, value: '1'}, {name: net.ipv4.tcp_fin_timeout, value: '1'}]",
        "",
        true,
        true,
    ),
    (
        &[29],
        PodSecurity,
        "sysctls: [{name: net.ipv4.tcp_keepalive_intvl, value: '1'}, {name: net.ipv4.tcp_keepalive_probes, value: '1'}]",
        "",
        true,
        true,
    ),
    (&[31], PodSecurity, "sysctls: [{name: net.ipv4.tcp_rmem, value: '1'}]", "", false, false),
    (
        &[32, 36],
        PodSecurity,
        "sysctls: [{name: net.ipv4.tcp_rmem, value: '1'}, {name: net.ipv4.tcp_wmem, value: '1'}]",
        "",
        true,
        true,
    ),
    (&[36], PodSecurity, "sysctls: [{name: net.ipv4.tcp_notsent_lowat, value: '1'}]", "", false, false),
    (
        &[37],
        PodSecurity,
        "sysctls: [{name: net.ipv4.tcp_notsent_lowat, value: '1'}, {name: net.ipv4.tcp_slow_start_after_idle, value: '1'}]",
        "",
        true,
        true,
    ),
    // Windows HostProcess.
    (ALWAYS, PodSecurity, "windowsOptions: {hostProcess: true}", "", false, false),
    (ALWAYS, PodSecurity, "windowsOptions: {hostProcess: false}", "", true, true),
    (ALWAYS, Security, "windowsOptions: {hostProcess: true}", "", false, false),
    (ALWAYS, Security, "windowsOptions: {hostProcess: null}", "", true, true),
    // Hosts of probes and hooks.
    (&[0, 33], Container, "livenessProbe: {httpGet: {host: h, port: 80}}", "", true, true),
    (&[34, 36], Container, "livenessProbe: {httpGet: {host: h, port: 80}}", "", false, false),
    (&[34, 36], Container, "readinessProbe: {tcpSocket: {host: 127.0.0.1, port: 80}}", "", false, false),
    (&[34, 36], Container, "startupProbe: {httpGet: {host: h, port: 80}}", "", false, false),
    (&[34, 36], Container, "lifecycle: {postStart: {httpGet: {host: h, port: 80}}}", "", false, false),
    (&[34, 36], Container, "lifecycle: {preStop: {tcpSocket: {host: h, port: 80}}}", "", false, false),
    (
        &[34, 36],
        Container,
        "livenessProbe: {httpGet: {host: '', port: 80}}, readinessProbe: {grpc: {port: 80}}",
        "",
        true,
        true,
    ),
    // Privilege escalation.
    (&[0, 7], Security, "allowPrivilegeEscalation: null", "", true, true),
    (&[8, 36], Security, "allowPrivilegeEscalation: null", "", true, false),
    (&[8, 36], Security, "allowPrivilegeEscalation: true", "", true, false),
    (&[8, 24], Security, "allowPrivilegeEscalation: null", "os: {name: windows}", true, false),
    (&[25, 36], Security, "allowPrivilegeEscalation: null", "os: {name: windows}", true, true),
    (
        &[25, 36],
        Security,
        "allowPrivilegeEscalation: null",
        "nodeSelector: {kubernetes.io/os: windows}",
        true,
        false,
    ),
    // Not root.
    (ALWAYS, PodSecurity, "runAsNonRoot: null", "", true, false),
    (ALWAYS, PodSecurity, "runAsNonRoot: false", "", true, false),
    (ALWAYS, PodSecurity, "runAsNonRoot: null, runAsUser: 1000", "", true, false),
    (ALWAYS, Security, "runAsNonRoot: false", "", true, false),
    (ALWAYS, Security, "runAsNonRoot: true", "", true, true),
    (ALWAYS, PodSecurity, "runAsNonRoot: null", "os: {name: windows}", true, false),
    (&[0, 34], PodSecurity, "runAsNonRoot: null", "hostUsers: false", true, false),
    (&[35, 36], PodSecurity, "runAsNonRoot: null", "hostUsers: false", true, true),
    (&[35, 36], PodSecurity, "runAsNonRoot: null", "hostUsers: true", true, false),
    (&[35, 36], PodSecurity, "runAsNonRoot: null", "hostUsers: null", true, false),
    // Not user 0.
    (&[0, 22], PodSecurity, "runAsUser: 0", "", true, true),
    (&[23, 36], PodSecurity, "runAsUser: 0", "", true, false),
    (&[23, 36], Security, "runAsUser: 0", "", true, false),
    (&[23, 36], PodSecurity, "runAsUser: 1000", "", true, true),
    (&[23, 34], PodSecurity, "runAsUser: 0", "hostUsers: false", true, false),
    (&[35, 36], PodSecurity, "runAsUser: 0", "hostUsers: false", true, true),
];

/// Pods of several containers, as `spec`, at the newest version: whether Restricted allows them. Baseline allows all.
const WHOLE: &[(&str, bool)] = &[
    // An explicit bad value at the pod counts although every container overrides it.
    (
        "securityContext: {runAsNonRoot: false, seccompProfile: {type: RuntimeDefault}}, containers: [{name: c, image: i, \
         securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]",
        false,
    ),
    (
        "securityContext: {runAsNonRoot: true, runAsUser: 0, seccompProfile: {type: RuntimeDefault}}, containers: [{name: c, \
         image: i, securityContext: {runAsUser: 5, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]",
        false,
    ),
    // Everything said by containers, nothing by the pod.
    (
        "containers: [{name: c, image: i, securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false, \
         seccompProfile: {type: RuntimeDefault}, capabilities: {drop: [ALL]}}}]",
        true,
    ),
    // One container with a profile does not clear the other.
    (
        "securityContext: {runAsNonRoot: true}, containers: [{name: c, image: i, securityContext: {allowPrivilegeEscalation: \
         false, seccompProfile: {type: RuntimeDefault}, capabilities: {drop: [ALL]}}}, {name: d, image: i, securityContext: \
         {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]",
        false,
    ),
    // What only containers can say does nothing at the pod.
    (
        "securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}, allowPrivilegeEscalation: false, \
         capabilities: {drop: [ALL]}}, containers: [{name: c, image: i}]",
        false,
    ),
    ("securityContext: null, containers: [{name: c, image: i, securityContext: null}]", false),
];

#[test]
fn each_control_is_judged_as_the_standard_does() {
    let mut pods = 0;
    let mut wrong = Vec::new();
    for (minors, place, text, spec, baseline, restricted) in ROWS {
        for minor in *minors {
            let lists: &[&str] = match place {
                Container | Security => &["containers", "initContainers", "ephemeralContainers"],
                _ => &["containers"],
            };
            for list in lists {
                for (profile, allowed) in
                    [(Profile::PssBaseline, *baseline), (Profile::PssRestricted, *restricted)]
                {
                    pods += 1;
                    let pod = pod(*place, text, spec, list);
                    let found = findings(&pod, profile, *minor);
                    if found.is_empty() != allowed {
                        wrong
                            .push(format!("{} 1.{minor} {list}: {text} {spec}: {found:?}", profile.as_str()));
                    }
                }
            }
        }
    }
    assert!(pods > 1000, "{pods}");
    assert!(wrong.is_empty(), "{} of {pods} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn whole_pods_are_judged_as_the_standard_does() {
    for (spec, restricted) in WHOLE {
        let pod = format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{spec}}}}}\n");
        assert_eq!(findings(&pod, Profile::PssBaseline, 36), Vec::<String>::new(), "{spec}");
        let found = findings(&pod, Profile::PssRestricted, 36);
        assert_eq!(found.is_empty(), *restricted, "{spec}: {found:?}");
    }
}

/// A pod that both levels allow, with one thing changed.
fn pod(place: Place, text: &str, spec: &str, list: &str) -> String {
    let with = |here: Place, base: &[&str]| {
        let mut fields: Vec<&str> = Vec::new();
        if place == here && !text.is_empty() {
            fields.push(text);
        }
        // What the row sets replaces what the pod had.
        let set = |field: &str| place == here && text.contains(&field[..=field.find(':').unwrap_or(0)]);
        fields.extend(base.iter().filter(|field| !set(field)));
        fields.join(", ")
    };
    let security = ["allowPrivilegeEscalation: false", "capabilities: {drop: [ALL]}"];
    let plain = security.join(", ");
    let changed = format!(
        "{{name: c, image: i, securityContext: {{{}}}{}}}",
        with(Security, &security),
        if place == Container { format!(", {text}") } else { String::new() }
    );
    let containers = match list {
        "containers" => format!("containers: [{changed}]"),
        other => format!(
            "containers: [{{name: main, image: i, securityContext: {{{plain}}}}}], {other}: [{changed}]"
        ),
    };
    let pod_security = with(PodSecurity, &["runAsNonRoot: true", "seccompProfile: {type: RuntimeDefault}"]);
    let further = [with(Spec, &[]), spec.to_owned()];
    let further: String =
        further.iter().filter(|text| !text.is_empty()).map(|text| format!(", {text}")).collect();
    let annotations = with(Annotations, &[]);
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: p, annotations: {{{annotations}}}}}, \
         spec: {{securityContext: {{{pod_security}}}, {containers}{further}}}}}\n"
    )
}

/// The rules that a pod breaks.
fn findings(pod: &str, profile: Profile, minor: u16) -> Vec<String> {
    let corpus = Corpus::read(vec![Input { name: "pod.yaml".into(), bytes: pod.as_bytes().to_vec() }]);
    assert!(corpus.diagnostics.is_empty(), "{pod}: {:?}", corpus.diagnostics);
    let mut settings = Settings::new(jiff::civil::date(2026, 11, 1));
    settings.profile = profile;
    settings.pss = KubernetesVersion { major: 1, minor };
    let report = audit(&corpus, &settings);
    assert_eq!(report.input.workloads, 1, "{pod}");
    report.findings.iter().map(|finding| finding.rule.to_string()).collect()
}
