//! Topic aliases of 5.0, as a broker uses them on one connection.

/// The topics of the aliases from 1 on; empty where the broker told none yet.
#[derive(Debug)]
pub struct Aliases(Vec<String>);

/// Why a message has no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The alias is none that was agreed to.
    Alias,
    /// There is neither a topic nor an alias that stands for one.
    Topic,
}

impl Aliases {
    /// For aliases up to the Topic Alias Maximum.
    pub fn up_to(maximum: u16) -> Aliases {
        Aliases(vec![String::new(); maximum.into()])
    }

    /// The topic of a message, by its alias where it has one.
    //= MQTT 5.0 3.3.2.3.4: an alias is 1 to the Topic Alias Maximum, stands for the topic last sent with it, and ends with the connection.
    //= MQTT 5.0 3.3.2.1: without an alias there is a topic.
    pub fn resolve(&mut self, topic: String, alias: Option<u16>) -> Result<String, Unknown> {
        let topic = match alias {
            None => topic,
            Some(alias) => {
                let place = usize::from(alias).checked_sub(1).ok_or(Unknown::Alias)?;
                let known = self.0.get_mut(place).ok_or(Unknown::Alias)?;
                if !topic.is_empty() {
                    *known = topic;
                }
                known.clone()
            }
        };
        if topic.is_empty() { Err(Unknown::Topic) } else { Ok(topic) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    //= MQTT 5.0 3.3.2.3.4
    //= MQTT 5.0 3.3.2.1
    #[test]
    fn an_alias_stands_for_the_topic_last_sent_with_it() {
        let mut aliases = Aliases::up_to(3);
        for (topic, alias, want) in [
            ("a", Some(1), Ok("a")),
            ("b", Some(3), Ok("b")),
            ("", Some(1), Ok("a")),
            ("c", Some(1), Ok("c")),
            ("", Some(1), Ok("c")),
            ("", Some(3), Ok("b")),
            ("d", None, Ok("d")),
            ("", Some(2), Err(Unknown::Topic)),
            ("", None, Err(Unknown::Topic)),
            ("a", Some(0), Err(Unknown::Alias)),
            ("a", Some(4), Err(Unknown::Alias)),
            ("", Some(65_535), Err(Unknown::Alias)),
        ] {
            let found = aliases.resolve(topic.into(), alias);
            assert_eq!(found, want.map(str::to_owned), "{topic} {alias:?}");
        }
        assert_eq!(Aliases::up_to(0).resolve("a".into(), Some(1)), Err(Unknown::Alias));
    }
}
