//! Handshakes with servers whose certificates are made for the test.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::io::http::body::Whole;
use crate::io::http::client::{Client, Settings};
use crate::io::http::error::Error as HttpError;
use crate::rng::Rng;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData, date_time_ymd,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// 2026-06-01T00:00:00Z.
const MID_2026: Wall = Wall::at(1_780_272_000);
/// 2031-01-01T00:00:00Z.
const START_2031: Wall = Wall::at(1_924_992_000);

struct Server {
    ca: CertifiedIssuer<'static, KeyPair>,
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    folder: tempfile::TempDir,
}

/// A server for `names`, its certificate valid in these years, signed by its own authority.
fn server(names: &[&str], years: (i32, i32)) -> Server {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    // Each authority has its own name, or another's certificate would be taken for a spoilt one of its own.
    let name = crate::digest::hex(&crate::digest::sha256(&[&key.subject_public_key_info()]));
    params.distinguished_name.push(rcgen::DnType::CommonName, &name[..16]);
    let ca = CertifiedIssuer::self_signed(params, key).unwrap();
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &ca).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), ca.as_ref().pem()).unwrap();
    Server { chain: vec![leaf.der().clone()], ca, key, folder }
}

impl Server {
    fn setup(&self) -> Setup {
        Setup {
            extra_ca: Some(self.folder.path().join("ca.pem")),
            floor: Some(Wall::at(0)),
            ..Setup::default()
        }
    }

    /// Listens, answers one request per connection, and gives the port.
    async fn listen(&self, version: &'static rustls::SupportedProtocolVersion, ask_client: bool) -> u16 {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .unwrap();
        let builder = if ask_client {
            let mut roots = RootCertStore::empty();
            roots.add(self.ca.as_ref().der().clone()).unwrap();
            let verifier =
                rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).unwrap();
        let config = builder.with_single_cert(self.chain.clone(), key).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let state = stream.get_ref().1;
                let client = state.peer_certificates().is_some();
                let name = state.server_name().unwrap_or("-").to_owned();
                let mut octets = [0; 4096];
                let _ = stream.read(&mut octets).await;
                let body = format!("name {name}, client {client}");
                let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{body}").as_bytes()).await;
                // No farewell of TLS: servers are like that.
            }
        });
        port
    }
}

async fn exchange(
    setup: &Setup,
    wall: Option<Wall>,
    host: &str,
    port: u16,
) -> Result<(String, Client), HttpError> {
    let tls = Tls::load(setup).unwrap().session(wall).unwrap();
    let settings = Settings { tls: Some(tls), ..Settings::default() };
    let mut client = Client::new(&format!("https://{host}:{port}/"), settings, Rng::new([1; 32])).unwrap();
    let reply = client.post(&mut Whole::default()).await?;
    Ok((String::from_utf8(reply.body).unwrap(), client))
}

fn refusal(result: Result<(String, Client), HttpError>) -> String {
    match result {
        Ok((body, _)) => panic!("accepted: {body}"),
        Err(HttpError::Tls(why)) => why,
        Err(other) => panic!("another failure: {other}"),
    }
}

//= TR-069 3.3, TR-369 R-MQTT.48
#[tokio::test]
async fn a_trusted_server_is_spoken_to_by_name_and_by_address() {
    let server = server(&["localhost", "127.0.0.1"], (2025, 2030));
    for (version, told) in [(&rustls::version::TLS12, "TLS 1.2"), (&rustls::version::TLS13, "TLS 1.3")] {
        let port = server.listen(version, false).await;
        for (host, name) in [("localhost", "localhost"), ("127.0.0.1", "-")] {
            let (body, client) = exchange(&server.setup(), Some(MID_2026), host, port).await.unwrap();
            assert_eq!(body, format!("name {name}, client false"));
            let verified = client.verified().unwrap();
            assert_eq!((verified.version, verified.dates_checked), (told, true));
            assert_eq!(verified.not_after.to_string(), "2030-01-01T00:00:00Z");
        }
    }
}

