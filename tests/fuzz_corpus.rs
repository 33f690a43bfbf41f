//! Every file of the fuzzers' corpus still holds what its target demands; run without a fuzzer.

use std::path::Path;

/// Runs `target` over all files of one corpus; an empty corpus proves nothing and fails.
fn replay(corpus: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz_corpus").join(corpus);
    let mut count = 0;
    for entry in folder.read_dir().expect("the corpus is in the repository") {
        let path = entry.expect("a readable folder").path();
        target(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        count += 1;
    }
    assert!(count > 0, "{corpus} is empty");
}

#[test]
fn uci_text_of_the_corpus_keeps_its_meaning() {
    replay("uci", cpeagent::openwrt::uci::exercise);
}

#[test]
fn ubus_payloads_of_the_corpus_are_stable_once_written() {
    replay("blob", cpeagent::openwrt::ubus::blob::exercise);
}

#[test]
fn netlink_dumps_of_the_corpus_are_read_without_panic() {
    replay("netlink", cpeagent::openwrt::netlink::exercise);
}

#[cfg(feature = "cwmp")]
#[test]
fn envelopes_of_the_corpus_are_read_without_panic_and_come_back_unchanged() {
    replay("soap", cpeagent::cwmp::soap::exercise);
}

#[test]
fn mapping_files_and_paths_of_the_corpus_are_read_without_panic_and_wrong_ones_add_nothing() {
    replay("mapping", cpeagent::dm::dropin::exercise);
}

#[test]
fn header_fields_of_authentication_of_the_corpus_are_read_without_panic() {
    replay("auth", cpeagent::digest::exercise);
}

#[test]
fn http_messages_of_the_corpus_are_read_within_their_bounds() {
    replay("http", cpeagent::io::http::exercise);
}

#[cfg(feature = "cwmp")]
#[test]
fn datagrams_of_the_corpus_are_read_without_panic_and_never_end_the_binding() {
    replay("stun", |data| {
        cpeagent::wake::stun::exercise(data);
        cpeagent::wake::binding::exercise(data);
    });
}

#[test]
fn dhcp_options_of_the_corpus_are_read_without_panic_and_become_only_what_is_allowed() {
    replay("discovery", cpeagent::discovery::exercise);
}

#[cfg(feature = "usp")]
#[test]
fn records_of_the_corpus_are_read_without_panic_and_what_goes_back_is_a_record() {
    replay("usp_record", cpeagent::usp::record::exercise);
}

#[cfg(feature = "usp")]
#[test]
fn messages_of_the_corpus_are_read_without_panic_and_come_back_unchanged() {
    replay("usp_message", cpeagent::usp::msg::exercise);
}

#[cfg(feature = "websocket")]
#[test]
fn openings_of_the_corpus_are_judged_without_panic() {
    replay("websocket", cpeagent::usp::mtp::websocket::exercise);
}

#[cfg(feature = "mqtt")]
#[test]
fn packets_of_the_corpus_are_taken_without_panic() {
    replay("mqtt", cpeagent::usp::mtp::mqtt::exercise);
}

#[test]
fn certificates_of_the_corpus_are_read_without_panic() {
    replay("certificate", cpeagent::x509::exercise);
}
