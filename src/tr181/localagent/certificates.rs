//! Certificates of Device.LocalAgent.: what rows show, and the commands that add, remove and compare them.
//!
//! What a person put on the router is a file, what a controller added lies in the settings themselves (`der`). A row
//! alone gives nothing to anybody: a controller's Credential or a row of ControllerTrust.Credential must name it.

use crate::digest;
use crate::dm::draft::OWN;
use crate::dm::error::Refusal;
use crate::dm::schema::{Arguments, Value};
use crate::dm::source::Stop;
use crate::dm::tree::Tree;
use crate::dm::view::{At, View};
use crate::dm::write::Draft;
use crate::x509;
use std::borrow::Cow;

/// The most certificates there are before a command adds no more.
pub const MAX_CERTIFICATES: usize = 32;
/// The most certificates that one controller has of its own before it adds no more.
pub const MAX_OF_CONTROLLER: usize = 4;
const TABLE: &str = "Device.LocalAgent.Certificate.";
const CERTIFICATE: &str = "certificate";

/// The DER of the certificate of a section; `None` where it has none that can be found.
fn der(view: &View<'_>, section: &Tree) -> Result<Option<Vec<u8>>, Stop> {
    if let Some(text) = section.str("der").filter(|text| !text.is_empty()) {
        return Ok(digest::unbase64(text));
    }
    let Some(file) = section.str("file").filter(|file| !file.is_empty()) else { return Ok(None) };
    let found = view.tree(&format!("cert:{file}"))?;
    Ok(found.and_then(|tree| tree.str("der")).and_then(digest::unbase64))
}

/// Issuer and serial number of the certificate of a section.
fn identity(view: &View<'_>, section: &Tree) -> Result<Option<(String, String)>, Stop> {
    Ok(der(view, section)?.as_deref().and_then(names))
}

fn names(der: &[u8]) -> Option<(String, String)> {
    x509::certificate(der).map(|read| (read.issuer_name(), read.serial_hex()))
}

/// Who signed it.
pub fn issuer<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(identity(at.view, at.bound()?.tree)?.map(|(issuer, _)| Cow::Owned(issuer)))
}

/// Its number there.
pub fn serial<'s>(at: &At<'_, 's>) -> Value<'s> {
    Ok(identity(at.view, at.bound()?.tree)?.map(|(_, serial)| Cow::Owned(serial)))
}

/// The hashes that GetFingerprint() knows.
pub fn fingerprint_algorithms<'s>(_: &At<'_, 's>) -> Value<'s> {
    Ok(Some(Cow::Borrowed(digest::FINGERPRINTS)))
}

/// `AddCertificate()`.
pub fn add_certificate(at: &At<'_, '_>, inputs: &Arguments, draft: &mut Draft) -> Result<Arguments, Stop> {
    add(at, inputs, draft)?;
    Ok(Arguments::new())
}

/// `Controller.{i}.AddMyCertificate()`: as [`add_certificate`], and it is the controller's own from then on.
//= TR-181 LocalAgent.Controller.{i}.AddMyCertificate(): for the controller of that row alone.
//= TR-369 R-SEC.8: the certificate is kept for this endpoint.
pub fn add_my_certificate(at: &At<'_, '_>, inputs: &Arguments, draft: &mut Draft) -> Result<Arguments, Stop> {
    let caller = at.tree("agent:caller")?.and_then(|caller| caller.str("Controller")).unwrap_or_default();
    let mine = at.row.is_some_and(|row| row.path.trim_end_matches('.') == caller.trim_end_matches('.'));
    if !mine {
        return Err(Refusal::Denied("a controller adds to its own row only".into()).into());
    }
    let bound = at.bound()?;
    let mut own: Vec<Tree> = texts(bound.tree.get(CERTIFICATE)).into_iter().map(Tree::from).collect();
    if own.len() >= MAX_OF_CONTROLLER {
        return Err(Refusal::Exhausted("certificates of the controller".into()).into());
    }
    own.push(Tree::from(add(at, inputs, draft)?));
    draft.set(OWN, bound.name, CERTIFICATE, Some(Tree::List(own)))?;
    Ok(Arguments::new())
}

