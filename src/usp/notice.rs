//! Notices on their way to one controller: sent in order, repeated until they are answered, given up in the end.
//!
//! Owns what waits and when it is tried again. Does not know links: whoever drives it asks for what is [`Queue::due`]
//! whenever the controller is reached. All of it is in memory, so a reboot begins with nothing.

use crate::retry::Curve;
use crate::rng::Rng;
use crate::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// Most notices that wait for one controller; the oldest goes when one more comes.
pub const MAX_NOTICES: usize = 512;
/// Most octets of the notices that wait for one controller; the oldest go when more come.
pub const MAX_OCTETS: usize = 1024 * 1024;

/// Why a notice is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A subscription, by its section.
    Subscription(Box<str>),
    /// The device wants to be taken up.
    OnBoard,
}

/// One notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What its answer repeats.
    pub msg_id: String,
    /// The message, the same for every try.
    pub message: Vec<u8>,
    /// Why it is told.
    pub cause: Cause,
    /// Whether it is repeated until it is answered; else it is sent once.
    pub retry: bool,
    /// How long it is good for from the moment it was queued; `None` without end.
    pub expiration: Option<Duration>,
    /// Whether it tells of the boot.
    pub boot: bool,
}

/// A notice that waits.
#[derive(Clone, Debug)]
struct Waiting {
    notice: Notice,
    /// When it is no use any more.
    expires: Option<Instant>,
    /// How often it was sent.
    tries: u32,
    /// When it is sent next.
    at: Instant,
}

/// What waits for one controller, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
    octets: usize,
}

impl Queue {
    /// Adds a notice behind the others. Returns how many old ones had to go for it.
    pub fn push(&mut self, notice: Notice, now: Instant) -> usize {
        self.octets += notice.message.len();
        let expires = notice.expiration.map(|wait| now + wait);
        self.waiting.push_back(Waiting { notice, expires, tries: 0, at: now });
        let mut gone = 0;
        while self.waiting.len() > MAX_NOTICES || (self.octets > MAX_OCTETS && self.waiting.len() > 1) {
            gone += usize::from(self.take(0).is_some());
        }
        gone
    }

    /// The controller answered a message: it is not sent again. Returns what it was about, if it was waited for.
    //= TR-369 R-NOT.9: an answer belongs to the notice of its msg_id, whatever subscription it names.
    //= TR-369 R-NOT.3: success ends the count of retries.
    pub fn answered(&mut self, msg_id: &str) -> Option<Notice> {
        let at = self.waiting.iter().position(|one| one.notice.msg_id == msg_id && one.tries > 0)?;
        self.take(at)
    }

    /// Forgets what a subscription or an onboarding that is over would have told.
    pub fn forget(&mut self, over: impl Fn(&Cause) -> bool) {
        self.waiting.retain(|one| !over(&one.notice.cause));
        self.count();
    }

    /// Whether one about this waits.
    pub fn holds(&self, wanted: impl Fn(&Notice) -> bool) -> bool {
        self.waiting.iter().any(|one| wanted(&one.notice))
    }

