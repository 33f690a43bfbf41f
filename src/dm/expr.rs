//! Search expressions: `[Type=="Normal"&&Enable==true]`, read, printed and decided for one value.
//!
//! Finding the value a term's left side names is the reader's business; [`Term::holds`] only compares.

use std::cmp::Ordering;
use std::fmt;

use super::path::{Cursor, ParseError, Which};
use super::value::{Syntax, Type, number};
use crate::time::{UNKNOWN, Wall};

/// Most terms of one expression.
pub const MAX_TERMS: usize = 16;
/// Most names on the left side of a term.
pub const MAX_HOPS: usize = 16;

/// Terms that must all hold; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    terms: Vec<Term>,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The way from the row to the parameter; never empty, and the last name follows nothing.
    pub left: Vec<Hop>,
    /// The operator.
    pub op: Op,
    /// What the parameter is compared with.
    pub value: Literal,
}

/// One name on the way, and whether the reference it holds is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// An object, or a reference parameter if `follow` is set; the parameter itself in the last place.
    pub name: Box<str>,
    /// Which of the references to go through.
    pub follow: Option<Which>,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
    /// `~=`: the list holds the item.
    Holds,
    /// `<`
    Less,
    /// `>`
    More,
}

/// Longer ones first, so that `<=` is not taken for `<`.
const OPS: [(&str, Op); 7] = [
    ("==", Op::Equal),
    ("!=", Op::Unequal),
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("~=", Op::Holds),
    ("<", Op::Less),
    (">", Op::More),
];

/// The right side of a term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Written in double quotes; here without them and decoded.
    Quoted(Box<str>),
    /// A number, a boolean, a dateTime or hexadecimal digits.
    Bare(Box<str>),
}

impl Literal {
    fn text(&self) -> &str {
        match self {
            Literal::Quoted(text) | Literal::Bare(text) => text,
        }
    }
}

impl Expr {
    /// The terms, in the order written.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// An expression of `terms`; `None` if there is none, too many, or one has no left side.
    pub fn of(terms: Vec<Term>) -> Option<Expr> {
        let shaped = |t: &Term| {
            (1..=MAX_HOPS).contains(&t.left.len()) && t.left.last().is_some_and(|hop| hop.follow.is_none())
        };
        ((1..=MAX_TERMS).contains(&terms.len()) && terms.iter().all(shaped)).then_some(Expr { terms })
    }

    /// Reads from behind `[` up to the closing `]`, which is left to the caller.
    //= TR-369 R-ARC.7: terms are joined by && only; there is no OR, and [] is invalid.
    pub(super) fn read(c: &mut Cursor<'_>) -> Result<Expr, ParseError> {
        let mut terms = Vec::new();
        loop {
            if terms.len() == MAX_TERMS {
                return Err(c.fail("too many terms"));
            }
            terms.push(Term::read(c)?);
            if !c.eat("&&") {
                return Ok(Expr { terms });
            }
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.terms.iter().enumerate() {
            if at > 0 {
                f.write_str("&&")?;
            }
            term.fmt(f)?;
        }
        Ok(())
    }
}

impl Term {
    fn read(c: &mut Cursor<'_>) -> Result<Term, ParseError> {
        blanks(c);
        let mut left = Vec::new();
        loop {
            if left.len() == MAX_HOPS {
                return Err(c.fail("too many names"));
            }
            let name = c.name()?.into();
            let follow = c.which()?;
            left.push(Hop { name, follow });
            if !c.eat(".") {
                if follow.is_some() {
                    return Err(c.fail("a dot must follow"));
                }
                break;
            }
        }
        //= TR-369 R-ARC.9a: blanks around an operator are accepted.
        blanks(c);
        let Some(&(token, op)) = OPS.iter().find(|(token, _)| c.rest().starts_with(token)) else {
            return Err(c.fail("an operator must follow"));
        };
        c.eat(token);
        blanks(c);
        let value = Literal::read(c)?;
        blanks(c);
        Ok(Term { left, op, value })
    }

    /// Whether the term makes sense for a parameter of `syntax`, whatever it reads; `Err` says why not.
    //= TR-369 R-ARC.7: strings and booleans know only equality, `~=` asks a list, order is for numbers and times.
    pub fn check(&self, syntax: &Syntax) -> Result<(), &'static str> {
        let listed = syntax.lists > 0;
        if self.op == Op::Holds {
            let item = Syntax { lists: 0, ..*syntax };
            return if listed { self.value.check(&item).map(|_| ()) } else { Err("~= asks a list") };
        }
        let ordered = if listed {
            //= TR-369 R-ARC.7: a list is compared as the text it is.
            syntax.check_read(self.value.text()).map_err(|_| "no such list")?;
            false
        } else {
            self.value.check(syntax)?
        };
        if ordered || self.op.is_equality() { Ok(()) } else { Err("this type has no order") }
    }

