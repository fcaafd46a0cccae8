use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

/// Largest answer that is taken, in bytes; what a resolver sends to a question without EDNS is at most 512.
const ANSWER_BYTES_MAX: usize = 4096;
/// Answers to other questions that are passed over: stray or forged ones.
const FOREIGN_MAX: usize = 16;

/// Sends one datagram to a resolver that the operator named and gives the first answer that `accept`s.
///
/// This is the one packet that needs no scope: the resolver is the operator's own choice, and the question is
/// theirs too. The socket is connected, so that only the resolver's own address is heard.
///
/// # Errors
/// `TimedOut` when no answer came within `patience`, else what the system reports.
pub async fn ask_resolver<T>(
    resolver: SocketAddr,
    question: &[u8],
    patience: Duration,
    accept: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<T> {
    let until = Instant::now() + patience;
    let local: SocketAddr = if resolver.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(resolver).await?;
    socket.send(question).await?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    for _ in 0..FOREIGN_MAX {
        let length =
            timeout_at(until, socket.recv(&mut answer)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if let Some(accepted) = accept(answer.get(..length).unwrap_or_default()) {
            return Ok(accepted);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn forged_answers_are_passed_over_and_silence_ends() {
        let resolver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = resolver.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let mut question = [0; 64];
            let (length, from) = resolver.recv_from(&mut question).await.unwrap();
            resolver.send_to(b"forged", from).await.unwrap();
            resolver.send_to(&question[..length], from).await.unwrap();
            // The second question is not answered.
            resolver.recv_from(&mut question).await.unwrap();
        });
        let own = |bytes: &[u8]| (bytes == b"question").then(|| bytes.to_vec());
        let patience = Duration::from_millis(300);
        assert_eq!(ask_resolver(address, b"question", patience, own).await.unwrap(), b"question");
        let error = ask_resolver(address, b"question", patience, own).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        serving.await.unwrap();
    }
}