    /// Gives up what is too old. Returns how many that were.
    //= TR-369 R-NOT.2: retries go on until NotifExpiration has passed.
    pub fn expire(&mut self, now: Instant) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|one| one.expires.is_none_or(|at| at > now));
        self.count();
        before - self.waiting.len()
    }

    /// The messages that are to be sent now that the controller is reached, oldest first; each counts as a try.
    ///
    /// One that is not repeated is over with it.
    //= TR-369 R-NOT.1: without an answer a notice is sent again after a random wait from a range that grows.
    //= TR-369 R-NOT.2: the tenth and every later retry use the tenth range.
    pub fn due(&mut self, now: Instant, curve: Curve, rng: &mut Rng) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for one in &mut self.waiting {
            if one.at > now {
                continue;
            }
            one.tries = one.tries.saturating_add(1);
            one.at = now + curve.wait(one.tries, rng);
            match one.notice.retry {
                true => out.push(one.notice.message.clone()),
                false => out.push(std::mem::take(&mut one.notice.message)),
            }
        }
        self.waiting.retain(|one| one.notice.retry || one.tries == 0);
        self.count();
        out
    }

    /// When there is something to do: a try, where the controller is reached, or something to give up.
    pub fn next(&self, reached: bool) -> Option<Instant> {
        let tries = self.waiting.iter().filter(|_| reached).map(|one| one.at);
        tries.chain(self.waiting.iter().filter_map(|one| one.expires)).min()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn take(&mut self, at: usize) -> Option<Notice> {
        let gone = self.waiting.remove(at).map(|one| one.notice);
        self.count();
        gone
    }

    fn count(&mut self) {
        self.octets = self.waiting.iter().map(|one| one.notice.message.len()).sum();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CURVE: Curve = Curve { minimum_seconds: 5, multiplier: 2000 };

    fn notice(msg_id: &str, retry: bool, seconds: Option<u64>) -> Notice {
        Notice {
            msg_id: msg_id.into(),
            message: msg_id.as_bytes().to_vec(),
            cause: Cause::Subscription("s".into()),
            retry,
            expiration: seconds.map(Duration::from_secs),
            boot: false,
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant(Duration::from_secs(seconds))
    }

    //= TR-369 R-NOT.1: without an answer a notice is sent again after a random wait from a range that grows.
    //= TR-369 R-NOT.2: the tenth and every later retry use the tenth range.
    //= TR-369 R-NOT.4: a reboot resets the count, as a queue begins with nothing.
    #[test]
    fn the_waits_are_those_of_the_table_and_stay_at_the_tenth() {
        let (mut queue, mut rng) = (Queue::default(), Rng::new([7; 32]));
        let mut now = at(100);
        queue.push(notice("a", true, None), now);
        assert_eq!(queue.next(true), Some(now));
        assert_eq!(queue.next(false), None);
        assert_eq!(queue.due(now, CURVE, &mut rng), [b"a"]);
        for (low, high) in [(5, 10), (10, 20), (20, 40), (40, 80), (80, 160)].into_iter().chain([
            (160, 320),
            (320, 640),
            (640, 1280),
            (1280, 2560),
            (2560, 5120),
            (2560, 5120),
        ]) {
            let next = queue.next(true).unwrap();
            let wait = next.since(now);
            assert!(Duration::from_secs(low) <= wait && wait <= Duration::from_secs(high), "{low} {wait:?}");
            let before = Instant(next.0 - Duration::from_millis(1));
            assert!(queue.due(before, CURVE, &mut rng).is_empty());
            assert_eq!(queue.due(next, CURVE, &mut rng), [b"a"]);
            now = next;
        }
    }

    //= TR-369 R-NOT.9: an answer belongs to the notice of its msg_id, whatever subscription it names.
    //= TR-369 R-NOT.3: success ends the count of retries.
    #[test]
    fn an_answer_ends_one_notice_and_no_other() {
        let (mut queue, mut rng) = (Queue::default(), Rng::new([7; 32]));
        queue.push(notice("a", true, None), at(0));
        queue.push(notice("b", true, None), at(0));
        assert_eq!(queue.answered("a"), None, "not sent yet");
        assert_eq!(queue.due(at(0), CURVE, &mut rng), [b"a", b"b"]);
        assert_eq!(queue.answered("c"), None);
        assert_eq!(queue.answered("a").unwrap().msg_id, "a");
        assert_eq!(queue.answered("a"), None);
        assert_eq!(queue.due(at(60), CURVE, &mut rng), [b"b"]);
        // The next one counts from the start.
        queue.push(notice("c", true, None), at(60));
        assert_eq!(queue.due(at(60), CURVE, &mut rng), [b"c"]);
        assert!(queue.answered("b").is_some());
        assert!(queue.next(true).unwrap() <= at(70));
    }

    //= TR-369 12: NotifRetry false: one try.
    //= TR-369 R-NOT.2: retries go on until NotifExpiration has passed.
    #[test]
    fn one_without_retry_is_sent_once_and_one_too_old_no_more() {
        let (mut queue, mut rng) = (Queue::default(), Rng::new([7; 32]));
        queue.push(notice("once", false, None), at(0));
        queue.push(notice("short", true, Some(30)), at(0));
        assert_eq!(queue.due(at(5), CURVE, &mut rng), [b"once".to_vec(), b"short".to_vec()]);
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.expire(at(29)), 0);
        assert_eq!(queue.next(false), Some(at(30)));
        assert_eq!(queue.expire(at(30)), 1);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_queue_is_bounded_and_the_oldest_go() {
        let mut queue = Queue::default();
        for number in 0..MAX_NOTICES {
            assert_eq!(queue.push(notice(&number.to_string(), true, None), at(0)), 0);
        }
        assert_eq!(queue.push(notice("last", true, None), at(0)), 1);
        assert!(!queue.holds(|one| one.msg_id == "0") && queue.holds(|one| one.msg_id == "1"));
        let big = |msg_id: &str| Notice { message: vec![0; MAX_OCTETS / 2], ..notice(msg_id, true, None) };
        queue.push(big("x"), at(0));
        queue.push(big("y"), at(0));
        assert_eq!(queue.push(big("z"), at(0)), 1);
        assert_eq!(queue.len(), 2);
        queue.forget(|cause| *cause == Cause::Subscription("s".into()));
        assert!(queue.is_empty() && queue.next(true).is_none());
    }
}
