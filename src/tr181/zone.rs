//! Time zones as POSIX writes them: `CET-1CEST,M3.5.0,M10.5.0/3` and the offset it gives at a moment.
//!
//! Pure; names of zones are not known here. Driven by the time family.

use crate::time::Wall;

/// One side of a zone and when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    day: Day,
    /// Seconds after local midnight; POSIX allows it to be negative and beyond a day.
    at: i64,
}

/// The day of a year on which a side begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// `Mm.w.d`: the w-th day d (0 is Sunday) of month m; 5 is the last.
    Month(i64, i64, i64),
    /// `Jn`: day 1 to 365, 29 February is never counted.
    Julian(i64),
    /// `n`: day 0 to 365.
    Zero(i64),
}

/// Seconds east of Greenwich that the zone has at a moment; `None` for a text that is no POSIX zone.
//= POSIX.1 8.3 TZ: std offset [dst [offset] [,start[/time],end[/time]]]; offsets count west of Greenwich.
pub fn offset(zone: &str, moment: Wall) -> Option<i64> {
    let rest = name(zone)?;
    let (std, rest) = clock(rest)?;
    let std = -std;
    if rest.is_empty() {
        return Some(std);
    }
    let rest = name(rest)?;
    let (dst, rest) = match rest.chars().next() {
        None | Some(',') => (std + 3_600, rest),
        Some(_) => clock(rest).map(|(west, rest)| (-west, rest))?,
    };
    // Without rules the zone changes as the United States do.
    let rest = if rest.is_empty() { ",M3.2.0,M11.1.0" } else { rest };
    let mut rules = rest.strip_prefix(',')?.split(',').map(rule);
    let (Some(Some(start)), Some(Some(end)), None) = (rules.next(), rules.next(), rules.next()) else {
        return None;
    };
    let year = Wall::at(moment.seconds.saturating_add(std)).civil().0;
    let (begins, ends) = (begin(start, year)? - std, begin(end, year)? - dst);
    let now = moment.seconds;
    let summer = if begins < ends { (begins..ends).contains(&now) } else { !(ends..begins).contains(&now) };
    Some(if summer { dst } else { std })
}

/// What follows the name of a side: letters, or anything between `<` and `>`.
fn name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        let (inside, rest) = quoted.split_once('>')?;
        return (!inside.is_empty()).then_some(rest);
    }
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    (end >= 3).then(|| text.get(end..)).flatten()
}

/// `[+-]hh[:mm[:ss]]` in seconds, and what follows it.
fn clock(text: &str) -> Option<(i64, &str)> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(digits.len());
    let (time, rest) = digits.split_at(end);
    let mut seconds = 0;
    let mut scale = 3_600;
    for (at, part) in time.split(':').enumerate() {
        let most = if at == 0 { 167 } else { 59 };
        seconds += part.parse::<i64>().ok().filter(|n| at < 3 && *n <= most)? * scale;
        scale /= 60;
    }
    Some((sign * seconds, rest))
}

fn rule(text: &str) -> Option<Rule> {
    let (day, at) = match text.split_once('/') {
        Some((day, time)) => (day, clock(time).filter(|(_, rest)| rest.is_empty())?.0),
        None => (text, 7_200),
    };
    let number =
        |text: &str, least: i64, most: i64| text.parse::<i64>().ok().filter(|n| (least..=most).contains(n));
    let day = match (day.strip_prefix('M'), day.strip_prefix('J')) {
        (Some(month), _) => {
            let mut parts = month.split('.');
            let mut next = |least, most| number(parts.next()?, least, most);
            let rule = Day::Month(next(1, 12)?, next(1, 5)?, next(0, 6)?);
            parts.next().is_none().then_some(rule)?
        }
        (None, Some(julian)) => Day::Julian(number(julian, 1, 365)?),
        (None, None) => Day::Zero(number(day, 0, 365)?),
    };
    Some(Rule { day, at })
}

/// The local moment at which a rule begins in a year, in seconds as if local time were UTC.
fn begin(rule: Rule, year: i64) -> Option<i64> {
    let midnight = |month: i64, day: i64| -> Option<i64> {
        Wall::parse(&format!("{year:04}-{month:02}-{day:02}T00:00:00Z")).map(|wall| wall.seconds)
    };
    let first = midnight(1, 1)?;
    let day = match rule.day {
        Day::Zero(day) => first + day * 86_400,
        Day::Julian(day) => {
            let leap = midnight(2, 29).is_some() && day >= 60;
            first + (day - 1 + i64::from(leap)) * 86_400
        }
        Day::Month(month, week, weekday) => {
            let start = midnight(month, 1)?;
            // 1 January 1970 was a Thursday.
            let is = (start.div_euclid(86_400) + 4).rem_euclid(7);
            let mut day = (weekday - is).rem_euclid(7) + 7 * (week - 1);
            while midnight(month, day + 1).is_none() && day >= 7 {
                day -= 7;
            }
            start + day * 86_400
        }
    };
    Some(day + rule.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    //= POSIX.1 8.3 TZ: std offset [dst [offset] [,start[/time],end[/time]]]; offsets count west of Greenwich.
    #[test]
    fn a_zone_gives_its_offset_on_both_sides_of_each_change() {
        const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
        for (zone, moment, want) in [
            ("UTC", "2026-07-01T00:00:00Z", None),
            ("UTC0", "2026-07-01T00:00:00Z", Some(0)),
            ("GMT0", "2026-07-01T00:00:00Z", Some(0)),
            (BERLIN, "2026-03-29T00:59:59Z", Some(3_600)),
            (BERLIN, "2026-03-29T01:00:00Z", Some(7_200)),
            (BERLIN, "2026-10-25T00:59:59Z", Some(7_200)),
            (BERLIN, "2026-10-25T01:00:00Z", Some(3_600)),
            ("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T06:59:59Z", Some(-18_000)),
            ("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z", Some(-14_400)),
            ("EST5EDT", "2026-11-01T06:00:00Z", Some(-18_000)),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-15T00:00:00Z", Some(39_600)),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-06-15T00:00:00Z", Some(36_000)),
            ("<+0545>-5:45", "2026-01-01T00:00:00Z", Some(20_700)),
            ("<-03>3", "2026-01-01T00:00:00Z", Some(-10_800)),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-01-15T00:00:00Z", Some(0)),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", "2026-07-15T00:00:00Z", Some(3_600)),
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", Some(-7_200)),
            ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", Some(-3_600)),
            ("XXX0YYY,J60,J61", "2024-03-01T12:00:00Z", Some(3_600)),
            ("XXX0YYY,59,60", "2024-02-29T12:00:00Z", Some(3_600)),
            ("X", "2026-01-01T00:00:00Z", None),
            ("CET-1CEST,M13.5.0,M10.5.0", "2026-01-01T00:00:00Z", None),
            ("CET-1CEST,M3.5.0", "2026-01-01T00:00:00Z", None),
            ("CET-1CEST,M3.5.0,M10.5.0/3,1", "2026-01-01T00:00:00Z", None),
            ("", "2026-01-01T00:00:00Z", None),
        ] {
            let wall = Wall::parse(moment).expect("a moment");
            assert_eq!(offset(zone, wall), want, "{zone} {moment}");
        }
    }
}
