//! ScheduleInform: a session after some time.

use super::{Arguments, body};
use crate::cwmp::fault::Fault;
use crate::cwmp::soap::writer::Xml;
use std::time::Duration;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleInform {
    /// The time to wait, at least a second.
    pub delay: Duration,
    /// Comes back with the event `M ScheduleInform`.
    pub command_key: String,
}

impl ScheduleInform {
    //= TR-069 A.4.1.2: a delay of zero is an invalid argument.
    pub(super) fn read(args: Arguments<'_, '_>) -> Result<ScheduleInform, Fault> {
        let seconds = args.unsigned("DelaySeconds")?;
        if seconds == 0 {
            return Err(Fault::arguments("DelaySeconds is 0"));
        }
        Ok(ScheduleInform {
            delay: Duration::from_secs(u64::from(seconds)),
            command_key: args.key("CommandKey")?,
        })
    }
}

/// Writes the response.
pub fn write(xml: &mut Xml) {
    body(xml, "ScheduleInformResponse", |_| {});
}
