//! MQTT for USP: client ids, topics, what to subscribe to, and where answers go.
//!
//! Pure. [`packet`] is the wire format of both versions, [`session`] one connection as a state machine, [`aliases`] the topics a broker
//! abbreviates, [`counts`] what is counted; `io::mtp::mqtt` owns the socket and the deadlines.

pub mod aliases;
pub mod counts;
pub mod packet;
pub mod session;

use super::{Mqtt, MqttSubscription};
use crate::mqtt::{Terms, Version};

/// The content type that Records are published with.
//= TR-369 R-MQTT.27: it is usp.msg.
pub const CONTENT_TYPE: &str = "usp.msg";
/// The content type that is taken as well.
//= TR-369 R-MQTT.27a: both are taken.
pub const CONTENT_TYPE_LONG: &str = "application/vnd.bbf.usp.msg";
/// Longest topic, in octets.
pub const MAX_TOPIC: usize = 65_535;
/// Most filters subscribed to on one connection.
pub const MAX_FILTERS: usize = 64;

/// What stands between a topic and the reply-to topic in 3.1.1.
const REPLY_TO: &str = "/reply-to=";

/// The client id to connect with.
//= TR-369 R-MQTT.8: the stored one; else 5.0 leaves the choice to the broker, and 3.1.1 uses the endpoint id.
//= TR-369 R-MQTT.11: what worked once is used again.
pub fn client_id(wanted: &Mqtt) -> &str {
    match (&wanted.client_id, wanted.version) {
        (Some(id), _) if !id.is_empty() => id,
        (_, Version::V5) => "",
        (_, Version::V311) => wanted.own.as_str(),
    }
}

/// What to subscribe to after CONNACK, and the topic at which we are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// The filters, each once.
    pub filters: Vec<MqttSubscription>,
    /// The reply-to topic.
    pub reply_to: Box<str>,
}

/// Chooses [`Topics`] from the settings and what the broker told; `None` where there is nothing to subscribe to, or no
/// topic to be answered at, and the link must stay down until its settings change.
//= TR-369 R-MQTT.15: configured filters, those of the broker, and the reply-to topic unless they cover it.
//= TR-369 R-MQTT.16: without any topic there is no link.
//= TR-369 R-MQTT.21: Response Information beats the configured topic.
pub fn topics(
    wanted: &Mqtt,
    subscribe_topics: &[String],
    response_information: Option<&str>,
) -> Option<Topics> {
    let qos = wanted.publish_qos.min(1);
    let discovered =
        subscribe_topics.iter().map(|topic| MqttSubscription { topic: topic.as_str().into(), qos });
    let mut filters: Vec<MqttSubscription> = Vec::new();
    for one in wanted.subscriptions.iter().cloned().chain(discovered) {
        if is_filter(&one.topic)
            && filters.len() < MAX_FILTERS
            && filters.iter().all(|f| f.topic != one.topic)
        {
            filters.push(MqttSubscription { qos: one.qos.min(1), ..one });
        }
    }
    let told = response_information.filter(|_| wanted.version == Version::V5);
    let configured = wanted.response_topic.as_deref();
    let reply = [told, configured].into_iter().flatten().map(bare).find(|topic| is_topic(topic));
    let reply_to: Box<str> = match reply {
        Some(topic) => topic.into(),
        // No topic is told: one that we subscribe to without wildcards serves as well.
        None => bare(&filters.iter().find(|filter| is_topic(bare(&filter.topic)))?.topic).into(),
    };
    // What is published to us in 3.1.1 has the peer's own topic behind ours.
    let (probe, filter) = match wanted.version {
        Version::V5 => (reply_to.to_string(), reply_to.to_string()),
        Version::V311 => (format!("{reply_to}{REPLY_TO}x"), format!("{reply_to}/#")),
    };
    if !filters.iter().any(|one| covers(&one.topic, &probe)) {
        filters.push(MqttSubscription { topic: filter.into(), qos });
    }
    Some(Topics { filters, reply_to })
}

/// A topic without the wildcard for what is below it.
fn bare(filter: &str) -> &str {
    filter.strip_suffix("/#").unwrap_or(filter)
}

/// Whether messages can be published at `topic`. Source: MQTT 5.0 4.7.
pub fn is_topic(topic: &str) -> bool {
    (1..=MAX_TOPIC).contains(&topic.len()) && !topic.contains(['+', '#', '\0'])
}

/// Whether `filter` can be subscribed to. Source: MQTT 5.0 4.7.
pub fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').peekable();
    let mut fits = (1..=MAX_TOPIC).contains(&filter.len()) && !filter.contains('\0');
    while let Some(level) = levels.next() {
        fits &= match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            other => !other.contains(['+', '#']),
        };
    }
    fits
}

/// Whether a message at `topic` comes to a subscriber of `filter`. Source: MQTT 5.0 4.7, 4.8.2.
pub fn covers(filter: &str, topic: &str) -> bool {
    let filter = match filter.strip_prefix("$share/").and_then(|shared| shared.split_once('/')) {
        Some((_, filter)) => filter,
        None => filter,
    };
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut wanted, mut levels) = (filter.split('/'), topic.split('/'));
    loop {
        match (wanted.next(), levels.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(one), Some(level)) if one == level => {}
            (Some(_) | None, _) => return false,
        }
    }
}

