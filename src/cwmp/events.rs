//! The standard's table of events: what each is called, what delivers it, how long it is kept.
//!
//! Those that wait are with [`super::ledger`].

pub use super::ledger::{Full, Ledger, Record};

/// An event of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the standard's and told in full by `Code::text`")]
pub enum Code {
    Bootstrap,
    Boot,
    Periodic,
    Scheduled,
    ValueChange,
    Kicked,
    ConnectionRequest,
    TransferComplete,
    DiagnosticsComplete,
    RequestDownload,
    AutonomousTransferComplete,
    DuStateChangeComplete,
    AutonomousDuStateChangeComplete,
    Wakeup,
    Heartbeat,
    MReboot,
    MScheduleInform,
    MDownload,
    MScheduleDownload,
    MUpload,
    MChangeDuState,
}

/// Which answer of the ACS makes an event delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// InformResponse.
    Inform,
    /// KickedResponse.
    Kicked,
    /// TransferCompleteResponse.
    Transfer,
    /// RequestDownloadResponse.
    RequestDownload,
    /// AutonomousTransferCompleteResponse.
    AutonomousTransfer,
    /// DUStateChangeCompleteResponse.
    DuStateChange,
    /// AutonomousDUStateChangeCompleteResponse.
    AutonomousDuStateChange,
}

/// How long an event is kept that could not be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Until it is delivered.
    Always,
    /// Until the next start.
    UntilBoot,
    /// Until its session fails.
    Once,
}

//= TR-069 3.7.1.5: the table of events: text, what delivers each, how long each is kept.
pub(super) const TABLE: [(Code, &str, Delivery, Keep); 21] = [
    (Code::Bootstrap, "0 BOOTSTRAP", Delivery::Inform, Keep::Always),
    (Code::Boot, "1 BOOT", Delivery::Inform, Keep::UntilBoot),
    (Code::Periodic, "2 PERIODIC", Delivery::Inform, Keep::Always),
    (Code::Scheduled, "3 SCHEDULED", Delivery::Inform, Keep::Always),
    (Code::ValueChange, "4 VALUE CHANGE", Delivery::Inform, Keep::UntilBoot),
    (Code::Kicked, "5 KICKED", Delivery::Kicked, Keep::UntilBoot),
    (Code::ConnectionRequest, "6 CONNECTION REQUEST", Delivery::Inform, Keep::Once),
    (Code::TransferComplete, "7 TRANSFER COMPLETE", Delivery::Transfer, Keep::Always),
    (Code::DiagnosticsComplete, "8 DIAGNOSTICS COMPLETE", Delivery::Inform, Keep::UntilBoot),
    (Code::RequestDownload, "9 REQUEST DOWNLOAD", Delivery::RequestDownload, Keep::UntilBoot),
    (
        Code::AutonomousTransferComplete,
        "10 AUTONOMOUS TRANSFER COMPLETE",
        Delivery::AutonomousTransfer,
        Keep::Always,
    ),
    (Code::DuStateChangeComplete, "11 DU STATE CHANGE COMPLETE", Delivery::DuStateChange, Keep::Always),
    (
        Code::AutonomousDuStateChangeComplete,
        "12 AUTONOMOUS DU STATE CHANGE COMPLETE",
        Delivery::AutonomousDuStateChange,
        Keep::Always,
    ),
    (Code::Wakeup, "13 WAKEUP", Delivery::Inform, Keep::UntilBoot),
    (Code::Heartbeat, "14 HEARTBEAT", Delivery::Inform, Keep::Once),
    (Code::MReboot, "M Reboot", Delivery::Inform, Keep::Always),
    (Code::MScheduleInform, "M ScheduleInform", Delivery::Inform, Keep::Always),
    (Code::MDownload, "M Download", Delivery::Transfer, Keep::Always),
    (Code::MScheduleDownload, "M ScheduleDownload", Delivery::Transfer, Keep::Always),
    (Code::MUpload, "M Upload", Delivery::Transfer, Keep::Always),
    (Code::MChangeDuState, "M ChangeDUState", Delivery::DuStateChange, Keep::Always),
];

impl Code {
    fn row(self) -> &'static (Code, &'static str, Delivery, Keep) {
        TABLE.iter().find(|row| row.0 == self).expect("every code has its row, as a test proves")
    }

    /// As it stands in an Inform.
    pub fn text(self) -> &'static str {
        self.row().1
    }

    /// What delivers it.
    pub fn delivery(self) -> Delivery {
        self.row().2
    }

    /// How long it is kept undelivered.
    pub fn keep(self) -> Keep {
        self.row().3
    }

    /// Whether each occurrence is told, with its own command key; all others are told once.
    pub fn is_multiple(self) -> bool {
        self.text().starts_with("M ")
    }

    /// The event by its text.
    pub fn parse(text: &str) -> Option<Code> {
        TABLE.iter().find(|row| row.1 == text).map(|row| row.0)
    }

    /// The single event that announces a multiple one and is raised with it.
    //= TR-069 3.7.1.5: 3 with M ScheduleInform, 7 with the transfers, 11 with M ChangeDUState. 1 BOOT comes by itself.
    pub(super) fn herald(self) -> Option<Code> {
        match self {
            Code::MScheduleInform => Some(Code::Scheduled),
            Code::MDownload | Code::MScheduleDownload | Code::MUpload => Some(Code::TransferComplete),
            Code::MChangeDuState => Some(Code::DuStateChangeComplete),
            Code::Bootstrap
            | Code::Boot
            | Code::Periodic
            | Code::Scheduled
            | Code::ValueChange
            | Code::Kicked
            | Code::ConnectionRequest
            | Code::TransferComplete
            | Code::DiagnosticsComplete
            | Code::RequestDownload
            | Code::AutonomousTransferComplete
            | Code::DuStateChangeComplete
            | Code::AutonomousDuStateChangeComplete
            | Code::Wakeup
            | Code::Heartbeat
            | Code::MReboot => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_row_whose_text_reads_back() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, place);
            assert_eq!(Code::parse(row.0.text()), Some(row.0));
            assert_eq!(row.0.herald().is_some(), row.0.is_multiple() && row.0 != Code::MReboot);
        }
    }
}
