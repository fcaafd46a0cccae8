//! One endpoint from its open connection to an observation: plain or TLS found out by asking, HTTP and binary
//! conversations held, everything bounded by one deadline and one budget.

mod channel;
mod dialogue;
mod handshake;
mod line;
mod observe;
mod user_agent;

use std::{sync::Arc, time::Duration};

use nightlatch_asset::{Answer, Failure, Observation, RequestClass, Timestamp};
use nightlatch_fingerprint::{
    Catalogue, Context, Judged, Method, Question, QuestionId, QuestionKind, Scheme, Session,
};
use nightlatch_netio::Dialer;
use nightlatch_probe::{
    Guess, first_bytes,
    http::{self, Limits},
};
use nightlatch_scope::{AuthorizedTarget, Permissions};
use tokio::{net::TcpStream, time::Instant};

pub use line::Limit;
pub use user_agent::user_agent;

use self::{
    handshake::Outcome,
    line::{Line, Wrapping},
    observe::Heard,
};

/// Body bytes of all answers of one endpoint together; what is asked after that gets [`BODY_BYTES_LAST`].
const BODY_BYTES_PER_ENDPOINT: usize = 512 * 1024;
/// Body bytes of an answer when the endpoint has used up its share.
const BODY_BYTES_LAST: usize = 4 * 1024;
/// How long a peer on an unlisted port may take to speak first, beyond the round trip.
const GREETING_PATIENCE_MIN: Duration = Duration::from_millis(60);
/// The same, at most: servers that look up our name before they greet are found by their dialogue.
const GREETING_PATIENCE_MAX: Duration = Duration::from_millis(800);
/// How long a peer that hung up on plain HTTP may take to answer a TLS hello, at least.
const HANDSHAKE_PATIENCE_MIN: Duration = Duration::from_secs(1);
/// How long one answer of a dialogue may take where the peer has not said a word to anything.
const SILENT_PATIENCE: Duration = Duration::from_millis(1500);
/// How long one answer of a dialogue may take where neither port nor greeting speaks for it, at least. A dozen of them
/// are tried, and a peer that waits for the rest of what it takes for its own protocol must not cost that many times
/// the whole patience; who understands the question answers within a round trip or two.
const GUESS_PATIENCE_MIN: Duration = Duration::from_millis(500);
/// A gateway that needed longer than this to say that nothing is behind it has waited in vain, and would for every path.
const GATEWAY_PATIENCE: Duration = Duration::from_secs(1);

/// An open port, as discovery hands it over.
#[derive(Debug)]
pub struct Conversation<'a> {
    /// Where it is.
    pub target: AuthorizedTarget,
    /// The host name asked for, if one was.
    pub name: Option<&'a str>,
    /// The connection that discovery opened.
    pub stream: TcpStream,
    /// How long connecting took.
    pub connect_time: Duration,
    /// What the scope allows there.
    pub permissions: Permissions,
}

/// Holds conversations. One for a whole scan.
#[derive(Clone, Debug)]
pub struct Prober {
    /// The fingerprints.
    pub catalogue: Catalogue,
    /// Opens further connections.
    pub dialer: Arc<Dialer>,
    /// Bounds of one conversation.
    pub limit: Limit,
    /// Contact for the User-Agent where the scope names none for the block.
    pub contact: Option<String>,
    /// Secret of the data directory: names are kept as hashes under this key.
    pub hash_key: [u8; 32],
}

impl Prober {
    /// Talks to one open port. What the peer does is data: there is always an observation.
    pub async fn converse(&self, conversation: Conversation<'_>) -> Observation {
        let contact = conversation.permissions.contact.as_deref().or(self.contact.as_deref());
        let mut talk = Talk {
            prober: self,
            user_agent: user_agent(contact),
            t3: conversation.permissions.t3,
            counts: conversation.permissions.counts,
            port: conversation.target.socket().port(),
            name: conversation.name,
            host: host(conversation.target, conversation.name),
            heard: Heard::default(),
            body_bytes_left: BODY_BYTES_PER_ENDPOINT,
            connect_time: conversation.connect_time,
            last_word: None,
            line: Line::new(
                &self.dialer,
                conversation.target,
                conversation.name,
                conversation.stream,
                self.limit,
            ),
        };
        let judged = talk.hold().await;
        talk.line.hang_up().await;
        let mut observation = observe::observation(&talk, judged, Timestamp::now());
        observation.owner = conversation.permissions.owner.map(Into::into);
        observation
    }
}