    /// Whether the term holds for a parameter of `syntax` that reads `actual`.
    ///
    /// `Err` says why the comparison makes no sense for that type; the request is then refused, not just empty. What
    /// has no place in the order, such as a moment that is not known, is neither before nor after another.
    pub fn holds(&self, syntax: &Syntax, actual: &str) -> Result<bool, &'static str> {
        self.check(syntax)?;
        if self.op == Op::Holds {
            let item = Syntax { lists: 0, ..*syntax };
            let mut parts = actual.split(',').filter(|_| !actual.is_empty());
            return Ok(parts.any(|part| self.value.order(&item, part.trim()) == Some(Ordering::Equal)));
        }
        let order = if syntax.lists > 0 {
            let form = |text: &str| syntax.check_read(text).unwrap_or_else(|_| text.to_owned());
            (form(self.value.text()) == form(actual)).then_some(Ordering::Equal)
        } else {
            self.value.order(syntax, actual)
        };
        Ok(match self.op {
            Op::Equal | Op::Holds => order.is_some_and(Ordering::is_eq),
            Op::Unequal => !order.is_some_and(Ordering::is_eq),
            Op::AtMost => order.is_some_and(Ordering::is_le),
            Op::AtLeast => order.is_some_and(Ordering::is_ge),
            Op::Less => order.is_some_and(Ordering::is_lt),
            Op::More => order.is_some_and(Ordering::is_gt),
        })
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, hop) in self.left.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            f.write_str(&hop.name)?;
            if let Some(which) = hop.follow {
                which.fmt(f)?;
            }
        }
        write!(f, "{}{}", self.op, self.value)
    }
}

impl Op {
    /// `==` or `!=`.
    pub const fn is_equality(self) -> bool {
        matches!(self, Op::Equal | Op::Unequal)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OPS.iter().find(|(_, op)| op == self).map_or("", |(token, _)| token))
    }
}

impl Literal {
    fn read(c: &mut Cursor<'_>) -> Result<Literal, ParseError> {
        if c.eat("\"") {
            let text = c.take(|ch| ch != '"');
            if !c.eat("\"") {
                return Err(c.fail("a \" must follow"));
            }
            //= TR-369 R-ARC.7: within quotes " is %22 and % is %25; any other % stands for itself.
            return Ok(Literal::Quoted(text.replace("%22", "\"").replace("%25", "%").into()));
        }
        let text = c.take(|ch| ch.is_ascii_alphanumeric() || "+-.:_".contains(ch));
        if text.is_empty() { Err(c.fail("a value must follow")) } else { Ok(Literal::Bare(text.into())) }
    }

    /// Whether it can be compared with a value of a type, and whether by order too; `Err` says why not.
    fn check(&self, syntax: &Syntax) -> Result<bool, &'static str> {
        let wanted = self.text();
        match syntax.base {
            Type::Int | Type::UnsignedInt | Type::Long | Type::UnsignedLong | Type::Decimal => {
                number(wanted).map(|_| true).ok_or("a number must be compared with a number")
            }
            Type::DateTime => {
                let wanted = Wall::parse(wanted).ok_or("a dateTime must be compared with a dateTime")?;
                //= TR-369 R-ARC.7: the unknown time is before and after nothing.
                Ok(Wall::parse(UNKNOWN) != Some(wanted))
            }
            Type::Boolean if matches!(self, Literal::Quoted(_)) => Err("a boolean is not written in quotes"),
            Type::Boolean => {
                let known = Syntax::plain(Type::Boolean).check_read(wanted);
                known.map(|_| false).map_err(|_| "a boolean is true or false")
            }
            Type::String if matches!(self, Literal::Bare(_)) => Err("a string is written in quotes"),
            Type::String | Type::Base64 | Type::HexBinary => Ok(false),
        }
    }

    /// The order of the actual value against this one; `None` where they differ and have none.
    fn order(&self, syntax: &Syntax, actual: &str) -> Option<Ordering> {
        let wanted = self.text();
        match syntax.base {
            Type::Int | Type::UnsignedInt | Type::Long | Type::UnsignedLong | Type::Decimal => {
                Some(number(actual)?.cmp(&number(wanted)?))
            }
            Type::DateTime => {
                let (unknown, wanted) = (Wall::parse(UNKNOWN), Wall::parse(wanted)?);
                let actual = Wall::parse(actual)?;
                let ordered = unknown != Some(actual) && unknown != Some(wanted);
                (ordered || actual == wanted).then(|| actual.cmp(&wanted))
            }
            Type::Boolean | Type::String | Type::Base64 | Type::HexBinary => {
                let plain = Syntax { limits: &super::value::Limits::NONE, lists: 0, ..*syntax };
                let form = |text: &str| plain.check_read(text).unwrap_or_else(|_| text.to_owned());
                (form(wanted) == form(actual)).then_some(Ordering::Equal)
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Quoted(text) => write!(f, "\"{}\"", text.replace('%', "%25").replace('"', "%22")),
            Literal::Bare(text) => f.write_str(text),
        }
    }
}

