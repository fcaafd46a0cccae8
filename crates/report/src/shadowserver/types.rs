//! The types of reports: file part, columns in order, which products go into which.
//!
//! Facts of the public report schema (fields of each report, 2026-03). The schema says that the order of columns is
//! not fixed; this is the one it lists.

use nightlatch_asset::{Exposure, Observation};

/// One type of report.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ReportType {
    /// Docker engines.
    Docker,
    /// Kubernetes API servers, all distributions.
    Kubernetes,
    /// Elasticsearch.
    Elasticsearch,
    /// MySQL and MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgres,
    /// MongoDB.
    Mongodb,
    /// Redis and its kin.
    Redis,
    /// Memcached.
    Memcached,
    /// CouchDB.
    Couchdb,
    /// Hadoop.
    Hadoop,
    /// Brokers that speak AMQP.
    Amqp,
    /// MQTT brokers.
    Mqtt,
    /// Consoles that take anybody in.
    HttpVulnerable,
    /// Everything that answers HTTP; for information.
    Http,
    /// Everything that answers TLS; for information.
    Ssl,
    /// Products without a type of their own.
    Special,
}

/// The columns that all but `special` begin with.
const HEAD: &str = "timestamp severity ip protocol port hostname tag asn geo region city naics hostname_source \
         sector";

const HANDSHAKE: &str = "handshake cipher_suite";

const CERTIFICATE: &str = "cert_length subject_common_name issuer_common_name cert_issue_date \
         cert_expiration_date sha1_fingerprint cert_serial_number ssl_version signature_algorithm \
         key_algorithm";

const NAMES: &str = "subject_organization_name subject_organization_unit_name subject_country \
         subject_state_or_province_name subject_locality_name subject_street_address \
         subject_postal_code subject_surname subject_given_name subject_email_address \
         subject_business_category subject_serial_number issuer_organization_name \
         issuer_organization_unit_name issuer_country issuer_state_or_province_name \
         issuer_locality_name issuer_street_address issuer_postal_code issuer_surname \
         issuer_given_name issuer_email_address issuer_business_category issuer_serial_number";

const TLS_END: &str = "sha256_fingerprint sha512_fingerprint md5_fingerprint cert_valid self_signed cert_expired \
         validation_level browser_trusted browser_error raw_cert raw_cert_chain";

const HTTP: &str = "http http_code http_reason content_type connection www_authenticate set_cookie server \
         content_length transfer_encoding http_date version";

impl ReportType {
    /// All types.
    pub const ALL: [Self; 16] = [
        Self::Docker,
        Self::Kubernetes,
        Self::Elasticsearch,
        Self::Mysql,
        Self::Postgres,
        Self::Mongodb,
        Self::Redis,
        Self::Memcached,
        Self::Couchdb,
        Self::Hadoop,
        Self::Amqp,
        Self::Mqtt,
        Self::HttpVulnerable,
        Self::Http,
        Self::Ssl,
        Self::Special,
    ];