//= TR-069 3.3
#[tokio::test]
async fn strangers_other_names_and_wrong_dates_are_refused_in_words() {
    let good = server(&["localhost"], (2025, 2030));
    let port = good.listen(&rustls::version::TLS13, false).await;
    let stranger = server(&["localhost"], (2025, 2030));
    for (setup, wall, host, words) in [
        (stranger.setup(), MID_2026, "localhost", "not signed by a trusted authority"),
        (good.setup(), MID_2026, "127.0.0.1", "is not for 127.0.0.1 but for localhost"),
        (good.setup(), START_2031, "localhost", "expired on 2030-01-01"),
        (
            good.setup(),
            Wall::at(1_577_836_800),
            "localhost",
            "valid from 2025-01-01T00:00:00Z, and the clock shows",
        ),
    ] {
        let why = refusal(exchange(&setup, Some(wall), host, port).await);
        assert!(why.contains(words), "{why}");
    }
    // A clock behind the program's build is wrong, and counts as the build's time.
    let floored = Setup { floor: Some(MID_2026), ..good.setup() };
    exchange(&floored, Some(Wall::at(0)), "localhost", port).await.unwrap();
}

//= TR-069 3.3
//= TR-369 R-MTP.2
#[tokio::test]
async fn without_a_clock_dates_are_ignored_and_checked_once_it_is_known() {
    for years in [(2001, 2002), (2040, 2045)] {
        let server = server(&["localhost"], years);
        let port = server.listen(&rustls::version::TLS13, false).await;
        let setup = Setup { floor: Some(MID_2026), ..server.setup() };
        let (_, client) = exchange(&setup, None, "localhost", port).await.unwrap();
        assert!(!client.verified().unwrap().dates_checked);
        assert!(client.clock_known(MID_2026).is_err(), "{years:?}");
        let other = self::server(&["localhost"], years);
        refusal(exchange(&other.setup(), None, "localhost", port).await);
        let by_address = refusal(exchange(&setup, None, "127.0.0.1", port).await);
        assert!(by_address.contains("not for"), "everything but the dates still counts: {by_address}");
    }
    let server = server(&["localhost"], (2025, 2030));
    let port = server.listen(&rustls::version::TLS13, false).await;
    let (_, client) = exchange(&server.setup(), None, "localhost", port).await.unwrap();
    assert_eq!(client.clock_known(MID_2026), Ok(()));
    assert!(client.clock_known(START_2031).is_err());
}

//= TR-369 R-MTP.3: with correct time, dates must hold.
//= TR-369 R-WS.23: dates that were ignored count once the time is known.
#[cfg(feature = "usp")]
#[tokio::test]
async fn dates_that_were_ignored_are_looked_at_once_the_time_is_known_and_not_again() {
    use crate::io::mtp::dial::Dates;
    let server = server(&["localhost"], (2025, 2030));
    let port = server.listen(&rustls::version::TLS13, false).await;
    for (wall, holds) in [(MID_2026, true), (START_2031, false)] {
        let (_, client) = exchange(&server.setup(), None, "localhost", port).await.unwrap();
        let mut dates = Dates::Server(Box::new(client.verified().unwrap().clone()));
        assert_eq!(dates.look(None), Ok(()));
        assert_eq!(dates.look(Some(wall)).is_ok(), holds, "{wall:?}");
        if holds {
            assert_eq!(dates.look(Some(wall)), Ok(()), "the session stays");
        }
    }
}

#[tokio::test]
async fn a_pinned_key_is_enough_and_the_only_thing_that_counts() {
    let server = server(&["elsewhere.example"], (2025, 2030));
    let port = server.listen(&rustls::version::TLS12, false).await;
    let pin = crate::digest::sha256(&[&server.key.subject_public_key_info()]);
    let pinned = |pins| Setup { pins, floor: Some(Wall::at(0)), ..Setup::default() };
    let (_, client) = exchange(&pinned(vec![[0; 32], pin]), Some(MID_2026), "localhost", port).await.unwrap();
    assert!(client.verified().is_some());
    let wrong = Setup { pins: vec![[0; 32]], ..server.setup() };
    let why = refusal(exchange(&wrong, Some(MID_2026), "localhost", port).await);
    assert!(why.contains(&crate::digest::hex(&pin)), "the words tell what to pin: {why}");
    let why = refusal(exchange(&pinned(vec![pin]), Some(START_2031), "localhost", port).await);
    assert!(why.contains("expired"), "{why}");
}