/// The topic that a Record is published at, with the reply-to topic in it in 3.1.1; `None` for what is no topic.
//= TR-369 R-MQTT.22: a reply-to topic goes with every Record; in 5.0 it is a property.
//= TR-369 R-MQTT.24: in 3.1.1 it stands behind the topic, with its slashes escaped.
pub fn publish_topic(version: Version, topic: &str, reply_to: &str) -> Option<String> {
    let topic = match version {
        Version::V5 => topic.to_owned(),
        Version::V311 => format!("{topic}{REPLY_TO}{}", reply_to.replace('/', "%2F")),
    };
    is_topic(&topic).then_some(topic)
}

/// The reply-to topic in the topic of a message of 3.1.1.
//= TR-369 R-MQTT.25: what follows the last /reply-to=, with its slashes back.
pub fn reply_topic(topic: &str) -> Option<Box<str>> {
    let (_, reply) = topic.rsplit_once(REPLY_TO)?;
    let reply = reply.replace("%2F", "/").replace("%2f", "/");
    is_topic(&reply).then(|| reply.into())
}

/// Whether a message with this content type can hold a Record.
//= TR-369 R-MQTT.28: what says that it is an error of the deprecated kind is ignored.
pub fn is_record(content_type: Option<&str>) -> bool {
    content_type.is_none_or(|kind| kind.is_empty() || kind == CONTENT_TYPE || kind == CONTENT_TYPE_LONG)
}

#[doc(hidden)]
/// Feeds arbitrary octets to every rule and parser of MQTT; returns at all times.
pub fn exercise(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    let _ = (is_filter(first), covers(first, second), reply_topic(first));
    let _ = publish_topic(Version::V311, first, second);
    packet::exercise(octets);
    converse(octets);
}

