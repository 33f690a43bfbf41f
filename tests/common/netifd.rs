//! A small ubusd for programs that run as on a router, with netifd played by the test.

use cpeagent::openwrt::ubus::blob::{self, Entries};
use cpeagent::openwrt::ubus::frame::{Attr, Decoder, Frame, Kind, Status};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// The number of its one object.
const NETIFD: u32 = 1_025;

/// Listens at `path` as a ubusd to which netifd alone is connected, with the one interface that these members say.
pub fn listen(path: &Path, interface: &[(&'static str, &'static str)]) {
    let interface =
        blob::Value::table(interface.iter().map(|(name, value)| (*name, blob::Value::text(*value))));
    let dump: Entries = vec![("interface".into(), blob::Value::Array(vec![interface]))];
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(bus(stream, dump.clone()));
        }
    });
}

async fn bus(mut stream: UnixStream, dump: Entries) -> Option<()> {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    Frame::new(Kind::Hello, 0, 1).write(&mut out).unwrap();
    loop {
        stream.write_all(&std::mem::take(&mut out)).await.ok()?;
        let mut chunk = [0; 4_096];
        let length = stream.read(&mut chunk).await.ok().filter(|length| *length > 0)?;
        decoder.push(&chunk[..length]);
        while let Some(received) = decoder.next_frame().unwrap() {
            let asked = received.frame.unwrap();
            let answer = match asked.kind {
                Kind::Lookup if asked.path().as_deref() == Some("network.interface") => {
                    let found = Frame::new(Kind::Data, asked.seq, 0);
                    let found =
                        found.with(Attr::ObjPath("network.interface".into())).with(Attr::ObjId(NETIFD));
                    Some(found.with(Attr::ObjType(1)).with(Attr::Signature(Vec::new())))
                }
                Kind::Invoke if asked.object() == Some(NETIFD) => {
                    let data = Frame::new(Kind::Data, asked.seq, NETIFD).with(Attr::ObjId(NETIFD));
                    Some(data.with(Attr::Data(dump.clone())))
                }
                _ => None,
            };
            let status = if answer.is_some() { Status::Ok } else { Status::NotFound };
            answer.into_iter().for_each(|answer| answer.write(&mut out).unwrap());
            let end = Frame::new(Kind::Status, asked.seq, asked.object().unwrap_or(asked.peer));
            end.with(Attr::Status(status)).write(&mut out).unwrap();
        }
    }
}
