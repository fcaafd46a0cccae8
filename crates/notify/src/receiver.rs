//! Receivers of every temper, on real sockets: what they were sent, and what they answer.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// Longest request that is read.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// How a receiver answers each request.
#[derive(Clone, Copy)]
pub(crate) enum Temper {
    /// Says this, and ends.
    Says(&'static str),
    /// Reads and says nothing.
    Silent,
    /// Begins this and never comes to an end.
    Endless(&'static str),
    /// Ends without reading.
    HangsUp,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) raw: Vec<u8>,
}

/// A listening receiver; it ends with the runtime of its test.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub(crate) async fn plain(temper: Temper) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, None, temper).await
    }

    pub(crate) async fn tls(pki: &Pki, temper: Temper) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, Some(pki.acceptor()), temper).await
    }

    pub(crate) async fn at(ip: Ipv4Addr, tls: Option<TlsAcceptor>, temper: Temper) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let me = Self { address: listener.local_addr().unwrap(), received: received.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, received) = (tls.clone(), received.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, temper, &received).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, temper, &received).await;
                            }
                        }
                    }
                });
            }
        });
        me
    }

    /// What came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The one request that came.
    #[track_caller]
    pub(crate) fn only(&self) -> Received {
        let received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.into_iter().next().unwrap()
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    temper: Temper,
    received: &Mutex<Vec<Received>>,
) {
    if let Temper::HangsUp = temper {
        return;
    }
    let request = timeout(Duration::from_secs(10), read(&mut stream)).await;
    let Ok(Some(request)) = request else { return };
    received.lock().unwrap().push(request);
    match temper {
        Temper::Says(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Temper::Endless(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        }
        Temper::Silent | Temper::HangsUp => sleep(Duration::from_secs(60)).await,
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut raw = Vec::new();
    loop {
        if stream.read_buf(&mut raw).await.ok()? == 0 || raw.len() > REQUEST_BYTES_MAX {
            return None;
        }
        let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&raw[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let line = lines.next()?.to_owned();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())))
            .collect::<Option<_>>()?;
        let length: usize = headers.get("content-length")?.parse().ok()?;
        while raw.len() < end + 4 + length {
            if stream.read_buf(&mut raw).await.ok()? == 0 {
                return None;
            }
        }
        let body = String::from_utf8(raw[end + 4..].to_vec()).ok()?;
        return Some(Received { line, headers, body, raw });
    }
}

/// An authority, and a certificate of its for one name.
pub(crate) struct Pki {
    dir: TempDir,
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Pki {
    pub(crate) fn new(name: &str) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ca.pem"), ca_pem).unwrap();
        Self { dir, cert: leaf.der().to_vec(), key: key.serialize_der() }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.cert.clone().into()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
