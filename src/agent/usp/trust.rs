//! Who is at the other end of a link, and what he may do.
//!
//! By the charts of TR-369 for Records without a session: over TLS the certificate must name the sender, or be of a
//! broker that is trusted to know him; where the settings switch TLS off, the sender is who he says he is.

use super::known::Known;
use super::links::controller_of;
use crate::agent::Agent;
use crate::agent::job::{Errand, Job, Newcomer};
use crate::config::usp::{Controller, Credential, Uses, Usp};
use crate::digest;
use crate::dm::acl::Rights;
use crate::dm::draft::OWN;
use crate::dm::write::{NoPlan, Planner};
use crate::usp::endpoint::EndpointId;
use crate::usp::mtp::{Details, Up};
use crate::usp::record::Rejected;

/// Most controllers that came by themselves; a further one is not heard.
pub const MAX_FIRST_USES: usize = 8;

/// The configured controller that sent a Record over a link; `None` for one that is not configured and may be heard.
///
/// Refuses, in words, whoever is not who he says he is.
//= TR-369 R-SEC.22: the mandatory parts of the decision on a received Record.
pub(super) fn judge<'c>(
    usp: &'c Usp,
    known: &Known,
    up: &Up,
    from: &EndpointId,
) -> Result<Option<&'c Controller>, &'static str> {
    //= TR-369 R-ARC.2: two that have the same id do not talk to each other.
    if known.own.as_ref() == Some(from) {
        return Err("it has the id of this device");
    }
    let controller = usp.controller(from.as_str());
    //= TR-181 LocalAgent.ControllerTrust.BannedRole: nothing is taken from whoever has it.
    let banned = |role: &str| usp.banned_role.as_deref() == Some(role);
    if controller.is_some_and(|one| one.roles.iter().any(|role| banned(role)))
        || inherited(usp, known, up).into_iter().any(banned)
    {
        return Err("it is banned");
    }
    let mqtt = matches!(up.details, Details::Mqtt { .. });
    match (&up.details, &up.peer) {
        // A session that we opened leads to one controller.
        (Details::WebSocket { accepted: false }, _)
            if controller_of(usp, up).is_none_or(|one| one.endpoint_id != from.as_str()) =>
        {
            return Err("the session is not with it");
        }
        (Details::WebSocket { accepted: true }, Some(peer)) if peer != from => {
            return Err("the session is not with it");
        }
        _ => {}
    }
    if !up.encrypted {
        return match controller {
            Some(controller) => Ok(Some(controller)),
            None => Err("it is not configured, and nothing proves who it is"),
        };
    }
    //= TR-369 R-SEC.0a: the certificate must carry the endpoint id of the sender.
    let named = up.certificate.as_ref().is_some_and(|certificate| certificate.is_for(from));
    //= TR-369 R-SEC.3: and somebody who is trusted must have signed it.
    let signed = up.certificate.as_ref().is_some_and(|certificate| certificate.trusted);
    // A pinned key was what counted, so the controller is the one whose key it is.
    let pinned = !mqtt
        && up.certificate.as_ref().is_some_and(|certificate| certificate.chain.is_empty())
        && controller_of(usp, up).is_some_and(|one| one.mtps.iter().any(|way| !way.pins.is_empty()));
    //= TR-369 R-SEC.8: or it is the certificate that is kept for this endpoint.
    let kept = !mqtt
        && match (&up.certificate, controller) {
            (Some(certificate), Some(controller)) => {
                controller.certificates.iter().any(|own| known.is(own, &certificate.fingerprint))
            }
            _ => false,
        };
    let vouched = mqtt && is_trusted_broker(usp, known, up);
    //= TR-369 R-SEC.0: nothing is processed before it is known who is at the other end, or that the broker there is trusted.
    match controller {
        Some(controller) if named && signed || pinned || kept || vouched => Ok(Some(controller)),
        //= TR-369 R-SEC.22: of a known endpoint another certificate counts only if it is signed.
        Some(_) if named => {
            Err("its certificate is neither the one that is kept for it nor signed by a trusted one")
        }
        //= TR-369 R-SEC.24: one that is not known is heard if a credential gives it a role.
        None if named && signed && !inherited(usp, known, up).is_empty() => Ok(None),
        //= TR-369 R-SEC.24a: any other one only if a first use is enough.
        None if (named || vouched) && usp.trust_on_first_use => Ok(None),
        None if named || vouched => Err("it is not configured"),
        Some(_) | None => Err("its certificate is not of that endpoint"),
    }
}

/// The credentials that a link's certificate or one above it has, nearest first.
fn credentials<'c>(usp: &'c Usp, known: &Known, up: &Up) -> Vec<&'c Credential> {
    let Some(certificate) = &up.certificate else { return Vec::new() };
    let chain = std::iter::once(&certificate.fingerprint).chain(&certificate.chain);
    let of = |fingerprint: &[u8; 32]| {
        let mut all = usp.credentials.iter().filter(|credential| credential.enable);
        all.find(|credential| credential.certificate.as_ref().is_some_and(|own| known.is(own, fingerprint)))
    };
    chain.filter_map(of).collect()
}

