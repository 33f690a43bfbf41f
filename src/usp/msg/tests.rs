//! Which messages are taken, and how what goes out is put together.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::usp::pb::body::MsgBody;

/// A message made by hand: a header, then `body` as the second field.
fn raw(msg_id: &str, kind: u64, body: Option<&[u8]>) -> Vec<u8> {
    let mut w = Writer::default();
    let header = w.open(1);
    w.text(1, msg_id);
    w.number(2, kind);
    w.close(header);
    let mut bytes = w.into_bytes();
    if let Some(body) = body {
        let mut field = body.to_vec();
        wire::wrap(&mut field, &Writer::default(), 2);
        bytes.extend(field);
    }
    bytes
}

fn get() -> ReqType {
    ReqType::Get(pb::Get { param_paths: vec!["Device.X".into()], max_depth: 1 })
}

//= TR-369 R-ENC.0, R-MSG.5: messages follow the schema of version 1.4.
//= TR-369 R-MSG.9: an answer carries the msg_id of what was asked.
//= TR-369 R-MSG.10: msg_type says what the body is.
#[test]
fn every_kind_of_message_comes_back_with_its_id_and_type() {
    for id in ["1", "ключ-☃", "a b\tc\n", "%s%n", &"x".repeat(255)] {
        for request in [
            get(),
            ReqType::GetSupportedDm(pb::GetSupportedDm::default()),
            ReqType::GetInstances(pb::GetInstances::default()),
            ReqType::Set(pb::Set::default()),
            ReqType::Add(pb::Add::default()),
            ReqType::Delete(pb::Delete::default()),
            ReqType::Operate(pb::Operate::default()),
            ReqType::Notify(pb::Notify::default()),
            ReqType::GetSupportedProtocol(pb::GetSupportedProtocol::default()),
            ReqType::Register(pb::Register::default()),
            ReqType::Deregister(pb::Deregister::default()),
        ] {
            let bytes = Answer::request(request.clone()).into_msg(id);
            assert_eq!(read(&bytes), Ok(Message { msg_id: id.into(), said: Said::Request(request) }));
            assert_eq!(peek(&bytes).as_deref(), Some(id));
            let header = pb::Msg::decode(&bytes).unwrap().header.unwrap();
            let kind = MsgType::try_from(header.msg_type).unwrap();
            assert!(is_request(kind), "{kind:?}");
        }
    }
    let response = RespType::NotifyResp(pb::NotifyResp { subscription_id: "s".into() });
    let bytes = Answer::response(response.clone()).into_msg("7");
    assert_eq!(read(&bytes), Ok(Message { msg_id: "7".into(), said: Said::Response(response) }));
    assert_eq!(peek(&bytes), None);
    assert_eq!(answered(&bytes).as_deref(), Some("7"));
    assert_eq!(hear(&bytes), Ok(("7".into(), Heard::NotifyResp)));
    let other = RespType::DeleteResp(pb::DeleteResp::default());
    assert_eq!(hear(&Answer::response(other).into_msg("8")), Ok(("8".into(), Heard::Other)));
    let failed = error("9", &Fault::new(INVALID_ARGUMENTS, "no"), &[]);
    assert_eq!((hear(&failed), answered(&failed)), (Ok(("9".into(), Heard::Other)), None));
}

#[test]
fn an_answer_written_in_one_buffer_is_the_same_message() {
    let mut w = Writer::default();
    let result = w.open(1);
    w.text(1, "Device.");
    w.close(result);
    let bytes = Answer::written(MsgType::GetResp, 1, w).into_msg("7");
    let results = vec![pb::get_resp::RequestedPathResult {
        requested_path: "Device.".into(),
        ..pb::get_resp::RequestedPathResult::default()
    }];
    let response = RespType::GetResp(pb::GetResp { req_path_results: results });
    assert_eq!(bytes, Answer::response(response).into_msg("7"));
}

//= TR-369 R-MSG.10: msg_type is informative only, the body decides.
#[test]
fn the_body_decides_what_a_message_is() {
    let request = pb::Request { req_type: Some(get()) };
    let body = pb::Body { msg_body: Some(MsgBody::Request(request)) }.encode_to_vec();
    for kind in [0, 1, 2, 10, 22] {
        let message = read(&raw("1", kind, Some(&body))).unwrap();
        assert_eq!(message.said, Said::Request(get()), "{kind}");
    }
}

