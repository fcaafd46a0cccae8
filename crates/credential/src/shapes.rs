//! Tokens with a beginning of their own: the table, and how one is read.

use crate::{Confidence, Detection, Kind, checksum, entropy};

/// A token that begins with a fixed text.
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// How it begins; compared as written.
    pub(crate) start: &'static str,
    alphabet: fn(u8) -> bool,
    /// Fewest and most characters after the beginning. A longer run of the alphabet is something else.
    length: (usize, usize),
    /// Judges what follows the beginning, once its length fits; nothing: not a token after all.
    proof: fn(&str) -> Option<Confidence>,
}

/// Reads the token of `shape` that begins at byte `at` of `text`.
pub(crate) fn read(shape: &Shape, text: &str, at: usize) -> Option<Detection> {
    let bytes = text.as_bytes();
    if !bytes.get(at..)?.starts_with(shape.start.as_bytes()) || !begins_word(bytes, at, shape.alphabet) {
        return None;
    }
    let body_start = at + shape.start.len();
    let window = bytes.get(body_start..)?;
    let run = window.iter().take(shape.length.1 + 1).take_while(|&&byte| (shape.alphabet)(byte)).count();
    let run = without_sentence_end(&window[..run]);
    if !(shape.length.0..=shape.length.1).contains(&run) {
        return None;
    }
    let body = text.get(body_start..body_start + run)?;
    if is_filler(body) {
        return None;
    }
    let confidence = (shape.proof)(body)?;
    Some(Detection::new(shape.kind, text, at..body_start + run, confidence).with_prefix(shape.start))
}

/// True when no token can be under way before `at`.
fn begins_word(bytes: &[u8], at: usize, alphabet: fn(u8) -> bool) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|at| bytes.get(at)) else { return true };
    // `\n` and `\t` of an escaped text end in a letter that belongs to no word.
    let escaped = at >= 2 && bytes[at - 2] == b'\\' && matches!(before, b'n' | b't' | b'r');
    let dash = *before == b'-' && alphabet(b'-') && !(at >= 2 && bytes[at - 2] == b'-');
    escaped || !(before.is_ascii_alphanumeric() || *before == b'_' || dash)
}

/// The length without a full stop that ends a sentence.
fn without_sentence_end(run: &[u8]) -> usize {
    run.iter().rposition(|&byte| byte != b'.').map_or(0, |last| last + 1)
}

/// True for what stands in documentation in place of a token: `xxxx`, `EXAMPLE`, `your-token-here`.
fn is_filler(body: &str) -> bool {
    let lower = body.to_ascii_lowercase();
    let words = [
        "example",
        "xxxx",
        "your",
        "placeholder",
        "redacted",
        "replace",
        "change",
        "dummy",
        "0000000000",
        "....",
    ];
    (body.len() >= 16 && entropy::distinct(body.as_bytes()) < 6)
        || words.iter().any(|word| lower.contains(word))
}

const fn shape(
    kind: Kind,
    start: &'static str,
    alphabet: fn(u8) -> bool,
    length: (usize, usize),
    proof: fn(&str) -> Option<Confidence>,
) -> Shape {
    Shape { kind, start, alphabet, length, proof }
}

fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}
fn upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}
fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}
fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}
fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
fn dotted(byte: u8) -> bool {
    word(byte) || byte == b'.'
}
fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-')
}

/// The beginning and the length say it all.
fn sure(_: &str) -> Option<Confidence> {
    Some(Confidence::High)
}

/// Must also look drawn at random, because words can have this shape.
fn random(body: &str) -> Option<Confidence> {
    entropy::is_random(body).then_some(Confidence::High)
}

/// Ends in the CRC-32 of what was drawn; without it a token that was mistyped, or made up.
fn crc(body: &str) -> Option<Confidence> {
    Some(if checksum::has_base62_crc32(body) { Confidence::High } else { Confidence::Medium })
}

/// Base 32, as AWS draws them; others are made up.
fn base32(body: &str) -> Option<Confidence> {
    let proper = body.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'));
    Some(if proper { Confidence::High } else { Confidence::Medium })
}

/// `github_pat_` + 22 + `_` + 59.
fn github_fine_grained(body: &str) -> Option<Confidence> {
    (body.as_bytes().get(22) == Some(&b'_') && !body[..22].contains('_')).then_some(Confidence::High)
}

