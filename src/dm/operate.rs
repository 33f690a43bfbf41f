//! Commands of objects: what goes in is checked, what is done is planned like any other change.
//!
//! A command of the mapping plans edits and calls ([`Planner`]); one of the agent's own is only checked here and given
//! back by its name, for the agent to carry out. Knows no protocol: who may call what is decided before.

use super::draft::AGENT;
use super::error::{Error, Refusal};
use super::line::Run;
use super::path::Pattern;
use super::read::{COUNTERS, MAX_RESET, Place};
use super::schema::{Argument, Arguments, Command};
use super::source::{Source, Stop};
use super::value::Invalid;
use super::view::{At, KEPT, View};
use super::write::{Draft, NoPlan, Planner};

/// Most arguments one call of a command may bring.
pub const MAX_ARGUMENTS: usize = 256;

/// What calling a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operated {
    /// It is planned; these are its results once the plan is carried out.
    Planned(Arguments),
    /// The agent carries it out: the name behind `agent` in the mapping, the object's path, and what goes in.
    Agent(&'static str, String, Arguments),
}

impl Planner<'_> {
    /// Plans the command `path` (of one object, such as `Device.IP.Interface.1.Reset()`) with `given`.
    ///
    /// Refuses a path that is no command of the supported model, a missing mandatory argument and a value that is not
    /// allowed. Arguments that the command does not know are ignored.
    pub fn operate(&mut self, path: &str, given: &Arguments) -> Result<Operated, NoPlan> {
        let done = self.step(|planner, view| planner.operated(view, path, given));
        done.map_err(|stop| match stop {
            Stop::Wait => NoPlan::Wait,
            Stop::Refused(why) => NoPlan::Refused(vec![Error::new(path, why)]),
        })
    }

    /// Makes a row that only the agent keeps: a section of that type with these options, planned like any other change.
    pub fn keep(&mut self, section: &str, kind: &str, options: &[(&str, &str)]) -> Result<(), NoPlan> {
        self.make(KEPT, section, kind, options)
    }

    /// Makes a section of that type with these options.
    pub fn make(
        &mut self,
        source: &str,
        section: &str,
        kind: &str,
        options: &[(&str, &str)],
    ) -> Result<(), NoPlan> {
        self.edit(|draft| {
            draft.add(source, section, kind)?;
            for (option, value) in options {
                draft.set_text(source, section, option, value)?;
            }
            Ok(())
        })
    }

    /// Makes edits of the agent's own accord.
    pub fn edit(&mut self, mut edit: impl FnMut(&mut Draft) -> Result<(), Stop>) -> Result<(), NoPlan> {
        self.step(|planner, _| edit(&mut planner.draft)).map_err(|stop| match stop {
            Stop::Wait => NoPlan::Wait,
            Stop::Refused(why) => NoPlan::Refused(vec![Error::new("", why)]),
        })
    }

    fn operated(&mut self, view: &View<'_>, path: &str, given: &Arguments) -> Result<Operated, Stop> {
        let (place, command) = command(view, path)?;
        let inputs = inputs(command, given)?;
        let here = At { view, object: place.object, row: place.row.as_ref() };
        match (command.run, command.function) {
            (Run::Agent(name), _) => Ok(Operated::Agent(name, place.path.to_string(), inputs)),
            (Run::Rust(_), Some(function)) => {
                Ok(Operated::Planned(function(&here, &inputs, &mut self.draft)?))
            }
            (Run::Rust(name), None) => Err(Refusal::Backend(format!("no function {name}")).into()),
            (Run::Call(_) | Run::Reset, _) => {
                self.carry_out(view, &place, &command.run)?;
                Ok(Operated::Planned(Arguments::new()))
            }
        }
    }

    /// Plans a command that takes nothing and gives nothing: methods to be called, what the agent does with a section
    /// by itself, or counters to be reset.
    pub(super) fn carry_out<'s>(
        &mut self,
        view: &View<'s>,
        place: &Place<'s>,
        run: &Run,
    ) -> Result<(), Stop> {
        let here = At { view, object: place.object, row: place.row.as_ref() };
        match run {
            Run::Call(calls) => {
                for call in *calls {
                    let text = here.text(call)?;
                    // A place that could not be filled must not become a call of something else.
                    if text.split([' ', '.']).any(str::is_empty) {
                        return Err(Refusal::Backend(format!("nothing to call: {text:?}")).into());
                    }
                    self.draft.calls.push(text.into());
                }
                Ok(())
            }
            Run::Reset => {
                let counts = view.counters(place)?;
                let before = match view.snapshot.peek(COUNTERS) {
                    Some(Source::Ready(all)) if all.get(&place.path).is_none() => all.entries().len(),
                    Some(_) | None => 0,
                };
                if before + self.draft.resets.len() >= MAX_RESET {
                    return Err(Refusal::Exhausted("objects whose counters were reset".into()).into());
                }
                self.draft.resets.push((place.path.to_string().into(), counts));
                Ok(())
            }
            Run::Agent(name) => {
                self.draft.calls.push(format!("{AGENT}{name} {}", here.bound()?.name).into());
                Ok(())
            }
            Run::Rust(name) => Err(Refusal::Backend(format!("no command {name}")).into()),
        }
    }
}

