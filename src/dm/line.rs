//! What the right-hand side of a mapping line means, once parsed.
//!
//! Built by [`super::mapfile`], at compile time for the shipped files and at run time for drop-ins, so everything
//! is `&'static`: a drop-in is read once at start and stays. What few entries of a table have is behind a
//! reference, so that the many do not take its room. Evaluated by [`super::read`], inverted by
//! [`super::write`].

/// One right-hand side: `SOURCE | pipe | pipe else VALUE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where the value comes from.
    pub source: Src,
    /// What is done to it, in order.
    pub pipes: &'static [Pipe],
    /// The value where the source has none.
    pub otherwise: Option<&'static str>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Src {
    /// A place in the tree of a source: `uci network.globals.ula_prefix`, `ubus system board @.model`,
    /// `cat /proc/uptime`, `nl link @[ifname=lan1]`, `tree layers @.links`, `agent state @.ParameterKey`.
    Tree {
        /// The source's key, such as `uci:network` or `ubus:system board`.
        key: Text,
        /// The way from the tree's root to the value.
        steps: &'static [Step],
    },
    /// `uci .option`: an option of the section that the row is bound to (`^` the parent's row, and so on).
    Option {
        /// How many rows up.
        up: u8,
        /// The option.
        option: Text,
    },
    /// `@.field`: a place in the row's own item.
    Item {
        /// How many rows up.
        up: u8,
        /// The way from the item to the value.
        steps: &'static [Step],
    },
    /// A lower-case name defined in the same table, with a way into it.
    Local {
        /// The name.
        name: &'static str,
        /// The way from the named tree to the value.
        steps: &'static [Step],
    },
    /// `rust name`: a function in the family's `.rs`.
    Rust(&'static str),
    /// `const value`: only with a written reason.
    Const(&'static str),
}

/// A text with places to fill: `/sys/class/net/{.device}/mtu`.
pub type Text = &'static [Piece];

/// A part of a [`Text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Lit(&'static str),
    /// The text that a source gives: `{.name}`, `{^.name}`, `{@.device}`, `{local}`.
    Of(&'static Src),
}

/// One step into a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `.name`: the entry of a map.
    Key(Text),
    /// `[0]`, `[-1]`: the item of a list; a scalar counts as a list of one.
    Index(i32),
    /// `[key=value]`: the first item of a list, or value of a map, whose `key` has that text.
    Match(&'static str, Text),
    /// `[*]`: every item of a list or value of a map.
    All,
    /// `@type[n]` of UCI: the n-th section of that type.
    Kind(&'static str, i32),
    /// `@type[option=text]` of UCI: the first section of that type whose option has that text.
    KindBy(&'static (&'static str, &'static str, Text)),
}

/// What is done to a value on its way. Those with an inverse can be written through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipe {
    /// `bool`: any spelling of true and false becomes `true` or `false`; written as `1` and `0`.
    Bool,
    /// `not`: as `bool`, turned round.
    Not,
    /// `csv`: a list, or words in one text, becomes a comma list; written back in the form found.
    Csv,
    /// `ref Device.IP.Interface`: a name becomes the path of the row that bears it.
    Ref(&'static str),
    /// `map a=X b=Y`: one word for another; a word not listed is as if absent.
    Map(&'static [(&'static str, &'static str)]),
    /// `times n` or `over n`: whole-number scaling by a fraction.
    Scale(i64, i64),
    /// `cut n`: at most n characters.
    Cut(u16),
    /// `upper` or `lower`.
    Case(bool),
    /// `word n`: the n-th blank-separated word.
    Word(u8),
    /// `part c n`: the n-th part between the characters `c`.
    Part(char, u8),
    /// `count`: how many items a list or map has.
    Count,
    /// `ago`: seconds before now, as a dateTime.
    Ago,
    /// `ahead`: seconds after now, as a dateTime.
    Ahead,
    /// `epoch`: seconds since 1970, as a dateTime.
    Epoch,
    /// `text`: a value whatever the source gives, quoted or not: white space at both ends goes.
    Trim,
    /// A conversion that the platform names, such as `span` or `mask`.
    Named(&'static str),
}

/// How the rows of a table come about: `each = "uci dhcp.@dhcp"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Each {
    /// Where the rows are.
    pub rows: Rows,
    /// `key = "…"`: what identifies a row that has no name of its own.
    pub key: Option<Text>,
    /// `where = "EXPR = value"`: only rows for which it holds; the flag is true for `!=`.
    pub only: Option<(Line, bool, &'static str)>,
    /// `volatile = "yes"`: rows come and go by themselves; their numbers live in memory.
    pub volatile: bool,
}

/// Where the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All sections of a type, in file order.
    Sections {
        /// The source's key, such as `uci:dhcp`.
        key: &'static str,
        /// The section type.
        kind: &'static str,
        /// `@type[option={..name}]`: only those whose option has that text, such as the name of the parent's section.
        by: Option<(&'static str, Text)>,
    },
    /// The entries of a map or items of a list; a map's key is the row's key.
    Items(Src),
}

/// How a row is made: `add = "firewall redirect cpe_map{n} target=DNAT enabled=0"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Add {
    /// A new section; `{n}` in its name is the row's number.
    Section {
        /// The source's key, such as `uci:firewall`.
        key: &'static str,
        /// The section type.
        kind: &'static str,
        /// The section's name, before the number.
        prefix: &'static str,
        /// Options it is born with; their texts may name fields of the parent's row.
        options: &'static [(&'static str, Text)],
    },
    /// `rust name`: a function returns the edits.
    Rust(&'static str),
}

/// What a command does: `"Renew()" = "call network.interface.{.name} renew"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Methods of ubus without arguments, one after the other, such as `ubus:network.interface.wan renew`.
    Call(&'static [Text]),
    /// `rust name`: a function plans edits and calls.
    Rust(&'static str),
    /// `agent name`: the agent itself, which answers now or when it is done.
    Agent(&'static str),
    /// `reset`: the counters of the object begin at zero.
    Reset,
}