/// Whether the broker at the other end is trusted to know who publishes where.
//= TR-369 R-SEC.26: a trusted broker vouches for the sender.
//= TR-369 R-SEC.4a: its certificate, or that of its signer, is one that the settings name for it.
fn is_trusted_broker(usp: &Usp, known: &Known, up: &Up) -> bool {
    credentials(usp, known, up).iter().any(|credential| credential.uses == Uses::Broker)
}

/// The roles that come with the certificate of a link.
//= TR-369 R-SEC.25: only the first certificate of the chain that has a credential counts.
pub(super) fn inherited<'c>(usp: &'c Usp, known: &Known, up: &Up) -> Vec<&'c str> {
    match credentials(usp, known, up).first() {
        Some(credential) if credential.uses != Uses::Link => {
            credential.roles.iter().map(String::as_str).collect()
        }
        _ => Vec::new(),
    }
}

/// What a controller may do that has these roles by its certificate, beside those that are assigned to it.
pub(super) fn rights_with(usp: &Usp, controller: &Controller, inherited: &[String]) -> Rights {
    given(usp, controller.roles.iter().chain(inherited).map(String::as_str).collect())
}

/// What a controller may do: what its roles give together, else what the role of whoever has none gives.
//= TR-369 R-SEC.24: AssignedRole and InheritedRole count; who has neither has the UntrustedRole.
pub(super) fn rights(usp: &Usp, known: &Known, up: Option<&Up>, controller: Option<&Controller>) -> Rights {
    let inherited = up.map(|up| inherited(usp, known, up)).unwrap_or_default();
    let assigned = controller.map_or(&[][..], |controller| controller.roles.as_slice());
    given(usp, assigned.iter().map(String::as_str).chain(inherited).collect())
}

/// What roles give together.
fn given(usp: &Usp, roles: Vec<&str>) -> Rights {
    match roles.is_empty() {
        true => usp.rights(usp.untrusted_role.as_deref()),
        false => usp.rights(roles),
    }
}

impl Agent {
    /// Has whoever sent a Record and has no row given one, with what it showed; `false` where there are too many already.
    //= TR-369 R-SEC.24: who is not known gets a row, with the UntrustedRole where it inherits none.
    //= TR-369 R-SEC.6: without a signature of somebody trusted it begins with that role.
    //= TR-369 R-SEC.8: the certificate that it showed is kept for its endpoint.
    pub(super) fn adopt(&mut self, link: u64, from: &EndpointId) -> bool {
        let usp = &self.config.usp;
        let Some(up) = self.usp.links.get(&link).map(|link| &link.up) else { return false };
        let inherits = !inherited(usp, &self.usp.known, up).is_empty();
        let shown = up.certificate.as_ref().filter(|certificate| !certificate.trusted);
        let newcomer = Newcomer {
            endpoint: from.as_str().into(),
            role: usp.untrusted_role.clone().filter(|_| !inherits),
            certificate: shown.and_then(|certificate| certificate.der.clone()),
        };
        if usp.controllers.iter().filter(|controller| controller.first_use).count() >= MAX_FIRST_USES
            || shown.is_some() && newcomer.certificate.is_none()
        {
            return false;
        }
        let job = Job::Keep(Errand::Adopt(newcomer));
        if !self.jobs.contains(&job) && self.running.as_ref().is_none_or(|running| running.job != job) {
            self.log(log::Level::Warn, format!("controller {} is taken up by its first use", from.as_str()));
            self.queue(job);
        }
        true
    }
}

/// Plans the sections of a controller that came by itself.
pub(super) fn adopt(planner: &mut Planner<'_>, number: u64, newcomer: &Newcomer) -> Result<(), NoPlan> {
    let name = format!("first_use{number}");
    let certificate = format!("{name}_certificate");
    let mut options = vec![
        ("enable", "1"),
        ("first_use", "1"),
        ("onboarding_complete", "1"),
        ("endpoint_id", newcomer.endpoint.as_str()),
    ];
    options.extend(newcomer.role.as_deref().map(|role| ("role", role)));
    if let Some(der) = &newcomer.certificate {
        planner.make(OWN, &certificate, "certificate", &[("enable", "1"), ("der", &digest::base64(der))])?;
        options.push(("certificate", &certificate));
    }
    planner.make(OWN, &name, "controller", &options)
}

/// Why a Record is not served, for the log.
pub(super) fn words(why: &Rejected) -> String {
    match why {
        Rejected::Unreadable(why) | Rejected::Ignored(why) => (*why).to_string(),
        Rejected::Refused { fault, .. } => fault.text.clone(),
        Rejected::NoSession { .. } => "session contexts are not supported".into(),
    }
}