#[tokio::test]
async fn a_self_signed_authority_as_server_is_refused_with_the_way_out_and_taken_by_its_pin() {
    let mut server = server(&["localhost"], (2025, 2030));
    server.chain = vec![server.ca.as_ref().der().clone()];
    server.key = KeyPair::try_from(server.ca.key().serialize_der()).unwrap();
    let port = server.listen(&rustls::version::TLS13, false).await;
    let why = refusal(exchange(&server.setup(), Some(MID_2026), "localhost", port).await);
    assert!(why.contains("pin_sha256"), "{why}");
    let pin = crate::digest::sha256(&[&server.key.subject_public_key_info()]);
    let pinned = Setup { pins: vec![pin], floor: Some(Wall::at(0)), ..Setup::default() };
    exchange(&pinned, Some(MID_2026), "localhost", port).await.unwrap();
}

//= TR-069 3.3
#[tokio::test]
async fn our_certificate_is_shown_to_a_server_that_asks() {
    let server = server(&["localhost"], (2025, 2030));
    let port = server.listen(&rustls::version::TLS13, true).await;
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec![]).unwrap().signed_by(&key, &server.ca).unwrap();
    let (pem, key_pem) = (server.folder.path().join("own.pem"), server.folder.path().join("own.key"));
    std::fs::write(&pem, own.pem()).unwrap();
    std::fs::write(&key_pem, key.serialize_pem()).unwrap();
    let setup = Setup { client: Some((pem.clone(), key_pem.clone())), ..server.setup() };
    let (body, _) = exchange(&setup, Some(MID_2026), "localhost", port).await.unwrap();
    assert_eq!(body, "name localhost, client true");
    assert!(exchange(&server.setup(), Some(MID_2026), "localhost", port).await.is_err());
    std::fs::write(&key_pem, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let refused = Tls::load(&setup).unwrap_err();
    assert!(refused.0.contains("does not belong"), "{refused}");
}

#[test]
fn a_setup_that_cannot_work_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate here\n").unwrap();
    let missing = folder.path().join("missing.pem");
    let cut = folder.path().join("cut.pem");
    std::fs::write(&cut, "-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap();
    let client = |key| Setup { pins: vec![[1; 32]], client: Some((empty.clone(), key)), ..Setup::default() };
    for (setup, words) in [
        (client(cut.clone()), "cut.pem: no private key in PEM: it ends within a section"),
        (client(missing.clone()), "missing.pem: no private key in PEM: No such file or directory"),
        (Setup { extra_ca: Some(cut.clone()), ..Setup::default() }, "cut.pem: it ends within a section"),
        (Setup::default(), "there is no CA file"),
        (Setup { bundle: Some(missing.clone()), ..Setup::default() }, "missing.pem is not there"),
        (Setup { extra_ca: Some(empty.clone()), ..Setup::default() }, "empty.pem: no certificate in PEM"),
        (client(empty.clone()), "empty.pem: no private key in PEM: there is none in it"),
    ] {
        let error = Tls::load(&setup).unwrap_err();
        assert!(error.0.contains(words), "{error}");
    }
    let beside_a_pin = Setup { bundle: Some(missing), pins: vec![[1; 32]], ..Setup::default() };
    assert!(Tls::load(&beside_a_pin).is_ok(), "a missing bundle is no harm beside another trust");
}

#[tokio::test]
async fn a_plain_server_behind_https_is_told_in_words() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut octets = [0; 2048];
        let _ = stream.read(&mut octets).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let setup = Setup { pins: vec![[1; 32]], ..Setup::default() };
    let why = refusal(exchange(&setup, None, "localhost", port).await);
    assert_eq!(why, "the server does not speak TLS on this port");
}

//= TR-369 R-MTP.4: at home the name does not count.
#[test]
fn a_name_of_the_home_network_is_excused_where_it_may_be_and_a_signature_never() {
    let (own, other) = (server(&["elsewhere.example"], (2025, 2030)), server(&["cpe.local"], (2025, 2030)));
    let tls = Tls::load(&own.setup()).unwrap();
    for (home, name, server, want) in [
        (true, "cpe.local", &own, true),
        (true, "CPE.Local", &own, true),
        (true, "acs.home.arpa", &own, true),
        (false, "cpe.local", &own, false),
        (true, "cpelocal", &own, false),
        (true, "local.example.com", &own, false),
        (true, "127.0.0.1", &own, false),
        (true, "elsewhere.example", &own, true),
        (true, "cpe.local", &other, false),
    ] {
        let session = tls.session_with(Some(MID_2026), Expected { uri: None, home }).unwrap();
        let name = ServerName::try_from(name).unwrap();
        let checked = session.verifier.check(&server.chain[0], &[], &name, Some(MID_2026));
        assert_eq!(checked.is_ok(), want, "{home} {name:?}: {checked:?}");
    }
}