/// Feeds what arbitrary octets mean as packets to a connection; returns at all times.
fn converse(octets: &[u8]) {
    let Some(own) = crate::usp::endpoint::EndpointId::parse("self::x") else { return };
    for version in [Version::V5, Version::V311] {
        let wanted = Mqtt {
            name: "x".into(),
            client: "x".into(),
            host: "x".into(),
            port: 1,
            version,
            tls: None,
            own: own.clone(),
            username: None,
            password: None,
            keep_alive: std::time::Duration::ZERO,
            clean: false,
            terms: Terms { topic_aliases: 4, ..Terms::default() },
            will: None,
            retry: super::Retry::default(),
            network: crate::way::Network::default(),
            client_id: Some("x".into()),
            subscriptions: vec![MqttSubscription { topic: "a/+".into(), qos: 1 }],
            response_topic: Some("me".into()),
            publish_qos: 1,
            publish_expiry: 0,
            user: Vec::new(),
        };
        let mut session = session::Session::new(wanted.clone(), Default::default());
        let mut octets = octets.to_vec();
        while let Ok(Some(packet)) = session.take(&mut octets) {
            if session.receive(packet).is_err() {
                break;
            }
            let _ = session.send(Some("to"), true, b"record".to_vec());
            let _ = session.retune(Mqtt { subscriptions: Vec::new(), ..wanted.clone() });
            while session.poll().is_some() {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use crate::usp::endpoint::EndpointId;
    use crate::usp::mtp::Retry;
    use crate::way::Network;
    use std::time::Duration;

    /// A link for tests, with nothing configured.
    pub fn wanted(version: Version) -> Mqtt {
        Mqtt {
            name: "broker".into(),
            client: "net".into(),
            host: "127.0.0.1".into(),
            port: 1883,
            version,
            tls: None,
            own: EndpointId::parse("os::012345-agent").unwrap(),
            username: None,
            password: None,
            keep_alive: Duration::from_secs(60),
            clean: true,
            terms: Terms::default(),
            will: None,
            retry: Retry::default(),
            network: Network::default(),
            client_id: None,
            subscriptions: Vec::new(),
            response_topic: None,
            publish_qos: 1,
            publish_expiry: 0,
            user: Vec::new(),
        }
    }

    /// A subscription with QoS 1.
    pub fn subscription(topic: &str) -> MqttSubscription {
        MqttSubscription { topic: topic.into(), qos: 1 }
    }

    //= TR-369 R-MQTT.8
    //= TR-369 R-MQTT.11
    #[test]
    fn the_client_id_is_the_stored_one_or_what_the_version_says() {
        for (version, stored, want) in [
            (Version::V5, None, ""),
            (Version::V311, None, "os::012345-agent"),
            (Version::V5, Some("stored"), "stored"),
            (Version::V311, Some("stored"), "stored"),
            (Version::V311, Some(""), "os::012345-agent"),
        ] {
            let wanted = Mqtt { client_id: stored.map(Into::into), ..wanted(version) };
            assert_eq!(client_id(&wanted), want);
        }
    }

    //= TR-369 R-MQTT.15
    //= TR-369 R-MQTT.16
    //= TR-369 R-MQTT.21
    #[test]
    fn what_is_subscribed_to_follows_from_settings_and_broker() {
        use Version::{V5, V311};
        type Case = (
            Version,
            &'static [&'static str],
            &'static [&'static str],
            Option<&'static str>,
            Option<&'static str>,
            Option<(&'static [&'static str], &'static str)>,
        );
        let cases: [Case; 16] = [
            (V5, &[], &[], Some("r/me"), None, Some((&["r/me"], "r/me"))),
            (V5, &[], &[], Some("r/me"), Some("conf"), Some((&["r/me"], "r/me"))),
            (V5, &[], &[], None, Some("conf"), Some((&["conf"], "conf"))),
            (V5, &["r/+"], &[], Some("r/me"), None, Some((&["r/+"], "r/me"))),
            (V5, &["a", "a"], &["b/#", "a"], Some("c"), None, Some((&["a", "b/#", "c"], "c"))),
            (V5, &[], &["b/#"], Some("b/x/y"), None, Some((&["b/#"], "b/x/y"))),
            (V5, &["a/+"], &["b"], None, None, Some((&["a/+", "b"], "b"))),
            (V5, &[], &["me/#"], None, None, Some((&["me/#"], "me"))),
            (V5, &["a/+"], &[], None, None, None),
            (V5, &[], &[], None, None, None),
            (V5, &["a/#/b", "", "x+"], &[], None, None, None),
            (V311, &[], &[], Some("ignored"), Some("me"), Some((&["me/#"], "me"))),
            (V311, &[], &[], None, Some("me/#"), Some((&["me/#"], "me"))),
            (V311, &["me"], &[], None, Some("me"), Some((&["me", "me/#"], "me"))),
            (V311, &["me/+"], &[], None, Some("me"), Some((&["me/+"], "me"))),
            (V311, &[], &[], None, None, None),
        ];
        for (version, configured, discovered, information, response, want) in cases {
            let wanted = Mqtt {
                subscriptions: configured.iter().map(|topic| subscription(topic)).collect(),
                response_topic: response.map(Into::into),
                ..wanted(version)
            };
            let discovered: Vec<String> = discovered.iter().map(|topic| (*topic).to_owned()).collect();
            let found = topics(&wanted, &discovered, information);
            let found = found.as_ref().map(|found| {
                let filters: Vec<&str> = found.filters.iter().map(|filter| &*filter.topic).collect();
                (filters, &*found.reply_to)
            });
            let want = want.map(|(filters, reply)| (filters.to_vec(), reply));
            assert_eq!(found, want, "{version:?} {configured:?} {information:?} {response:?}");
        }
    }

    /// The examples of MQTT 5.0 4.7.1.
    #[test]
    fn filters_cover_topics_as_the_standard_says() {
        for (filter, topic, want) in [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("#", "sport", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("$share/group/a/+", "a/b", true),
            ("$share/group/a/+", "b/b", false),
        ] {
            assert_eq!(covers(filter, topic), want, "{filter} {topic}");
        }
        for (filter, want) in [
            ("#", true),
            ("a/#", true),
            ("a/+/b", true),
            ("a#", false),
            ("#/a", false),
            ("a+", false),
            ("", false),
        ] {
            assert_eq!(is_filter(filter), want, "{filter}");
        }
    }

    //= TR-369 R-MQTT.22
    //= TR-369 R-MQTT.24
    //= TR-369 R-MQTT.25
    #[test]
    fn the_reply_to_topic_goes_there_and_back_in_the_older_version() {
        let topic = publish_topic(Version::V311, "controller/x", "agents/a/b").unwrap();
        assert_eq!(topic, "controller/x/reply-to=agents%2Fa%2Fb");
        assert_eq!(reply_topic(&topic).as_deref(), Some("agents/a/b"));
        assert_eq!(publish_topic(Version::V5, "controller/x", "me").as_deref(), Some("controller/x"));
        for (topic, want) in [
            ("a/reply-to=b/reply-to=c%2Fd", Some("c/d")),
            ("a/reply-to=c%2fd", Some("c/d")),
            ("a/b", None),
            ("a/reply-to=", None),
            ("a/reply-to=b%2F#", None),
        ] {
            assert_eq!(reply_topic(topic).as_deref(), want, "{topic}");
        }
        for bad in ["", "a/#", "a/+"] {
            assert_eq!(publish_topic(Version::V5, bad, "me"), None);
        }
    }

    //= TR-369 R-MQTT.27
    //= TR-369 R-MQTT.27a
    //= TR-369 R-MQTT.28
    #[test]
    fn only_the_content_types_of_records_are_taken() {
        for (kind, want) in [
            (None, true),
            (Some("usp.msg"), true),
            (Some("application/vnd.bbf.usp.msg"), true),
            (Some(""), true),
            (Some("usp.error"), false),
            (Some("application/vnd.bbf.usp.error"), false),
            (Some("text/plain"), false),
        ] {
            assert_eq!(is_record(kind), want, "{kind:?}");
        }
    }
}
