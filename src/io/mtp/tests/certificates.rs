use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Authority { ca: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn pem(&self) -> String {
        self.ca.as_ref().pem()
    }

    fn fingerprint(&self) -> [u8; 32] {
        crate::digest::sha256(&[self.ca.as_ref().der()])
    }

    /// A certificate for names and ids, and its key.
    fn sign(&self, names: &[&str], ids: &[&EndpointId]) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        for id in ids {
            params.subject_alt_names.push(SanType::URI(id.urn().try_into().unwrap()));
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }
}

fn key_der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}

/// A controller's port with TLS; gives the session that is opened at it.
async fn serve(listener: &TcpListener, (leaf, key): &(rcgen::Certificate, KeyPair)) -> Option<Peer> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key_der(key))
        .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let stream = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await.ok()?;
    let mut stream: Box<dyn Stream> = Box::new(stream);
    let (head, _) = websocket::read_head(&mut stream).await.ok()?;
    let request = crate::io::http::head::Request::parse(&head).unwrap().unwrap();
    let field = |name: &str| request.headers.all(name).map(str::to_owned).collect();
    let asked = rules::asked("GET", &request.target, "/usp", &field).unwrap();
    let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
    for (name, value) in rules::response_fields(&asked, &controller()) {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    Some(WebSocketStream::from_raw_socket(stream, Role::Server, None).await)
}

//= TR-369 R-MTP.4
//= TR-369 R-WS.22
//= TR-369 R-WS.24
#[tokio::test]
async fn a_controllers_certificate_is_for_its_host_or_for_its_id() {
    let lab = Lab::new();
    let authority = Authority::new("operator");
    let security = Security {
        ca_files: vec!["/missing.pem".into(), lab.put("ca.pem", &authority.pem())],
        ..Security::default()
    };
    let other = id("oui:012345:other");
    let stranger = Authority::new("stranger");
    let cases = [
        ("localhost", authority.sign(&["localhost"], &[]), Ok(vec![])),
        ("127.0.0.1", authority.sign(&["127.0.0.1"], &[&other]), Ok(vec![other.clone()])),
        ("127.0.0.1", authority.sign(&["elsewhere.example"], &[&controller()]), Ok(vec![controller()])),
        ("127.0.0.1", authority.sign(&["elsewhere.example"], &[&other]), Err("is not for 127.0.0.1")),
        ("localhost", stranger.sign(&["localhost"], &[&controller()]), Err("not signed by a trusted")),
    ];
    for (host, own, want) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut links = lab.links();
        let wanted = WebSocketClient {
            host: host.into(),
            tls: Some(security.clone()),
            ..to(listener.local_addr().unwrap().port())
        };
        links.configure(vec![Wanted::WebSocketClient(wanted)]);
        let (_peer, event) = tokio::join!(serve(&listener, &own), links.next());
        match (event, want) {
            (LinkEvent::Up(up), Ok(ids)) => {
                let certificate = up.certificate.unwrap();
                assert!(up.encrypted && certificate.dates_checked);
                assert_eq!(certificate.endpoint_ids, ids);
                assert_eq!(certificate.fingerprint, crate::digest::sha256(&[own.0.der()]));
                assert_eq!(certificate.chain, [authority.fingerprint()]);
                assert!(certificate.issuer.contains("CN=operator"), "{}", certificate.issuer);
            }
            (LinkEvent::Down { why, .. }, Err(words)) => assert!(why.contains(words), "{why}"),
            (event, want) => panic!("{host}: {event:?} instead of {want:?}"),
        }
    }
}

#[tokio::test]
async fn a_pinned_key_is_enough_and_then_there_is_no_chain() {
    use rcgen::PublicKeyData;
    let lab = Lab::new();
    let own = Authority::new("any").sign(&["elsewhere.example"], &[]);
    let pin = crate::digest::sha256(&[&own.1.subject_public_key_info()]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut links = lab.links();
    let security = Security { pins: vec![crate::digest::hex(&pin).into()], ..Security::default() };
    let port = listener.local_addr().unwrap().port();
    links.configure(vec![Wanted::WebSocketClient(WebSocketClient { tls: Some(security), ..to(port) })]);
    let (_peer, up) = tokio::join!(serve(&listener, &own), up(&mut links));
    assert_eq!(up.certificate.unwrap().chain, Vec::<[u8; 32]>::new());
}

/// Connects to our port with TLS.
async fn connect(
    at: u16,
    trust: &Authority,
    own: Option<(rcgen::Certificate, KeyPair)>,
) -> Result<Box<dyn Stream>, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trust.ca.as_ref().der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((leaf, key)) => {
            let chain: Vec<CertificateDer<'static>> = vec![leaf.der().clone()];
            builder.with_client_auth_cert(chain, key_der(&key)).unwrap()
        }
    };
    let stream = TcpStream::connect(("127.0.0.1", at)).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
    Ok(Box::new(stream))
}

//= TR-369 R-MTP.1
//= TR-369 R-SEC.0a
//= TR-369 R-WS.22
#[tokio::test]
async fn a_port_asks_for_a_certificate_and_takes_nobody_for_somebody_else() {
    let lab = Lab::new();
    let (authority, stranger) = (Authority::new("operator"), Authority::new("stranger"));
    let (leaf, key) = authority.sign(&["127.0.0.1"], &[&agent()]);
    let security = Security {
        ca_files: vec![lab.put("ca.pem", &authority.pem())],
        own: Some((lab.put("own.pem", &leaf.pem()), lab.put("own.key", &key.serialize_pem()))),
        ..Security::default()
    };
    let other = id("oui:012345:other");
    for (required, own, taken) in [
        (true, Some(authority.sign(&[], &[&controller()])), true),
        (true, Some(authority.sign(&[], &[&other, &controller()])), true),
        (true, Some(authority.sign(&[], &[&other])), false),
        (true, Some(stranger.sign(&[], &[&controller()])), false),
        (true, None, false),
        (false, None, true),
        (false, Some(stranger.sign(&[], &[&controller()])), false),
    ] {
        let shown = own.as_ref().map(|(leaf, _)| crate::digest::sha256(&[leaf.der()]));
        let mut links = lab.links();
        let wanted = WebSocketServer { tls: Some(security.clone()), peer_certificate: required, ..port() };
        links.configure(vec![Wanted::WebSocketServer(wanted)]);
        let at = listening(&mut links).await;
        let opened = match connect(at, &authority, own).await {
            Ok(stream) => reach_on(stream, &controller()).await,
            Err(why) => Err(why),
        };
        assert_eq!(opened.is_ok(), taken, "{required} {:?}", opened.err());
        if taken {
            let up = up(&mut links).await;
            assert!(up.encrypted);
            let told: Option<Certified> = up.certificate;
            assert_eq!(told.as_ref().map(|certificate| certificate.fingerprint), shown);
            assert!(told.is_none_or(|certificate| certificate.chain == [authority.fingerprint()]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_without_a_certificate_of_its_own_does_not_open() {
    let lab = Lab::new();
    let mut links = lab.links();
    let security = Security {
        ca_files: vec![lab.put("ca.pem", &Authority::new("operator").pem())],
        ..Security::default()
    };
    links.configure(vec![Wanted::WebSocketServer(WebSocketServer { tls: Some(security), ..port() })]);
    let (_, why, failures, _) = down(&mut links).await;
    assert!(why.contains("needs a certificate") && failures == 1, "{why}");
}
