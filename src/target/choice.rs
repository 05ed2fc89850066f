//! Which of the containers that a runtime knows is meant by a name.
//!
//! No IO.

use super::error::Refusal;

/// The id of a container, and its name when it has one.
pub(super) type Key<'a> = (&'a str, Option<&'a str>);

/// Those of this name, else the one of this id, else the only one whose id starts so; at least one.
pub(super) fn choose<'a, T>(
    all: &'a [T],
    asked: &str,
    key: impl Fn(&'a T) -> Key<'a>,
) -> Result<Vec<&'a T>, Refusal> {
    let those = |is: &dyn Fn(Key) -> bool| all.iter().filter(|one| is(key(one))).collect::<Vec<_>>();
    let named = those(&|(_, name)| name == Some(asked));
    if !named.is_empty() {
        return Ok(named);
    }
    let exact = those(&|(id, _)| id == asked);
    if !exact.is_empty() {
        return Ok(exact);
    }
    let begun = those(&|(id, _)| is_hex(asked) && id.starts_with(asked));
    match begun.len() {
        0 => Err(Refusal::NoContainer),
        1 => Ok(begun),
        _ => Err(Refusal::Ambiguous),
    }
}

/// Engines make their ids of hexadecimal digits; the beginning of a name that people chose is not enough.
fn is_hex(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_wins_over_an_id_and_an_id_over_the_beginning_of_one() {
        let all = [("abc1", Some("web")), ("abc12", Some("db")), ("def", Some("abc12")), ("x-y", None)];
        let ask = |asked| {
            let found = choose(&all, asked, |one| *one);
            found.map(|found| found.iter().map(|one| one.0).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(ask("web").as_deref(), Ok("abc1"));
        assert_eq!(ask("db").as_deref(), Ok("abc12"));
        assert_eq!(ask("abc12").as_deref(), Ok("def"), "a name first");
        assert_eq!(ask("abc1").as_deref(), Ok("abc1"), "then a whole id");
        assert_eq!(ask("de").as_deref(), Ok("def"), "then the beginning of one");
        assert_eq!(ask("x-y").as_deref(), Ok("x-y"));
        assert_eq!(ask("abc"), Err(Refusal::Ambiguous));
        for asked in ["x", "x-", "", "we", "abcd"] {
            assert_eq!(ask(asked), Err(Refusal::NoContainer), "{asked:?}");
        }
    }
}
