//! ubus, OpenWrt's message bus: its payload format, its frames, and a client as a state without a socket.

pub mod blob;
pub mod client;
pub mod event;
#[cfg(test)]
pub(crate) mod fake;
pub mod frame;
pub mod publish;
#[cfg(test)]
mod tests;
pub mod watch;

use blob::Value;

/// A call as mapping files and source keys write it: `OBJECT METHOD NAME=VALUE…`, as object, method and arguments.
///
/// A word without `=` goes on with the value before it, so that a value may hold blanks. `None` without a method and for a
/// first argument without a name. Argument texts take the types the object declares when the call is sent.
pub fn call_of(text: &str) -> Option<(&str, &str, Value)> {
    let mut words = text.split(' ');
    let (object, method) = (words.next()?, words.next()?);
    let mut args: Vec<(Box<str>, String)> = Vec::new();
    for word in words {
        match (word.split_once('='), args.last_mut()) {
            (Some((name, value)), _) => args.push((name.into(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push(' ');
                value.push_str(word);
            }
            (None, None) => return None,
        }
    }
    let named = !object.is_empty() && !method.is_empty();
    named.then(|| {
        (object, method, Value::table(args.into_iter().map(|(name, value)| (name, Value::text(value)))))
    })
}