fn blanks(c: &mut Cursor<'_>) {
    c.take(|ch| ch == ' ');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::super::path::{Pattern, Step};
    use super::*;

    fn term(text: &str) -> Term {
        match &Pattern::parse(&format!("Device.A.[{text}].")).unwrap().steps()[2] {
            Step::Search(expr) => expr.terms()[0].clone(),
            other => unreachable!("{other:?}"),
        }
    }

    //= TR-369 R-ARC.7: values compare by what they mean, and each type knows some operators only.
    #[test]
    fn terms_compare_by_value_and_refuse_what_makes_no_sense() {
        let plain = Syntax::plain;
        let list = |base| Syntax { lists: 1, ..Syntax::plain(base) };
        for (text, syntax, actual, want) in [
            ("X==\"a b\"", plain(Type::String), "a b", Ok(true)),
            ("X!=\"a\"", plain(Type::String), "A", Ok(true)),
            ("X==a", plain(Type::String), "a", Err("a string is written in quotes")),
            ("X<\"a\"", plain(Type::String), "b", Err("this type has no order")),
            ("X<\"a\"", plain(Type::String), "a", Err("this type has no order")),
            ("X==1", plain(Type::Boolean), "true", Ok(true)),
            ("X!=false", plain(Type::Boolean), "0", Ok(false)),
            ("X==\"true\"", plain(Type::Boolean), "true", Err("a boolean is not written in quotes")),
            ("X>=true", plain(Type::Boolean), "true", Err("this type has no order")),
            ("X==+5", plain(Type::Int), "05", Ok(true)),
            ("X<10", plain(Type::UnsignedInt), "9", Ok(true)),
            ("X>=18446744073709551615", plain(Type::UnsignedLong), "18446744073709551615", Ok(true)),
            ("X>1.25", plain(Type::Decimal), "1.3", Ok(true)),
            ("X==abc", plain(Type::Int), "5", Err("a number must be compared with a number")),
            ("X<2026-01-01T00:00:00+01:00", plain(Type::DateTime), "2025-12-31T22:59:59Z", Ok(true)),
            ("X!=0001-01-01T00:00:00Z", plain(Type::DateTime), "2025-12-31T22:59:59Z", Ok(true)),
            ("X==0001-01-01T00:00:00Z", plain(Type::DateTime), "0001-01-01T00:00:00Z", Ok(true)),
            // A row whose moment is not known is not found; it does not spoil the search.
            ("X<2026-01-01T00:00:00Z", plain(Type::DateTime), UNKNOWN, Ok(false)),
            ("X>=2026-01-01T00:00:00Z", plain(Type::DateTime), UNKNOWN, Ok(false)),
            ("X!=2026-01-01T00:00:00Z", plain(Type::DateTime), UNKNOWN, Ok(true)),
            ("X<=0001-01-01T00:00:00Z", plain(Type::DateTime), UNKNOWN, Err("this type has no order")),
            ("X==soon", plain(Type::DateTime), UNKNOWN, Err("a dateTime must be compared with a dateTime")),
            ("X<5", plain(Type::Int), "", Ok(false)),
            ("X!=5", plain(Type::Int), "", Ok(true)),
            ("X==maybe", plain(Type::Boolean), "true", Err("a boolean is true or false")),
            ("X~=x", list(Type::Int), "", Err("a number must be compared with a number")),
            ("X==0aFF", plain(Type::HexBinary), "0AFF", Ok(true)),
            ("X~=\"b\"", list(Type::String), "a,b", Ok(true)),
            ("X~=\"b\"", list(Type::String), "ab", Ok(false)),
            ("X~=02", list(Type::Int), "1,2", Ok(true)),
            ("X~=\"\"", list(Type::String), "", Ok(false)),
            ("X~=\"a\"", plain(Type::String), "a", Err("~= asks a list")),
            ("X==\"1, 2\"", list(Type::Int), "1,2", Ok(true)),
            ("X>\"1\"", list(Type::Int), "2", Err("this type has no order")),
        ] {
            assert_eq!(term(text).holds(&syntax, actual), want, "{text} of {actual:?}");
        }
    }
}