/// Bot and user tokens: numbers, then what was drawn.
fn slack(body: &str) -> Option<Confidence> {
    let digits =
        body.split('-').filter(|part| part.len() >= 9 && part.bytes().all(|b| b.is_ascii_digit())).count();
    let drawn = body.rsplit('-').next().is_some_and(|part| part.len() >= 16);
    (drawn && digits >= 1).then_some(Confidence::High)
}

/// 22 and 43 characters around a dot.
fn sendgrid(body: &str) -> Option<Confidence> {
    let (first, second) = body.split_once('.')?;
    (first.len() == 22 && second.len() == 43).then_some(Confidence::High)
}

/// The body continues a macaroon whose first packet names the index.
fn macaroon(body: &str) -> Option<Confidence> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let head = URL_SAFE_NO_PAD.decode(body.get(..20)?).ok()?;
    (head.starts_with(b"\x02\x01\x08pypi.org") || head.starts_with(b"\x02\x01\x0dtest.pypi.o"))
        .then_some(Confidence::High)
}

/// Bech32 with the prefix of age; look-alikes with a wrong checksum are not keys.
fn age(body: &str) -> Option<Confidence> {
    checksum::is_bech32(&format!("AGE-SECRET-KEY-1{body}")).then_some(Confidence::High)
}

/// `glsa_` + 32 + `_` + 8 hexadecimal digits.
fn grafana(body: &str) -> Option<Confidence> {
    let (drawn, check) = body.split_once('_')?;
    (drawn.len() == 32 && check.len() == 8 && check.bytes().all(|b| b.is_ascii_hexdigit()))
        .then_some(Confidence::High)
}

/// `SWMTKN-1-` + digest + `-` + secret, both base 36.
fn swarm(body: &str) -> Option<Confidence> {
    let (digest, secret) = body.split_once('-')?;
    ((49..=50).contains(&digest.len()) && secret.len() >= 24).then_some(Confidence::High)
}

/// `K10` + digest of the authority + `::` + user + `:` + secret.
fn k3s(body: &str) -> Option<Confidence> {
    let (digest, secret) = body.split_once("::")?;
    (digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()) && secret.len() >= 16)
        .then_some(Confidence::High)
}

/// Newer keys carry `T3BlbkFJ` in their middle; the first ones had 48 letters and digits.
fn openai(body: &str) -> Option<Confidence> {
    let old = body.len() == 48 && body.bytes().all(alnum);
    let new = body.contains("T3BlbkFJ") && body.len() >= 48;
    let named =
        ["proj-", "svcacct-", "admin-"].iter().any(|start| body.starts_with(start)) && body.len() >= 45;
    ((old || new || named) && entropy::is_random(body)).then_some(Confidence::High)
}

/// `api03-`, `admin01-`, `oat01-`: a kind, a number, and 80 characters or more.
fn anthropic(body: &str) -> Option<Confidence> {
    let (kind, drawn) = body.split_once('-')?;
    (kind.bytes().all(alnum) && drawn.len() >= 80).then_some(Confidence::High)
}

fn colon_word(byte: u8) -> bool {
    dotted(byte) || byte == b':'
}

use Kind::{
    AgeSecretKey, AirtableToken, AnthropicKey, ArtifactoryKey, AtlassianToken, AwsAccessKeyId,
    BuildkiteToken, CircleciToken, CratesIoToken, DatabricksToken, DigitaloceanToken, DockerHubToken,
    DopplerToken, FigmaToken, FlyToken, GithubToken, GitlabToken, GoogleApiKey, GoogleOauthSecret,
    GrafanaToken, GroqKey, HarnessToken, HerokuToken, HuggingFaceToken, K3sToken, LinearKey, MailgunKey,
    NewRelicKey, NotionToken, NpmToken, NugetKey, OpenaiKey, PerplexityKey, PlanetscaleToken, PostmanKey,
    PulumiToken, PypiToken, ReplicateToken, RubygemsKey, SendgridKey, SentryToken, ShopifyToken, SlackToken,
    SonarToken, SquareToken, StripeKey, SupabaseToken, SwarmToken, TailscaleKey, TwilioKey, VaultToken,
    XaiKey,
};

