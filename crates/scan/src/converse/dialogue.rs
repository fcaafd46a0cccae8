//! Drives one binary conversation of the probe over a line.

use std::time::Duration;

use nightlatch_asset::{Answer, Failure, RequestClass};
use nightlatch_probe::{
    Stopped,
    dialogue::{Conversation, Step, dialogue},
};
use tokio::time::Instant;

use super::{channel::Piece, line::Line};

/// Holds the conversation called `name`.
///
/// - `patience`: how long one answer may take.
/// - `greeting`: what the peer has said already on the connection that is open; then that one is used.
pub(super) async fn hold(
    line: &mut Line<'_>,
    name: &str,
    allowed: RequestClass,
    patience: Duration,
    greeting: Option<Vec<u8>>,
) -> Answer {
    let Some(info) = dialogue(name) else { return Answer::Failed(Failure::Budget) };
    if line.exhausted() {
        return Answer::Failed(Failure::Budget);
    }
    line.spend();
    let ready = if greeting.is_some() { line.ensure_open().await } else { line.fresh().await };
    if let Err(failure) = ready {
        return Answer::Failed(failure);
    }
    let mut conversation = Conversation::new(info, allowed);
    let mut heard = greeting;
    let mut step = conversation.next();
    loop {
        step = match step {
            Step::Done => break,
            Step::Send(message) => match send(line, &message.bytes, patience).await {
                Ok(()) => conversation.next(),
                Err(stopped) => conversation.interrupted(stopped),
            },
            Step::Wait => match heard.take() {
                Some(bytes) => conversation.receive(&bytes),
                None => wait(line, &mut conversation, patience).await,
            },
            Step::StartTls => match line.start_tls().await {
                Ok(()) => conversation.next(),
                Err(_) => conversation.interrupted(Stopped::Closed),
            },
            Step::Reconnect => match line.fresh().await {
                Ok(()) => conversation.next(),
                Err(_) => conversation.interrupted(Stopped::Closed),
            },
        };
    }
    line.hang_up().await;
    match conversation.finish(Stopped::Enough) {
        // Said at the first read, after a handshake that seemed to succeed.
        Answer::Failed(_) if line.demands_certificate() => Answer::Failed(Failure::ClientCertificate),
        answer => answer,
    }
}

async fn send(line: &mut Line<'_>, bytes: &[u8], patience: Duration) -> Result<(), Stopped> {
    let until = line.until(patience);
    let Some((channel, _)) = line.parts() else { return Err(Stopped::Closed) };
    channel.write(bytes, until).await
}

async fn wait(line: &mut Line<'_>, conversation: &mut Conversation, patience: Duration) -> Step {
    let until: Instant = line.until(patience);
    let Some((channel, buffer)) = line.parts() else { return conversation.interrupted(Stopped::Closed) };
    match channel.read(buffer, until).await {
        Piece::Bytes(bytes) => conversation.receive(bytes),
        Piece::End(stopped, error) => {
            // A bare end means nothing here: a server that merely asks for a certificate may hang up on bytes
            // that it does not understand.
            if error.is_some() {
                line.refused(stopped.failure(), stopped, error);
            }
            conversation.interrupted(stopped)
        }
    }
}
