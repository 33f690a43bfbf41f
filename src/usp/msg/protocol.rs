//! GetSupportedProtocol: the versions of the protocol that are spoken here.

use super::Answer;
use crate::usp::pb::{self, response::RespType};

/// The versions of the protocol, as they stand in messages and in the model.
pub const VERSIONS: &str = "1.0,1.1,1.2,1.3,1.4";

/// Answers a GetSupportedProtocol: with all of ours, whatever was asked.
pub fn get_supported_protocol(_: &pb::GetSupportedProtocol) -> Answer {
    let agent_supported_protocol_versions = VERSIONS.to_string();
    Answer::response(RespType::GetSupportedProtocolResp(pb::GetSupportedProtocolResp {
        agent_supported_protocol_versions,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usp::msg::{self, Said};
    use crate::usp::record;

    #[test]
    fn all_versions_are_told_and_the_newest_is_that_of_our_records() {
        for asked in ["", "1.0", "7.0,1.4"] {
            let ask = pb::GetSupportedProtocol { controller_supported_protocol_versions: asked.into() };
            let message = msg::read(&get_supported_protocol(&ask).into_msg("1"));
            let Ok(Said::Response(RespType::GetSupportedProtocolResp(got))) = message.map(|m| m.said) else {
                panic!("{asked}");
            };
            assert_eq!(got.agent_supported_protocol_versions, VERSIONS);
        }
        assert_eq!(VERSIONS.rsplit(',').next(), Some(record::VERSION));
    }
}