/// The one object and the command of it that a path names.
fn command<'s>(view: &View<'s>, path: &str) -> Result<(Place<'s>, &'s Command), Stop> {
    let pattern = Pattern::parse(path).map_err(|_| Refusal::UnknownPath)?;
    let (places, name) = view.actions(&pattern)?;
    let [place] = places.as_slice() else { return Err(Refusal::UnknownPath.into()) };
    let command = view.model.object(place.object)?.command(&name).ok_or(Refusal::UnknownPath)?;
    Ok((place.clone(), command))
}

/// What goes into a command: canonical values, with those left out that have a default.
//= TR-369 R-OPR.5: a mandatory argument that is missing fails the command.
//= TR-369 R-OPR.6: an argument that is not known is ignored.
//= TR-369 R-OPR.7: an optional argument left out has its default.
pub fn inputs(command: &Command, given: &Arguments) -> Result<Arguments, Refusal> {
    if given.len() > MAX_ARGUMENTS {
        return Err(Refusal::Exhausted("arguments of one command".into()));
    }
    let mut out = Arguments::new();
    for (name, value) in given {
        let Some(argument) = command.inputs.iter().find(|argument| is_named(argument, name)) else {
            continue;
        };
        let canonical = argument.syntax.canonical(value).map_err(|why| {
            Refusal::InvalidArguments(match why {
                Invalid::Type { expected } => format!("{name} is not of type {expected}"),
                Invalid::Value { allowed } => format!("{name}: wanted {allowed}"),
            })
        })?;
        out.insert(name.clone(), canonical);
    }
    for argument in command.inputs {
        let there = out.keys().any(|name| is_named(argument, name));
        match (there, argument.assumed) {
            (true, _) => {}
            (false, Some(value)) if !argument.name.contains("{i}") => {
                out.insert(argument.name.into(), value.into());
            }
            (false, _) if argument.mandatory && !argument.name.contains("{i}") => {
                return Err(Refusal::InvalidArguments(format!("{} is missing", argument.name)));
            }
            (false, _) => {}
        }
    }
    Ok(out)
}