/// Adds a section; its name.
//= TR-181 LocalAgent.AddCertificate(): one with the issuer and serial number of another is refused.
fn add(at: &At<'_, '_>, inputs: &Arguments, draft: &mut Draft) -> Result<String, Stop> {
    let wrong = || Refusal::InvalidArguments("Certificate is not one certificate in PEM".into());
    let pem = inputs.get("Certificate").ok_or_else(wrong)?;
    let der = x509::from_pem(pem).ok_or_else(wrong)?;
    let named = names(&der).ok_or_else(wrong)?;
    if der.len() > x509::MAX_KEPT {
        return Err(
            Refusal::InvalidArguments(format!("Certificate: at most {} octets", x509::MAX_KEPT)).into()
        );
    }
    let sections = at.view.sections(OWN, CERTIFICATE)?;
    if sections.len() >= MAX_CERTIFICATES {
        return Err(Refusal::Exhausted("certificates".into()).into());
    }
    let mut wait = false;
    for (name, section) in &sections {
        match identity(at.view, section) {
            Ok(Some(other)) if other == named => return Err(Refusal::Duplicate((*name).into()).into()),
            Ok(_) | Err(Stop::Refused(_)) => {}
            Err(Stop::Wait) => wait = true,
        }
    }
    if wait {
        return Err(Stop::Wait);
    }
    // Rows that are there take their numbers first.
    let rows = at.view.all_rows(TABLE)?;
    let number = at.view.instances.borrow().next(TABLE);
    let mut section = format!("{CERTIFICATE}{number}");
    while draft.tree(OWN)?.is_some_and(|package| package.get(&section).is_some()) {
        section.push('x');
    }
    if let Some(alias) = inputs.get("Alias").filter(|alias| !alias.is_empty()) {
        for row in &rows {
            if at.view.alias(row)? == **alias {
                return Err(Refusal::Duplicate(row.path.to_string()).into());
            }
        }
        draft.alias(TABLE, &section, alias);
    }
    draft.add(OWN, &section, CERTIFICATE)?;
    draft.set_text(OWN, &section, "enable", "1")?;
    draft.set_text(OWN, &section, "der", &digest::base64(&der))?;
    Ok(section)
}

/// `Certificate.{i}.Delete()`: removes the row and what names it.
//= TR-369 R-ARC.12: what referred to a row that goes refers to nothing.
pub fn delete_certificate(at: &At<'_, '_>, _: &Arguments, draft: &mut Draft) -> Result<Arguments, Stop> {
    let bound = at.bound()?;
    for kind in ["controller", "credential"] {
        for (name, section) in at.view.sections(OWN, kind)? {
            let (named, others): (Vec<&str>, Vec<&str>) =
                texts(section.get(CERTIFICATE)).into_iter().partition(|one| *one == bound.name);
            if named.is_empty() {
                continue;
            }
            let others: Vec<Tree> = others.into_iter().map(Tree::from).collect();
            draft.set(OWN, name, CERTIFICATE, (!others.is_empty()).then_some(Tree::List(others)))?;
        }
    }
    draft.remove(OWN, bound.name)?;
    draft.forget(TABLE, bound.name);
    Ok(Arguments::new())
}

/// `Certificate.{i}.GetFingerprint()`.
pub fn get_fingerprint(at: &At<'_, '_>, inputs: &Arguments, _: &mut Draft) -> Result<Arguments, Stop> {
    let algorithm = inputs.get("FingerprintAlgorithm").map_or("", String::as_str);
    let der = der(at.view, at.bound()?.tree)?;
    let der = der.ok_or_else(|| Refusal::Backend("the certificate cannot be read".into()))?;
    let Some(fingerprint) = digest::fingerprint(algorithm, &der) else {
        return Err(Refusal::InvalidArguments("FingerprintAlgorithm is not a supported one".into()).into());
    };
    Ok(Arguments::from([("Fingerprint".to_string(), digest::hex(&fingerprint).to_ascii_uppercase())]))
}

/// The words of an option that is a list, or a text of one word.
fn texts(option: Option<&Tree>) -> Vec<&str> {
    match option {
        Some(Tree::List(items)) => items.iter().filter_map(Tree::as_str).collect(),
        Some(other) => other.as_str().into_iter().collect(),
        None => Vec::new(),
    }
}