/// One conversation under way.
struct Talk<'a> {
    prober: &'a Prober,
    line: Line<'a>,
    user_agent: String,
    t3: bool,
    counts: bool,
    port: u16,
    name: Option<&'a str>,
    host: String,
    heard: Heard,
    body_bytes_left: usize,
    connect_time: Duration,
    /// What an echo, or a server that sends a page without a head, said to the first question: every other one would
    /// be answered in the same way.
    last_word: Option<Failure>,
}

/// Why talking over one scheme ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Halt {
    /// Nothing is left to ask.
    Done,
    /// Plain HTTP is not spoken here: TLS comes before the binary conversations.
    TryTls,
}

impl Talk<'_> {
    async fn hold(&mut self) -> Judged {
        let connect_time = self.connect_time;
        let habits = self.prober.catalogue.habits(self.port);
        if !habits.http && !habits.dialogue {
            let patience = (connect_time * 2).clamp(GREETING_PATIENCE_MIN, GREETING_PATIENCE_MAX);
            self.heard.greeting = self.line.listen(patience).await;
        }
        if habits.tls {
            return match self.line.handshake(self.prober.limit.connect).await {
                Outcome::Foreign => {
                    self.line.switch(Wrapping::Plain).await;
                    let mut session = self.session(Scheme::Plain);
                    self.talk(&mut session, false).await;
                    session.verdict()
                }
                outcome => self.inside_tls(outcome).await,
            };
        }
        let mut session = self.session(Scheme::Plain);
        if self.talk(&mut session, true).await == Halt::Done {
            return session.verdict();
        }
        self.line.switch(Wrapping::Tls).await;
        // A guess: a peer that waits for more of what it takes for its own protocol must not cost much.
        let patience = (connect_time * 20).max(HANDSHAKE_PATIENCE_MIN);
        match self.line.handshake(patience).await {
            Outcome::Foreign => {
                self.line.switch(Wrapping::Plain).await;
                self.talk(&mut session, false).await;
                session.verdict()
            }
            outcome => {
                self.heard.forget_plain();
                self.last_word = None;
                self.inside_tls(outcome).await
            }
        }
    }

    /// Goes on after a handshake: with questions, or, where the server did not let us in, with what the
    /// handshake showed.
    async fn inside_tls(&mut self, outcome: Outcome) -> Judged {
        let mut session = self.session(Scheme::Tls);
        if matches!(outcome, Outcome::Open) {
            self.talk(&mut session, false).await;
            if !self.heard.stayed && self.line.insist_on_certificate() {
                for id in [QuestionId::CANARY, QuestionId::ROOT] {
                    session.answer(id, Answer::Failed(Failure::ClientCertificate));
                }
            }
            return session.verdict();
        }
        let failure = if self.line.demands_certificate() {
            Failure::ClientCertificate
        } else {
            let reason = self.line.tls.as_ref().and_then(|tls| tls.failure.clone());
            Failure::Tls(reason.unwrap_or_default())
        };
        for question in session.next() {
            session.answer(question.id, Answer::Failed(failure.clone()));
        }
        session.verdict()
    }

    /// Asks what the session wants to know. With `may_switch`, breaks off when plain HTTP is not what the peer
    /// speaks.
    async fn talk(&mut self, session: &mut Session, may_switch: bool) -> Halt {
        let mut silent = false;
        while !self.line.exhausted() {
            let batch = session.next();
            if batch.is_empty() {
                break;
            }
            let mut dead: Option<Failure> = None;
            let mut other_scheme = false;
            let mut in_vain = false;
            for question in batch {
                let guess =
                    matches!(question.kind, QuestionKind::Dialogue { .. }) && !session.expects(question.id);
                let asked_at = Instant::now();
                let answer = match (&self.last_word, &dead) {
                    (Some(failure), _) => Answer::Failed(failure.clone()),
                    // What hangs up on one plain question, or says nothing to it, does so to the next.
                    (None, Some(failure)) if question.id == QuestionId::ROOT => {
                        Answer::Failed(failure.clone())
                    }
                    _ => self.ask(&question, silent, guess).await,
                };
                in_vain |= is_gateway_error(&answer) && asked_at.elapsed() > GATEWAY_PATIENCE;
                if question.id == QuestionId::CANARY {
                    other_scheme = wants_tls(&answer);
                    if let Answer::Failed(failure) = &answer {
                        silent = *failure == Failure::Timeout;
                        self.last_word =
                            Some(failure.clone()).filter(|said| is_echo(said) || is_markup(said));
                        // A page without a head can be the complaint of an old server that it wants TLS.
                        other_scheme = !is_echo(failure) && !speaks_otherwise(failure);
                        dead = Some(failure.clone());
                    }
                }
                self.heard.take(question.id, &question.kind, &answer);
                session.answer(question.id, answer);
            }
            if other_scheme && may_switch {
                return Halt::TryTls;
            }
            if in_vain {
                break;
            }
        }
        Halt::Done
    }

    fn session(&self, scheme: Scheme) -> Session {
        let mut context = Context::new(self.port, scheme, random());
        context.tls = self.line.tls.clone();
        context.greeting = self.heard.greeting.clone();
        context.t3 = self.t3;
        if self.counts {
            context.opt_ins.insert("counts".to_owned());
        }
        context.host_is_name = self.name.is_some();
        context.hash_key = self.prober.hash_key;
        self.prober.catalogue.session(context)
    }

    async fn ask(&mut self, question: &Question, silent: bool, guess: bool) -> Answer {
        match &question.kind {
            QuestionKind::Dialogue { name } => {
                let allowed = if self.t3 { RequestClass::T3 } else { RequestClass::T2 };
                let patience = match (guess, silent) {
                    (true, _) => (self.connect_time * 20).clamp(GUESS_PATIENCE_MIN, SILENT_PATIENCE),
                    (false, true) => SILENT_PATIENCE,
                    (false, false) => self.prober.limit.answer,
                };
                let patience = patience.min(self.prober.limit.answer);
                let greeting = self.heard.unused_greeting();
                dialogue::hold(&mut self.line, name, allowed, patience, greeting).await
            }
            QuestionKind::Http { method, path, accept, json_body, body_bytes_max, head_only } => {
                let request = http::Request {
                    method: match method {
                        Method::Get => http::Method::Get,
                        Method::Head => http::Method::Head,
                        Method::Post => http::Method::Post,
                    },
                    path: path.clone(),
                    host: self.host.clone(),
                    user_agent: self.user_agent.clone(),
                    accept: Some(accept.clone()),
                    json_body: json_body.clone(),
                    keep_alive: true,
                };
                let wanted = usize::try_from(*body_bytes_max).unwrap_or(BODY_BYTES_PER_ENDPOINT);
                let body_bytes_max = wanted.min(self.body_bytes_left.max(BODY_BYTES_LAST));
                let limits = Limits { body_bytes_max, ..Limits::default() };
                let answer = self.line.http(&request, limits, *head_only).await;
                if let Answer::Http(http) = &answer {
                    self.body_bytes_left = self.body_bytes_left.saturating_sub(http.body.len());
                }
                answer
            }
        }
    }
}