//= TR-369 R-ENC.2: an unknown value of an enumeration is reported.
//= TR-369 R-ENC.3: a oneof is there exactly once, with a known member.
//= TR-369 R-ENC.5: a message without exactly one known member in a oneof is answered by 7004.
//= TR-369 R-MSG.6: there is exactly one header.
//= TR-369 R-MSG.7: there is exactly one body.
//= TR-369 R-MSG.8: msg_id is always there.
#[test]
fn a_message_that_is_wrong_is_refused_if_it_was_a_request_and_ignored_if_not() {
    let request = b"\x0a\x04\x0a\x02\x0a\x00"; // request: get: one empty path
    let whole = raw("1", 1, Some(request));
    let long = "x".repeat(MAX_MSG_ID + 1);
    for (name, bytes, refused) in [
        ("fine", whole.clone(), None),
        ("no header", whole[7..].to_vec(), Some(false)),
        ("two headers", [raw("1", 1, None), whole.clone()].concat(), Some(false)),
        ("two bodies", [whole.clone(), whole[7..].to_vec()].concat(), Some(false)),
        ("no msg_id", raw("", 1, Some(request)), Some(false)),
        ("a long msg_id", raw(&long, 1, Some(request)), Some(false)),
        ("no body", raw("1", 1, None), Some(true)),
        ("an empty body", raw("1", 1, Some(b"")), Some(true)),
        ("an unknown body", raw("1", 1, Some(b"\x22\x00")), Some(true)),
        ("an answer without a body", raw("1", 2, None), Some(false)),
        ("an error without a body", raw("1", 0, None), Some(false)),
        ("an unknown type without a body", raw("1", 99, None), Some(false)),
        ("an unknown type", raw("1", 99, Some(request)), Some(true)),
        ("a huge type", raw("1", u32::MAX.into(), Some(request)), Some(true)),
        ("an empty request", raw("1", 1, Some(b"\x0a\x00")), Some(true)),
        ("an unknown request", raw("1", 1, Some(b"\x0a\x02\x62\x00")), Some(true)),
        ("two requests", raw("1", 1, Some(b"\x0a\x06\x0a\x00\x22\x00\x0a\x00")), Some(true)),
        ("a request as a number", raw("1", 1, Some(b"\x0a\x02\x08\x01")), Some(true)),
        ("a path that is no UTF-8", raw("1", 1, Some(b"\x0a\x05\x0a\x03\x0a\x01\xff")), Some(true)),
        ("request and error", raw("1", 1, Some(b"\x0a\x02\x0a\x00\x1a\x00")), Some(true)),
        ("a response that is cut off", raw("1", 2, Some(b"\x12\x02\x0a\x05")), Some(false)),
        ("an unknown response", raw("1", 2, Some(b"\x12\x02\x62\x00")), Some(false)),
        ("noise", vec![0xff; 30], Some(false)),
        ("nothing", Vec::new(), Some(false)),
    ] {
        match (read(&bytes), refused) {
            (Ok(_), None) | (Err(Unserved::Ignored(_)), Some(false)) => {}
            (Err(Unserved::Refused { msg_id, fault }), Some(true)) => {
                assert_eq!((&*msg_id, fault.code), ("1", 7004), "{name}");
            }
            (other, _) => panic!("{name}: {other:?}"),
        }
        exercise(&bytes);
    }
}

#[test]
fn an_error_names_each_parameter_with_its_own_code() {
    let fault = Fault::new(7004, "");
    let bytes = error("9", &fault, &[("Device.X".into(), Fault::new(7013, ""))]);
    let Ok(Message { msg_id, said: Said::Error(error) }) = read(&bytes) else { panic!() };
    assert_eq!((&*msg_id, error.err_code, &*error.err_msg), ("9", 7004, "Invalid arguments"));
    let param = &error.param_errs[0];
    assert_eq!((&*param.param_path, param.err_code), ("Device.X", 7013));
    assert_eq!(pb::Msg::decode(&bytes).unwrap().header.unwrap().msg_type, MsgType::Error as i32);
}