    /// The part of the file name that tells the type.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Docker => "scan_docker",
            Self::Kubernetes => "scan_kubernetes",
            Self::Elasticsearch => "scan_elasticsearch",
            Self::Mysql => "scan_mysql",
            Self::Postgres => "scan_postgres",
            Self::Mongodb => "scan_mongodb",
            Self::Redis => "scan_redis",
            Self::Memcached => "scan_memcached",
            Self::Couchdb => "scan_couchdb",
            Self::Hadoop => "scan_hadoop",
            Self::Amqp => "scan_amqp",
            Self::Mqtt => "scan_mqtt",
            Self::HttpVulnerable => "scan_http_vulnerable",
            Self::Http => "scan_http",
            Self::Ssl => "scan_ssl",
            Self::Special => "special",
        }
    }

    /// The same for IPv6 addresses, where there is a type of its own; the others hold both.
    pub const fn file6(self) -> Option<&'static str> {
        match self {
            Self::Elasticsearch => Some("scan6_elasticsearch"),
            Self::Mysql => Some("scan6_mysql"),
            Self::Postgres => Some("scan6_postgres"),
            Self::Mongodb => Some("scan6_mongodb"),
            Self::HttpVulnerable => Some("scan6_http_vulnerable"),
            Self::Http => Some("scan6_http"),
            Self::Ssl => Some("scan6_ssl"),
            _ => None,
        }
    }

    /// The columns, in order.
    pub fn columns(self) -> Vec<&'static str> {
        self.groups().into_iter().flat_map(str::split_ascii_whitespace).collect()
    }

    fn groups(self) -> Vec<&'static str> {
        match self {
            Self::Docker => vec![
                HEAD,
                "version http http_code http_reason content_type server date experimental api_version arch \
         go_version os kernel_version git_commit min_api_version build_time pkg_version",
            ],
            Self::Kubernetes => vec![
                HEAD,
                "version http http_code http_reason content_type server date major minor git_version \
         git_commit git_tree_state build_date go_version compiler platform",
                HANDSHAKE,
                CERTIFICATE,
                NAMES,
                TLS_END,
            ],
            Self::Elasticsearch => vec![
                HEAD,
                "version ok name cluster_name http_code build_hash build_timestamp build_snapshot \
         lucene_version tagline",
            ],
            Self::Mysql => vec![
                HEAD,
                "version mysql_protocol_version server_version error_code error_id error_message \
         client_can_handle_expired_passwords client_compress client_connect_attrs \
         client_connect_with_db client_deprecated_eof client_found_rows client_ignore_sigpipe \
         client_ignore_space client_interactive client_local_files client_long_flag \
         client_long_password client_multi_results client_multi_statements client_no_schema \
         client_odbc client_plugin_auth client_plugin_auth_len_enc_client_data client_protocol_41 \
         client_ps_multi_results client_reserved client_secure_connection client_session_track \
         client_ssl client_transactions",
                HANDSHAKE,
                CERTIFICATE,
                NAMES,
                TLS_END,
            ],
            Self::Postgres => vec![
                HEAD,
                "version supported_protocols protocol_error_code protocol_error_file protocol_error_line \
         protocol_error_message protocol_error_routine protocol_error_severity \
         protocol_error_severity_v startup_error_code startup_error_file startup_error_line \
         startup_error_message startup_error_routine startup_error_severity startup_error_severity_v \
         client_ssl",
                HANDSHAKE,
                CERTIFICATE,
                NAMES,
                TLS_END,
            ],
            Self::Mongodb => vec![
                HEAD,
                "version gitversion sysinfo opensslversion allocator javascriptengine bits maxbsonobjectsize \
         ok visible_databases",
            ],
            Self::Redis => vec![
                HEAD,
                "version git_sha1 git_dirty_flag build_id mode os architecture multiplexing_api gcc_version \
         process_id run_id uptime connected_clients",
            ],
            Self::Memcached => vec![
                HEAD,
                "version pid pointer_size uptime time curr_connections total_connections response_size \
         amplification",
            ],
            Self::Couchdb => vec![
                HEAD,
                "server_version couchdb_message couchdb_version git_sha features vendor visible_databases \
         error error_reason",
            ],
            Self::Hadoop => vec![
                HEAD,
                "version server_type clusterid total_disk used_disk free_disk livenodes namenodeaddress \
         volumeinfo",
            ],
            Self::Amqp => vec![
                HEAD,
                "channel message_length class method version_major version_minor capabilities cluster_name \
         platform product product_version mechanisms locales",
            ],
            Self::Mqtt => vec![
                HEAD,
                "anonymous_access raw_response hex_code code",
                // As the block of the others, but with all fingerprints together and without `handshake`.
                "cipher_suite cert_length subject_common_name issuer_common_name cert_issue_date \
         cert_expiration_date sha1_fingerprint sha256_fingerprint sha512_fingerprint md5_fingerprint \
         cert_serial_number ssl_version signature_algorithm key_algorithm",
                NAMES,
            ],
            Self::HttpVulnerable => vec![HEAD, HTTP, "build_date detail build_branch"],
            Self::Http => vec![HEAD, HTTP],
            Self::Ssl => vec![
                HEAD,
                "handshake cipher_suite ssl_poodle",
                CERTIFICATE,
                NAMES,
                "freak_vulnerable freak_cipher_suite sha256_fingerprint sha512_fingerprint md5_fingerprint \
         http_response_type http_code http_reason content_type http_connection www_authenticate \
         set_cookie server_type content_length transfer_encoding http_date cert_valid self_signed \
         cert_expired browser_trusted validation_level browser_error tlsv13_support tlsv13_cipher \
         jarm",
            ],
            Self::Special => vec![
                "timestamp ip port protocol asn geo region city hostname naics sector tag public_source \
         status detail method device_vendor severity hostname_source first_seen_time last_seen_time \
         potential_exposure_time",
            ],
        }
    }

    /// From which state on a service is in the report. Those with a type of their own list what a stranger can talk
    /// to, as the original ones do; the other two only what stands open.
    pub(super) const fn least(self) -> Exposure {
        match self {
            Self::Http | Self::Ssl => Exposure::Unknown,
            Self::HttpVulnerable | Self::Special => Exposure::Readable,
            _ => Exposure::Limited,
        }
    }

    /// The type of the product of an observation; `None` when no product was recognised.
    pub(super) fn of(seen: &Observation) -> Option<Self> {
        let fingerprint = seen.verdict.fingerprint.as_ref()?.raw();
        let console = || seen.http.is_some() && CONSOLES.contains(&fingerprint);
        Some(match fingerprint {
            "docker-engine" => Self::Docker,
            "kubernetes-apiserver" => Self::Kubernetes,
            "elasticsearch" => Self::Elasticsearch,
            "mysql" | "mariadb" => Self::Mysql,
            "postgresql" => Self::Postgres,
            "mongodb" => Self::Mongodb,
            "redis" => Self::Redis,
            "memcached" => Self::Memcached,
            "couchdb" => Self::Couchdb,
            "hadoop-yarn" => Self::Hadoop,
            "rabbitmq" => Self::Amqp,
            "mqtt" => Self::Mqtt,
            _ if console() => Self::HttpVulnerable,
            _ => Self::Special,
        })
    }
}

/// Web consoles for people: open, they are what `scan_http_vulnerable` is for.
const CONSOLES: [&str; 13] = [
    "airflow",
    "argo-cd",
    "grafana",
    "harbor",
    "jenkins",
    "kibana",
    "kubernetes-dashboard",
    "opensearch-dashboards",
    "openshift-console",
    "portainer",
    "rancher",
    "sonarqube",
    "swarmpit",
];
