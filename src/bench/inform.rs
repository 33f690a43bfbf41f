//! What a CPE says about itself: the Inform message as read by the workbench.

use super::rpc::{REMARKS_MAX, Value};
use super::xml::Element;

/// The most events and parameters that are kept of one Inform.
pub const ENTRIES_MAX: usize = 4096;

/// One entry of the event list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Such as `0 BOOTSTRAP`.
    pub code: String,
    /// Empty except for methods.
    pub key: String,
}

/// An Inform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inform {
    /// As in DeviceId.
    pub manufacturer: String,
    /// Six hexadecimal digits.
    pub oui: String,
    /// May be empty.
    pub product_class: String,
    /// Unique within OUI and product class.
    pub serial: String,
    /// Why this session.
    pub events: Vec<Happened>,
    /// The device's clock, as text.
    pub current_time: String,
    /// Failed attempts before this one.
    pub retry_count: u32,
    /// The parameter list.
    pub parameters: Vec<Value>,
}

impl Inform {
    /// `OUI-ProductClass-SerialNumber`, or `OUI-SerialNumber` without a product class.
    //= TR-069 3.4.4: how a CPE is named towards an ACS.
    pub fn id(&self) -> String {
        match self.product_class.as_str() {
            "" => format!("{}-{}", self.oui, self.serial),
            class => format!("{}-{class}-{}", self.oui, self.serial),
        }
    }

    /// Whether an event of that code is listed.
    pub fn has(&self, code: &str) -> bool {
        self.events.iter().any(|e| e.code == code)
    }

    /// The value of a parameter in the list.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }

    /// Reads the body element of an Inform; what is odd about it goes to `remarks`.
    pub fn read(body: &Element, remarks: &mut Vec<String>) -> Result<Inform, String> {
        let id = body.child("DeviceId").ok_or("Inform without DeviceId")?;
        let events: Vec<_> = body
            .child("Event")
            .ok_or("Inform without Event")?
            .children
            .iter()
            .take(ENTRIES_MAX)
            .map(|e| Happened { code: e.text_of("EventCode").into(), key: e.text_of("CommandKey").into() })
            .collect();
        let list = body.child("ParameterList").ok_or("Inform without ParameterList")?;
        let inform = Inform {
            manufacturer: id.text_of("Manufacturer").into(),
            oui: id.text_of("OUI").into(),
            product_class: id.text_of("ProductClass").into(),
            serial: id.text_of("SerialNumber").into(),
            events,
            current_time: body.text_of("CurrentTime").into(),
            retry_count: body.text_of("RetryCount").trim().parse().unwrap_or_else(|_| {
                remarks.push("RetryCount is not a number".into());
                0
            }),
            parameters: list.children.iter().take(ENTRIES_MAX).map(Value::read).collect(),
        };
        if inform.serial.is_empty() || inform.oui.is_empty() {
            return Err("Inform without OUI or SerialNumber".into());
        }
        inform.remark(body, remarks);
        Ok(inform)
    }

    //= TR-069 A.3.3.1: six digits of OUI in upper case, 1 to 64 events, MaxEnvelopes 1, no parameter twice.
    fn remark(&self, body: &Element, remarks: &mut Vec<String>) {
        let hex = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
        if self.oui.len() != 6 || !self.oui.chars().all(hex) {
            remarks.push(format!("OUI {:?} is not six upper-case hexadecimal digits", self.oui));
        }
        if self.events.is_empty() || self.events.len() > 64 {
            remarks.push(format!("{} events, 1 to 64 are allowed", self.events.len()));
        }
        if body.text_of("MaxEnvelopes").trim() != "1" {
            remarks.push("MaxEnvelopes is not 1".into());
        }
        if crate::time::Wall::parse(&self.current_time).is_none() {
            remarks.push(format!("CurrentTime {:?} is not a dateTime", self.current_time));
        }
        remarks.extend(self.parameters.iter().filter_map(Value::breach).take(REMARKS_MAX));
        let mut names: Vec<_> = self.parameters.iter().map(|p| p.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            remarks.push(format!("{} is listed twice", twice.first().copied().unwrap_or_default()));
        }
    }
}
