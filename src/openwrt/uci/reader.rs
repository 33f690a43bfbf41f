//! Cuts a text into lines and words the way libuci does: quotes, backslashes, comments, semicolons.
//!
//! Knows no keywords; `parse` and `delta` drive it and say what the words mean.

use std::ops::Range;

use super::parse::Reason;

/// The bytes of one command and of the lines it goes over, with a place in them.
///
/// A command's bytes are not those of the file in a row: a joining backslash swallows the newline, and a NUL the
/// rest of its line. `origin` says for each where it stands in the file.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    pub(super) next: usize,
    pub(super) line: usize,
    pub(super) buf: Vec<u8>,
    origin: Vec<usize>,
    pub(super) pos: usize,
    /// The line holds a NUL, a semicolon, or a backslash that joins it with the end of the file.
    pub(super) odd: bool,
}

/// A word: its meaning and where it stands.
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
    pub(super) span: Range<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Reader { text, next: 0, line: 0, buf: Vec::new(), origin: Vec::new(), pos: 0, odd: false }
    }

    /// Whether there is another command or line.
    pub(super) fn more(&self) -> bool {
        self.next < self.text.len()
    }

    /// Goes to the next line.
    pub(super) fn start(&mut self) {
        self.pos = 0;
        self.odd = false;
        self.fill(0);
    }

    /// Puts the next line at `at`, in place of what is there.
    fn fill(&mut self, at: usize) {
        self.buf.truncate(at);
        self.origin.truncate(at);
        while let Some(rest) = self.text.get(self.next..).filter(|rest| !rest.is_empty()) {
            let len = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |newline| newline + 1);
            let whole = rest.iter().take(len);
            let used = whole.clone().position(|&b| b == 0);
            self.odd |= used.is_some();
            let used = used.unwrap_or(len);
            self.buf.extend(whole.take(used));
            self.origin.extend(self.next..self.next + used);
            self.next += len;
            if used == 0 {
                return;
            }
            if self.buf.last() == Some(&b'\n') {
                self.line += 1;
                return;
            }
        }
    }

    /// The byte at the place, 0 at the end.
    fn byte(&self) -> u8 {
        self.buf.get(self.pos).copied().unwrap_or(0)
    }

    fn at_blank(&self) -> bool {
        matches!(self.byte(), b' ' | b'\t'..=b'\r')
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.at_blank() {
            self.pos += 1;
        }
    }

    /// Cuts the command off here.
    fn cut(&mut self) {
        self.buf.truncate(self.pos);
        self.origin.truncate(self.pos);
    }

    /// The place in the file of what stands at `pos`.
    pub(super) fn offset(&self, pos: usize) -> usize {
        self.origin.get(pos).copied().unwrap_or(self.next)
    }

    fn span(&self, from: usize, to: usize) -> Range<usize> {
        let start = self.offset(from);
        start..to.checked_sub(1).map_or(start, |last| self.offset(last).saturating_add(1)).max(start)
    }

    /// Steps over a backslash. True if it quotes the byte behind it, false if it joined the next line.
    fn backslash(&mut self) -> bool {
        self.pos += 1;
        let behind = self.buf.get(self.pos + 1);
        let at_end = matches!((self.byte(), behind), (0 | b'\n', _) | (b'\r', Some(b'\n')));
        if !at_end {
            return true;
        }
        self.odd |= self.next >= self.text.len();
        self.fill(self.pos);
        false
    }

    fn take(&mut self, into: &mut Vec<u8>) {
        into.push(self.byte());
        self.pos += 1;
    }

    fn quoted(&mut self, quote: u8, into: &mut Vec<u8>) -> Result<(), Reason> {
        self.pos += 1;
        loop {
            match self.byte() {
                0 => {
                    self.fill(self.pos);
                    if self.byte() == 0 {
                        return Err(Reason::Unterminated(char::from(quote)));
                    }
                }
                b if b == quote => {
                    self.pos += 1;
                    return Ok(());
                }
                b'\\' if quote == b'"' => {
                    if self.backslash() {
                        self.take(into);
                    }
                }
                _ => self.take(into),
            }
        }
    }

    /// The next word, which may be empty; steps over one blank behind it.
    pub(super) fn word(&mut self) -> Result<Word, Reason> {
        self.skip_blanks();
        let start = self.pos;
        let mut bytes = Vec::new();
        if self.byte() == b';' {
            self.odd = true;
            self.pos += 1;
            return Ok(Word { bytes, span: self.span(start, start) });
        }
        loop {
            match self.byte() {
                quote @ (b'\'' | b'"') => self.quoted(quote, &mut bytes)?,
                b'#' => self.cut(),
                0 | b';' => break,
                b'\\' => {
                    if self.backslash() {
                        self.take(&mut bytes);
                    }
                }
                _ => self.take(&mut bytes),
            }
            if self.byte() == 0 || self.at_blank() {
                break;
            }
        }
        let span = self.span(start, self.pos);
        self.odd |= self.byte() == b';';
        match self.byte() {
            // A semicolon right behind a word without quotes, backslashes and joins ends the line: whatever follows is lost.
            b';' if bytes.len() == self.pos - start => self.cut(),
            0 | b';' => {}
            _ => self.pos += 1,
        }
        Ok(Word { bytes, span })
    }
}
