use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

pub struct Authority {
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Authority { ca: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub fn pem(&self) -> String {
        self.ca.as_ref().pem()
    }

    fn fingerprint(&self) -> [u8; 32] {
        crate::digest::sha256(&[self.ca.as_ref().der()])
    }

    /// A certificate for names and ids, and its key.
    pub fn sign(&self, names: &[&str], ids: &[&EndpointId]) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        for id in ids {
            params.subject_alt_names.push(SanType::URI(id.urn().try_into().unwrap()));
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }
}

pub fn key_der(key: &KeyPair) -> PrivateKeyDer<'static> {
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

/// A certificate that nobody else signed, with its key.
fn alone(names: &[&str], ids: &[&EndpointId]) -> (rcgen::Certificate, KeyPair) {
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.subject_alt_names.extend(ids.iter().map(|id| SanType::URI(id.urn().try_into().unwrap())));
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

fn fingerprint(certificate: &rcgen::Certificate) -> [u8; 32] {
    crate::digest::sha256(&[certificate.der()])
}

/// What is there to be trusted, over CA files.
type Trust<'a> = (&'a str, Box<dyn Fn(Security) -> Security + 'a>, bool);

//= TR-369 R-SEC.2: trusted are, beside files, the certificates that were added.
//= TR-369 R-SEC.4: trusted is, too, the certificate that is kept for that controller.
//= TR-181 LocalAgent.AddCertificate(): one that is no authority is good for an exact match only.
#[tokio::test]
async fn a_server_is_taken_by_an_added_authority_or_by_its_own_certificate() {
    let lab = Lab::new();
    let (authority, stranger) = (Authority::new("operator"), Authority::new("stranger"));
    let ca_files = vec![lab.put("ca.pem", &Authority::new("nobody").pem())];
    let signed = authority.sign(&["localhost"], &[&controller()]);
    let (own, elsewhere) = (alone(&["localhost"], &[]), alone(&["elsewhere.example"], &[]));
    let anchor = |of: &Authority| Arc::from(of.ca.as_ref().der().as_ref());
    let cases: [(&(rcgen::Certificate, KeyPair), Trust<'_>); 8] = [
        (&signed, ("none", Box::new(|now| now), false)),
        (&signed, ("anchor", Box::new(|now| Security { anchors: vec![anchor(&authority)], ..now }), true)),
        (&signed, ("other", Box::new(|now| Security { anchors: vec![anchor(&stranger)], ..now }), false)),
        (&own, ("leaf", Box::new(|now| Security { leaves: vec![fingerprint(&own.0)], ..now }), true)),
        (
            &elsewhere,
            ("name", Box::new(|now| Security { leaves: vec![fingerprint(&elsewhere.0)], ..now }), false),
        ),
        (
            &elsewhere,
            ("kept", Box::new(|now| Security { kept: vec![fingerprint(&elsewhere.0)], ..now }), true),
        ),
        (&own, ("not it", Box::new(|now| Security { kept: vec![fingerprint(&elsewhere.0)], ..now }), false)),
        // A first use is for those who connect.
        (&own, ("first", Box::new(|now| Security { first_use: true, ..now }), false)),
    ];
    for (shown, (what, trust, taken)) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut links = lab.links();
        let security = trust(Security { ca_files: ca_files.clone(), ..Security::default() });
        let port = listener.local_addr().unwrap().port();
        let wanted = WebSocketClient { host: "localhost".into(), tls: Some(security), ..to(port) };
        links.configure(vec![Wanted::WebSocketClient(wanted)]);
        let (_peer, event) = tokio::join!(serve(&listener, shown), links.next());
        match event {
            LinkEvent::Up(up) => {
                let certificate = up.certificate.unwrap();
                assert!(taken && certificate.trusted, "{what}");
                assert_eq!(certificate.der.as_deref(), Some(shown.0.der().as_ref()));
                assert_eq!(certificate.chain.is_empty(), what != "anchor", "{what}");
            }
            event => assert!(!taken, "{what}: {event:?}"),
        }
    }
}

//= TR-369 R-MTP.4a: an unknown signer is refused, or taken for a first use where that is allowed.
//= TR-369 R-SEC.8: the certificate that is kept for an endpoint is enough.
//= TR-369 R-SEC.19, R-SEC.20: dates are checked whoever signed, once the time is known.
//= TR-369 R-MTP.2: dates count once the time is known.
//= TR-369 R-MTP.3: and then they must hold.
#[tokio::test]
async fn a_port_takes_kept_certificates_and_unknown_ones_only_for_a_first_use() {
    let lab = Lab::new();
    let authority = Authority::new("operator");
    let (leaf, key) = authority.sign(&["127.0.0.1"], &[&agent()]);
    let base = Security {
        ca_files: vec![lab.put("ca.pem", &authority.pem())],
        own: Some((lab.put("own.pem", &leaf.pem()), lab.put("own.key", &key.serialize_pem()))),
        ..Security::default()
    };
    let make = |signed: bool, named: bool, expired: bool| {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        if named {
            params.subject_alt_names.push(SanType::URI(controller().urn().try_into().unwrap()));
        }
        if expired {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let made = if signed { params.signed_by(&key, &authority.ca) } else { params.self_signed(&key) };
        (made.unwrap(), key)
    };
    for (what, named, expired, keeps, first_use, taken) in [
        ("signed", true, false, false, false, Some(true)),
        ("signed, expired", true, true, false, false, None),
        ("nobody knows it", true, false, false, false, None),
        ("first use", true, false, false, true, Some(false)),
        ("first use of nobody", false, false, false, true, None),
        ("first use, expired", true, true, false, true, None),
        ("kept", true, false, true, false, Some(true)),
        ("kept without a name", false, false, true, false, Some(true)),
        ("kept, expired", true, true, true, true, None),
    ] {
        let own = make(what.starts_with("signed"), named, expired);
        let kept = if keeps { vec![fingerprint(&own.0)] } else { Vec::new() };
        let security = Security { kept, first_use, ..base.clone() };
        let mut links = lab.links();
        let wanted = WebSocketServer { tls: Some(security), peer_certificate: true, ..port() };
        links.configure(vec![Wanted::WebSocketServer(wanted)]);
        let at = listening(&mut links).await;
        let opened = match connect(at, &authority, Some(own)).await {
            Ok(stream) => reach_on(stream, &controller()).await,
            Err(why) => Err(why),
        };
        assert_eq!(opened.is_ok(), taken.is_some(), "{what}: {:?}", opened.err());
        if let Some(trusted) = taken {
            assert_eq!(up(&mut links).await.certificate.unwrap().trusted, trusted, "{what}");
        }
    }
}

#[tokio::test]
async fn a_port_that_trusts_more_keeps_its_sessions_and_one_that_trusts_less_ends_them() {
    let lab = Lab::new();
    let authority = Authority::new("operator");
    let (leaf, key) = authority.sign(&["127.0.0.1"], &[&agent()]);
    let stranger = alone(&[], &[&controller()]);
    let less = Security {
        ca_files: vec![lab.put("ca.pem", &authority.pem())],
        own: Some((lab.put("own.pem", &leaf.pem()), lab.put("own.key", &key.serialize_pem()))),
        ..Security::default()
    };
    let more = Security { kept: vec![fingerprint(&stranger.0)], ..less.clone() };
    let wanted = |security: &Security| {
        let tls = Some(security.clone());
        vec![Wanted::WebSocketServer(WebSocketServer { tls, peer_certificate: true, ..port() })]
    };
    let mut links = lab.links();
    links.configure(wanted(&less));
    let at = listening(&mut links).await;
    let other = id("oui:012345:other");
    let stays = connect(at, &authority, Some(authority.sign(&[], &[&other]))).await.unwrap();
    let _stays = reach_on(stays, &other).await.unwrap();
    let first = up(&mut links).await.link;
    links.configure(wanted(&more));
    tokio::task::yield_now().await;
    // What it trusts now is taken up at the same port, and no session ends for it.
    let shown = stranger.0.clone();
    let key = KeyPair::from_pem(&stranger.1.serialize_pem()).unwrap();
    let opened = connect(at, &authority, Some((shown, key))).await.unwrap();
    let _opened = reach_on(opened, &controller()).await.unwrap();
    let second = up(&mut links).await.link;
    links.configure(wanted(&less));
    let mut ended = Vec::new();
    while ended.len() < 2 {
        if let LinkEvent::Down { link: Some(link), .. } = links.next().await {
            ended.push(link);
        }
    }
    ended.sort_unstable();
    assert_eq!(ended, [first, second]);
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
