//! Lists that can be too long for memory, sent in pieces.
//!
//! A long list is rendered twice by the same code: once to count its rows and octets, for `arrayType` and
//! Content-Length, and once more to be sent, a piece at a time. Its rows are pulled from the caller both times and
//! never kept here. Values may change between the two; see [`Listing::fill`]. Driven by [`super::writer`] and by whoever
//! sends the body.

use super::writer::{Envelope, Xml};

/// The lists that can be too long for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// GetParameterNamesResponse.
    Names,
    /// GetParameterValuesResponse.
    Values,
    /// GetParameterAttributesResponse.
    Attributes,
}

impl List {
    const fn response(self) -> &'static str {
        match self {
            List::Names => "cwmp:GetParameterNamesResponse",
            List::Values => "cwmp:GetParameterValuesResponse",
            List::Attributes => "cwmp:GetParameterAttributesResponse",
        }
    }

    const fn item(self) -> &'static str {
        match self {
            List::Names => "ParameterInfoStruct",
            List::Values => "ParameterValueStruct",
            List::Attributes => "ParameterAttributeStruct",
        }
    }
}

/// One row of a [`List`].
pub trait Row {
    /// The list it belongs to.
    const LIST: List;

    /// Writes the row's fields.
    fn write(&self, xml: &mut Xml);
}

fn item<R: Row>(xml: &mut Xml, row: &R) {
    xml.open(R::LIST.item());
    row.write(xml);
    xml.close(R::LIST.item());
}

fn begin(xml: &mut Xml, list: List, rows: u64) {
    xml.open(list.response());
    xml.open_array("ParameterList", &format!("cwmp:{}", list.item()), rows);
}

fn end(xml: &mut Xml, list: List) {
    xml.close("ParameterList");
    xml.close(list.response());
}

/// Writes a whole list.
pub(super) fn list<R: Row>(xml: &mut Xml, rows: &[R]) {
    begin(xml, R::LIST, rows.len() as u64);
    rows.iter().for_each(|row| item(xml, row));
    end(xml, R::LIST);
}

/// What the first pass over a list found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which list.
    pub list: List,
    /// How many rows.
    pub rows: u64,
    /// How many octets they take.
    pub octets: u64,
}

impl Listed {
    /// A list without rows, to be counted by [`Listed::add`].
    pub fn new(list: List) -> Listed {
        Listed { list, rows: 0, octets: 0 }
    }

    /// Counts one row.
    pub fn add<R: Row>(&mut self, row: &R) {
        self.rows += 1;
        self.octets += Xml::count(|xml| item(xml, row));
    }

    /// Octets set aside for values that grow between the two passes, such as counters.
    const fn slack(&self) -> u64 {
        256 + self.octets / 64
    }
}

/// A message with a long list on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    head: String,
    listed: Listed,
    sent_head: bool,
    sent_rows: u64,
    room: u64,
}

/// What a call of [`Listing::fill`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// There is more.
    More,
    /// That was the last piece.
    Done,
    /// The rows are no longer those that were counted: the message cannot be finished, the connection must be cut.
    Changed,
}

impl Listing {
    pub(super) fn new(envelope: &Envelope<'_>, listed: Listed) -> Listing {
        let mut xml = Xml::after(envelope.head());
        begin(&mut xml, listed.list, listed.rows);
        Listing {
            head: xml.out,
            listed,
            sent_head: false,
            sent_rows: 0,
            room: listed.octets + listed.slack(),
        }
    }

    /// Which list it is, and how long.
    pub fn listed(&self) -> Listed {
        self.listed
    }

    /// The octets of the whole message.
    pub fn content_length(&self) -> u64 {
        (self.head.len() + self.foot().len()) as u64 + self.listed.octets + self.listed.slack()
    }

    /// Begins again, for a message that has to be sent once more.
    pub fn rewind(&mut self) {
        self.sent_head = false;
        self.sent_rows = 0;
        self.room = self.listed.octets + self.listed.slack();
    }

    fn foot(&self) -> String {
        let mut xml = Xml::default();
        end(&mut xml, self.listed.list);
        xml.out.push_str(Envelope::tail());
        xml.out
    }

    /// Appends the next piece to `out`, at least `wanted` octets unless it is the last, pulling from `rows` where
    /// the last call ended.
    ///
    /// The message always has [`Listing::content_length`] octets: what values did not use of the octets set aside
    /// becomes white space between elements, where XML ignores it. A list that has another number of rows than was
    /// counted, or grew beyond that, cannot be finished.
    pub fn fill<R: Row>(
        &mut self,
        rows: &mut impl Iterator<Item = R>,
        wanted: usize,
        out: &mut String,
    ) -> Filled {
        let mut xml = Xml::after(std::mem::take(out));
        let filled = self.piece(rows, wanted, &mut xml);
        *out = xml.out;
        filled
    }