/// The answer says that this port wants TLS.
fn wants_tls(answer: &Answer) -> bool {
    match answer {
        Answer::Http(http) if http.status == 400 => {
            let mut bytes = http.head.clone();
            bytes.extend_from_slice(b"\r\n\r\n");
            bytes.extend_from_slice(&http.body);
            first_bytes(&bytes) == Guess::TlsNeeded
        }
        _ => false,
    }
}

/// A gateway says that what is behind it does not answer (RFC 9110, sections 15.6.3 to 15.6.5).
fn is_gateway_error(answer: &Answer) -> bool {
    matches!(answer, Answer::Http(http) if matches!(http.status, 502..=504))
}

/// The peer answered plain HTTP in the words of another plain protocol: TLS need not be tried.
fn speaks_otherwise(failure: &Failure) -> bool {
    match failure {
        Failure::Foreign(bytes) => !matches!(first_bytes(bytes), Guess::Tls | Guess::Unknown),
        _ => false,
    }
}

/// The peer says our own request back.
fn is_echo(failure: &Failure) -> bool {
    matches!(failure, Failure::Foreign(bytes) if bytes.starts_with(b"GET /"))
}

/// The peer answers with a page and no head, as HTTP/0.9 did (RFC 1945, section 6), or with a stream of XML: none of
/// the binary protocols.
fn is_markup(failure: &Failure) -> bool {
    matches!(failure, Failure::Foreign(bytes) if bytes.trim_ascii_start().starts_with(b"<"))
}

/// `Host` header: the name asked for or the address, with the port.
fn host(target: AuthorizedTarget, name: Option<&str>) -> String {
    let socket = target.socket();
    match name {
        Some(name) => format!("{name}:{}", socket.port()),
        None => socket.to_string(),
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        // The kernel has no randomness yet: a nonce that is merely unlikely serves the canary as well.
        let now = Timestamp::now().as_nanosecond().to_le_bytes();
        bytes.iter_mut().zip(now).for_each(|(byte, now)| *byte = now);
    }
    bytes
}
