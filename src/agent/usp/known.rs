//! What the agent knows of itself and its controllers beyond the settings, read together with them.

use crate::agent::names::DEVICE_ID;
use crate::config::usp::Usp;
use crate::digest;
use crate::dm::path::Pattern;
use crate::dm::read::Node;
use crate::dm::source::Stop;
use crate::dm::view::View;
use crate::sorted::Map;
use crate::usp::endpoint::EndpointId;
use crate::x509;
use std::sync::Arc;

const OWN: &str = "Device.LocalAgent.EndpointID";
const CONTROLLERS: &str = "Device.LocalAgent.Controller";
const BROKERS: &str = "Device.MQTT.Client";

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::agent) struct Known {
    /// Ourselves; none while neither the settings nor the board say it.
    pub own: Option<EndpointId>,
    /// OUI, product class and serial number, each empty where it cannot be read; nobody needs them without a controller.
    pub device: [String; 3],
    /// The path of each controller's row by its section.
    pub rows: Map<Box<str>, Box<str>>,
    /// The path of each broker's row by its section.
    pub brokers: Map<Box<str>, Box<str>>,
    /// The enabled certificates by their sections; those that cannot be read are not there.
    pub certificates: Map<Box<str>, Certificate>,
}

/// A certificate that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) struct Certificate {
    /// Its SHA-256.
    pub fingerprint: [u8; 32],
    /// Itself, DER.
    pub der: Arc<[u8]>,
    /// Whether it may sign others.
    pub authority: bool,
}

impl Certificate {
    fn read(base64: &str) -> Option<Certificate> {
        let der = digest::unbase64(base64)?;
        let authority = x509::certificate(&der)?.is_authority();
        Some(Certificate { fingerprint: digest::sha256(&[&der]), der: der.into(), authority })
    }
}

impl Known {
    /// Reads it.
    pub fn read(view: &View<'_>, usp: &Usp) -> Result<Known, Stop> {
        let mut known = Known::default();
        let mut waits = false;
        if let Ok(pattern) = Pattern::parse(OWN)
            && let Ok(nodes) = view.resolve(&pattern)
            && let [Node::Param(place, at)] = nodes.as_slice()
        {
            match view.value(place, *at) {
                Ok(own) => known.own = EndpointId::parse(&own),
                Err(Stop::Wait) => waits = true,
                Err(Stop::Refused(_)) => {}
            }
        }
        if usp.controllers.iter().any(|controller| controller.enable) {
            let [_, parts @ ..] = DEVICE_ID;
            for (path, text) in parts.into_iter().zip(&mut known.device) {
                let Ok(pattern) = Pattern::parse(path) else { continue };
                let value = view.resolve(&pattern).and_then(|nodes| match nodes.as_slice() {
                    [Node::Param(place, at)] => Ok(view.value(place, *at)?.into_owned()),
                    _ => Ok(String::new()),
                });
                match value {
                    Ok(value) => *text = value,
                    Err(Stop::Wait) => waits = true,
                    Err(Stop::Refused(_)) => {}
                }
            }
        }
        for (table, paths) in [(CONTROLLERS, &mut known.rows), (BROKERS, &mut known.brokers)] {
            match view.all_rows(table) {
                Ok(rows) => {
                    paths.extend(rows.iter().map(|row| (row.key.as_str().into(), (*row.path).into())))
                }
                Err(Stop::Wait) => waits = true,
                Err(refused) => return Err(refused),
            }
        }
        for certificate in usp.certificates.iter().filter(|certificate| certificate.enable) {
            let read = match certificate.der.as_str() {
                "" => match view.tree(&format!("cert:{}", certificate.file)) {
                    Ok(tree) => tree.and_then(|tree| tree.str("der")).and_then(Certificate::read),
                    Err(Stop::Wait) => {
                        waits = true;
                        None
                    }
                    Err(Stop::Refused(_)) => None,
                },
                der => Certificate::read(der),
            };
            known.certificates.extend(read.map(|read| (certificate.name.as_str().into(), read)));
        }
        if waits { Err(Stop::Wait) } else { Ok(known) }
    }

    /// Whether a certificate is the one of a section.
    pub fn is(&self, section: &str, fingerprint: &[u8; 32]) -> bool {
        self.certificates.get(section).is_some_and(|known| known.fingerprint == *fingerprint)
    }
}