/// Whether `name` is the argument's, with numbers where it has `{i}`.
fn is_named(argument: &Argument, name: &str) -> bool {
    let (mut known, mut given) = (argument.name.split('.'), name.split('.'));
    loop {
        match (known.next(), given.next()) {
            (None, None) => return true,
            (Some("{i}"), Some(number)) if number.parse::<u32>().is_ok_and(|number| number > 0) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dm::instance::Instances;
    use crate::dm::line::{Line, Src};
    use crate::dm::schema::{Flags, How, Known, Model, Notify, Object, Param, Write};
    use crate::dm::source::Snapshot;
    use crate::dm::tree::Tree;
    use crate::dm::value::{Syntax, Type};
    use crate::dm::write::{Policy, Wish};

    const INPUTS: &[Argument] = &[
        Argument { name: "Host", syntax: Syntax::plain(Type::String), mandatory: true, assumed: None },
        Argument {
            name: "Count",
            syntax: Syntax::plain(Type::UnsignedInt),
            mandatory: false,
            assumed: Some("3"),
        },
        Argument { name: "Note", syntax: Syntax::plain(Type::String), mandatory: false, assumed: None },
        Argument {
            name: "Row.{i}.On",
            syntax: Syntax::plain(Type::Boolean),
            mandatory: false,
            assumed: None,
        },
    ];
    const PING: Command = Command {
        name: "Ping()",
        asynchronous: true,
        inputs: INPUTS,
        outputs: &[],
        run: Run::Agent("ping"),
        function: None,
    };

    fn given(text: &str) -> Arguments {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    //= TR-369 R-OPR.5: a mandatory argument that is missing fails the command.
    //= TR-369 R-OPR.6: an argument that is not known is ignored.
    //= TR-369 R-OPR.7: an optional argument left out has its default.
    #[test]
    fn arguments_are_checked_completed_and_strangers_ignored() {
        for (text, want) in [
            ("Host=a", Ok("Count=3 Host=a")),
            ("Host=a Count=007 Note=x", Ok("Count=7 Host=a Note=x")),
            ("Host=a Other=1 Row.1.Off=1", Ok("Count=3 Host=a")),
            ("Host=a Row.2.On=1", Ok("Count=3 Host=a Row.2.On=true")),
            ("Host=a Row.0.On=1", Ok("Count=3 Host=a")),
            ("Count=1", Err("Host is missing")),
            ("Host=a Count=x", Err("Count is not of type unsignedInt")),
        ] {
            let got = inputs(&PING, &given(text));
            let want = want.map(given).map_err(|why| Refusal::InvalidArguments(why.into()));
            assert_eq!(got, want, "{text}");
        }
    }

    //= TR-106 3.2: a command reads as false, and is carried out when true is written.
    //= TR-181 IP.Interface.{i}.Stats.Reset(): the counters of this object begin at zero.
    #[test]
    fn counters_are_reset_by_true_alone_and_of_no_more_objects_than_the_bound() {
        const fn param(name: &'static str, base: Type, reads: &'static Line, write: Write) -> Param {
            let flags = Flags { command: matches!(write, Write::Run(_)), ..NO_FLAGS };
            Param { name, syntax: Syntax::plain(base), flags, read: How::Line(reads), write, reason: None }
        }
        const fn line(value: &'static str) -> Line {
            Line { source: Src::Const(value), pipes: &[], otherwise: None }
        }
        const NO_FLAGS: Flags = Flags {
            hidden: false,
            secured: false,
            command: false,
            forced_inform: false,
            known: Known::All,
            once: false,
            notify: Notify::Normal,
        };
        const FALSE: Line = line("false");
        const SENT: Line = line("5");
        const PARAMS: &[Param] = &[
            param("Sent", Type::UnsignedLong, &SENT, Write::No),
            param("Reset", Type::Boolean, &FALSE, Write::Run(Run::Reset)),
        ];
        let objects = vec![Object { params: PARAMS, ..Object::bare("Device.", "x") }];
        let model = Model::new(objects, &[], &[]).unwrap();
        let reset = |others: usize, known: &[&str], value: &str| {
            let paths =
                (0..others).map(|n| format!("Device.{n}.")).chain(known.iter().map(|path| (*path).into()));
            let mut snapshot = Snapshot::default();
            snapshot
                .supply(COUNTERS, Source::ready(Tree::map(paths.map(|path| (path, Tree::Map(Vec::new()))))));
            let policy = Policy { keep_secret_on_empty: true };
            let mut planner = Planner::new(&model, &snapshot, &Instances::default(), policy);
            let wish = Wish { path: "Device.Reset".into(), value: value.into(), said: None };
            planner.set(&[wish]).map(|()| planner.finish().resets)
        };
        let done = || Ok(vec![("Device.".into(), vec![("Sent", 5)])]);
        assert_eq!(reset(MAX_RESET - 1, &[], "true"), done());
        assert_eq!(reset(MAX_RESET - 1, &["Device."], "1"), done());
        assert_eq!(reset(0, &[], "false"), Ok(Vec::new()));
        let full = Refusal::Exhausted("objects whose counters were reset".into());
        assert_eq!(
            reset(MAX_RESET, &[], "true"),
            Err(NoPlan::Refused(vec![Error::new("Device.Reset", full)]))
        );
    }

    #[test]
    fn more_arguments_than_the_bound_are_refused() {
        let many: Arguments = (0..=MAX_ARGUMENTS).map(|n| (format!("A{n}"), String::new())).collect();
        assert!(matches!(inputs(&PING, &many), Err(Refusal::Exhausted(_))));
    }
}