/// The tokens that begin with a text of their own. Lengths and alphabets are those their issuers document or issue.
pub(crate) const SHAPES: &[Shape] = &[
    shape(AwsAccessKeyId, "AKIA", upper, (16, 16), base32),
    shape(AwsAccessKeyId, "ASIA", upper, (16, 16), base32),
    shape(AwsAccessKeyId, "ABIA", upper, (16, 16), base32),
    shape(AwsAccessKeyId, "ACCA", upper, (16, 16), base32),
    shape(GithubToken, "ghp_", alnum, (36, 36), crc),
    shape(GithubToken, "gho_", alnum, (36, 36), crc),
    shape(GithubToken, "ghu_", alnum, (36, 36), crc),
    shape(GithubToken, "ghs_", alnum, (36, 36), crc),
    shape(GithubToken, "ghr_", alnum, (36, 76), crc),
    shape(GithubToken, "github_pat_", word, (82, 82), github_fine_grained),
    shape(GitlabToken, "glpat-", dotted, (20, 320), sure),
    shape(GitlabToken, "gldt-", dotted, (20, 320), sure),
    shape(GitlabToken, "glrt-", dotted, (20, 320), sure),
    shape(GitlabToken, "glrtr-", dotted, (20, 320), sure),
    shape(GitlabToken, "glcbt-", dotted, (20, 320), sure),
    shape(GitlabToken, "glptt-", dotted, (20, 320), sure),
    shape(GitlabToken, "glft-", dotted, (20, 320), sure),
    shape(GitlabToken, "glimt-", dotted, (20, 320), sure),
    shape(GitlabToken, "glagent-", dotted, (20, 320), sure),
    shape(GitlabToken, "gloas-", dotted, (20, 320), sure),
    shape(GitlabToken, "glsoat-", dotted, (20, 320), sure),
    shape(SlackToken, "xoxb-", word, (24, 250), slack),
    shape(SlackToken, "xoxp-", word, (24, 250), slack),
    shape(SlackToken, "xoxa-", word, (24, 250), slack),
    shape(SlackToken, "xoxr-", word, (24, 250), slack),
    shape(SlackToken, "xoxs-", word, (24, 250), slack),
    shape(SlackToken, "xoxe-", word, (24, 250), random),
    shape(SlackToken, "xoxe.xoxp-", word, (24, 250), random),
    shape(SlackToken, "xoxe.xoxb-", word, (24, 250), random),
    shape(SlackToken, "xapp-", word, (40, 250), random),
    shape(GoogleApiKey, "AIza", word, (35, 35), sure),
    shape(GoogleOauthSecret, "GOCSPX-", word, (28, 28), sure),
    shape(StripeKey, "sk_live_", alnum, (16, 247), sure),
    shape(StripeKey, "rk_live_", alnum, (16, 247), sure),
    shape(StripeKey, "whsec_", base64, (32, 64), random),
    shape(SendgridKey, "SG.", dotted, (66, 66), sendgrid),
    shape(TwilioKey, "SK", hex, (32, 32), random),
    shape(NpmToken, "npm_", alnum, (36, 36), crc),
    shape(PypiToken, "pypi-", word, (60, 1000), macaroon),
    shape(DockerHubToken, "dckr_pat_", word, (27, 27), sure),
    shape(DockerHubToken, "dckr_oat_", word, (27, 36), sure),
    shape(HuggingFaceToken, "hf_", alnum, (34, 34), random_letters),
    shape(HuggingFaceToken, "api_org_", alnum, (34, 34), random_letters),
    shape(OpenaiKey, "sk-", word, (48, 250), openai),
    shape(AnthropicKey, "sk-ant-", word, (86, 250), anthropic),
    shape(GroqKey, "gsk_", alnum, (52, 52), sure),
    shape(XaiKey, "xai-", alnum, (80, 80), sure),
    shape(PerplexityKey, "pplx-", alnum, (48, 56), sure),
    shape(ReplicateToken, "r8_", alnum, (37, 37), sure),
    shape(HerokuToken, "HRKU-", word, (36, 60), random),
    shape(DigitaloceanToken, "dop_v1_", hex, (64, 64), sure),
    shape(DigitaloceanToken, "doo_v1_", hex, (64, 64), sure),
    shape(DigitaloceanToken, "dor_v1_", hex, (64, 64), sure),
    shape(VaultToken, "hvs.", word, (24, 300), sure),
    shape(VaultToken, "hvb.", word, (24, 300), sure),
    shape(VaultToken, "hvr.", word, (24, 300), sure),
    shape(DatabricksToken, "dapi", |byte| hex(byte) || byte == b'-', (32, 34), random),
    shape(NewRelicKey, "NRAK-", upper, (27, 27), sure),
    shape(NewRelicKey, "NRII-", word, (32, 32), sure),
    shape(ShopifyToken, "shpat_", hex, (32, 32), sure),
    shape(ShopifyToken, "shpca_", hex, (32, 32), sure),
    shape(ShopifyToken, "shppa_", hex, (32, 32), sure),
    shape(ShopifyToken, "shpss_", hex, (32, 32), sure),
    shape(MailgunKey, "key-", hex, (32, 32), random),
    shape(AgeSecretKey, "AGE-SECRET-KEY-1", upper, (58, 58), age),
    shape(GrafanaToken, "glsa_", word, (41, 41), grafana),
    shape(GrafanaToken, "glc_eyJ", base64, (40, 400), sure),
    shape(AtlassianToken, "ATATT3xFfGF0", base64, (150, 250), sure),
    shape(LinearKey, "lin_api_", alnum, (40, 40), sure),
    shape(PlanetscaleToken, "pscale_tkn_", dotted, (32, 64), sure),
    shape(PlanetscaleToken, "pscale_pw_", dotted, (32, 64), sure),
    shape(PlanetscaleToken, "pscale_oauth_", dotted, (32, 64), sure),
    shape(PulumiToken, "pul-", hex, (40, 40), random),
    shape(DopplerToken, "dp.pt.", alnum, (40, 44), sure),
    shape(DopplerToken, "dp.st.", dotted, (40, 64), random),
    shape(SentryToken, "sntrys_eyJ", base64, (80, 400), sure),
    shape(SentryToken, "sntryu_", hex, (64, 64), sure),
    shape(SupabaseToken, "sbp_", hex, (40, 40), sure),
    shape(TailscaleKey, "tskey-", word, (20, 100), random),
    shape(FlyToken, "fm2_", base64, (100, 800), sure),
    shape(CircleciToken, "CCIPAT_", word, (40, 80), random),
    shape(RubygemsKey, "rubygems_", hex, (48, 48), sure),
    shape(CratesIoToken, "cio", alnum, (32, 32), random),
    shape(NugetKey, "oy2", lower, (43, 43), random),
    shape(PostmanKey, "PMAK-", |byte| hex(byte) || byte == b'-', (59, 59), sure),
    shape(FigmaToken, "figd_", word, (40, 44), sure),
    shape(NotionToken, "ntn_", alnum, (43, 50), random),
    shape(NotionToken, "secret_", alnum, (43, 43), random),
    shape(AirtableToken, "pat", dotted, (79, 79), airtable),
    shape(ArtifactoryKey, "AKCp", alnum, (60, 80), random),
    shape(SonarToken, "sqp_", hex, (40, 40), sure),
    shape(SonarToken, "squ_", hex, (40, 40), sure),
    shape(SonarToken, "sqa_", hex, (40, 40), sure),
    shape(BuildkiteToken, "bkua_", hex, (40, 40), sure),
    shape(SquareToken, "sq0csp-", word, (43, 43), sure),
    shape(HarnessToken, "pat.", dotted, (50, 80), harness),
    shape(SwarmToken, "SWMTKN-1-", |byte| lower(byte) || byte == b'-', (70, 80), swarm),
    shape(SwarmToken, "SWMKEY-1-", base64, (40, 50), sure),
    shape(K3sToken, "K10", colon_word, (80, 400), k3s),
];

/// 34 letters, of both cases.
fn random_letters(body: &str) -> Option<Confidence> {
    let both = body.bytes().any(|b| b.is_ascii_lowercase()) && body.bytes().any(|b| b.is_ascii_uppercase());
    (both && entropy::bits_per_byte(body) >= 3.5).then_some(Confidence::High)
}

/// 14 letters and digits, a dot, 64 hexadecimal digits.
fn airtable(body: &str) -> Option<Confidence> {
    let (id, drawn) = body.split_once('.')?;
    (id.len() == 14 && drawn.bytes().all(|b| b.is_ascii_hexdigit())).then_some(Confidence::High)
}

/// Account, identifier and secret around two dots.
fn harness(body: &str) -> Option<Confidence> {
    let parts: Vec<&str> = body.split('.').collect();
    let [account, id, secret] = parts.as_slice() else { return None };
    (account.len() == 22 && id.len() == 24 && secret.len() == 20).then_some(Confidence::High)
}