    fn piece<R: Row>(&mut self, rows: &mut impl Iterator<Item = R>, wanted: usize, xml: &mut Xml) -> Filled {
        let enough = xml.out.len().saturating_add(wanted);
        if R::LIST != self.listed.list {
            return Filled::Changed;
        }
        if !self.sent_head {
            xml.out.push_str(&self.head);
            self.sent_head = true;
        }
        while self.sent_rows < self.listed.rows {
            if xml.out.len() >= enough {
                return Filled::More;
            }
            let Some(row) = rows.next() else { return Filled::Changed };
            let before = xml.out.len();
            item(xml, &row);
            let Some(room) = self.room.checked_sub((xml.out.len() - before) as u64) else {
                return Filled::Changed;
            };
            self.room = room;
            self.sent_rows += 1;
        }
        if rows.next().is_some() {
            return Filled::Changed;
        }
        // The slack is a 64th of a list of bounded size, so it goes out in one piece.
        xml.out.extend(std::iter::repeat_n(' ', usize::try_from(self.room).unwrap_or_default()));
        self.room = 0;
        xml.out.push_str(&self.foot());
        Filled::Done
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::cwmp::rpc::{Answer, ParameterAttribute, ParameterInfo, ParameterValue, ValueType};
    use crate::cwmp::soap::writer::Outgoing;
    use crate::cwmp::soap::xml;
    use crate::cwmp::version::Version;

    const PLAIN: Envelope<'static> = Envelope { version: Version::V1_2, id: Some("7"), announce: false };

    fn text(answer: &Answer) -> String {
        match PLAIN.answer(answer) {
            Outgoing::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    fn value(n: usize) -> ParameterValue {
        ParameterValue { name: format!("Device.X.{n}"), kind: ValueType::UnsignedInt, value: n.to_string() }
    }

    fn measured<R: Row>(rows: impl Iterator<Item = R>) -> Listed {
        let mut listed = Listed::new(R::LIST);
        rows.for_each(|row| listed.add(&row));
        listed
    }

    fn listing(listed: Listed) -> Listing {
        match PLAIN.answer(&Answer::Listed(listed)) {
            Outgoing::Listing(listing) => listing,
            other => panic!("not a listing: {other:?}"),
        }
    }

    /// All pieces, and the length of the longest.
    fn pieces<R: Row>(listing: &mut Listing, mut rows: impl Iterator<Item = R>) -> (String, usize, Filled) {
        let (mut all, mut longest) = (String::new(), 0);
        loop {
            let mut piece = String::new();
            let filled = listing.fill(&mut rows, 1000, &mut piece);
            longest = longest.max(piece.len());
            all.push_str(&piece);
            if filled != Filled::More {
                return (all, longest, filled);
            }
        }
    }

    #[test]
    fn a_list_in_pieces_is_the_list_as_a_whole_but_for_white_space() {
        let names: Vec<ParameterInfo> =
            (0..3).map(|n| ParameterInfo { name: format!("Device.{n}."), writable: n == 1 }).collect();
        let attributes: Vec<ParameterAttribute> = vec![ParameterAttribute {
            name: "Device.A".into(),
            notification: 2,
            access_list: vec!["Subscriber".into()],
        }];
        let values: Vec<ParameterValue> = (0..5).map(value).collect();
        let same = |whole: String, listed: Listed, got: (String, usize, Filled)| {
            assert_eq!(got.2, Filled::Done);
            assert_eq!(got.0.len() as u64, listing(listed).content_length());
            assert_eq!(got.0.replace(&" ".repeat(listed.slack() as usize), ""), whole);
        };
        let listed = measured(names.iter().cloned());
        same(
            text(&Answer::GetParameterNames(names.clone())),
            listed,
            pieces(&mut listing(listed), names.into_iter()),
        );
        let listed = measured(values.iter().cloned());
        same(
            text(&Answer::GetParameterValues(values.clone())),
            listed,
            pieces(&mut listing(listed), values.into_iter()),
        );
        let listed = measured(attributes.iter().cloned());
        let got = pieces(&mut listing(listed), attributes.clone().into_iter());
        same(text(&Answer::GetParameterAttributes(attributes)), listed, got);
    }

    #[test]
    fn ten_thousand_values_never_stand_in_memory_together() {
        let listed = measured((0..10_000).map(value));
        let mut listing = listing(listed);
        let (all, longest, filled) = pieces(&mut listing, (0..10_000).map(value));
        assert_eq!(filled, Filled::Done);
        assert!(all.contains("cwmp:ParameterValueStruct[10000]"));
        assert!(longest < 1000 + 256 + listed.slack() as usize, "a piece of {longest}");
        listing.rewind();
        assert_eq!(pieces(&mut listing, (0..10_000).map(value)).0, all, "sent again");
    }

    #[test]
    fn values_may_change_in_length_between_the_passes_and_rows_may_not_change_in_number() {
        let listed = measured((0..100).map(value));
        let grown = (0..100).map(|n| ParameterValue { value: format!("1{n}"), ..value(n) });
        let shrunk = (0..100).map(|n| ParameterValue { value: String::new(), ..value(n) });
        for (rows, want) in [
            (grown.collect::<Vec<_>>(), Filled::Done),
            (shrunk.collect(), Filled::Done),
            ((0..99).map(value).collect(), Filled::Changed),
            ((0..101).map(value).collect(), Filled::Changed),
            (
                (0..100).map(|n| ParameterValue { value: "x".repeat(99), ..value(n) }).collect(),
                Filled::Changed,
            ),
        ] {
            let mut listing = listing(listed);
            let length = listing.content_length();
            let (all, _, filled) = pieces(&mut listing, rows.into_iter());
            assert_eq!(filled, want);
            if filled == Filled::Done {
                assert_eq!(all.len() as u64, length);
                assert_eq!(xml::parse(all.as_bytes()).unwrap().children.len(), 2);
            }
        }
    }

    #[test]
    fn an_empty_list_is_a_list() {
        let listed = Listed::new(List::Names);
        let (all, _, filled) = pieces(&mut listing(listed), std::iter::empty::<ParameterInfo>());
        assert_eq!(filled, Filled::Done);
        assert!(all.contains("<ParameterList soap-enc:arrayType=\"cwmp:ParameterInfoStruct[0]\">"));
    }
}
