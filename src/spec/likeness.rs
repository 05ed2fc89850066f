//! Names that look like the one that was typed.

/// What clap takes for similar enough to suggest.
const SIMILAR: f64 = 0.7;

/// At most three of the names that somebody might have meant, the likeliest first.
pub fn near<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<_> = names
        .filter(|name| *name != asked)
        .map(|name| (strsim::jaro(asked, name), name))
        .filter(|(likeness, name)| *likeness > SIMILAR || (asked.len() > 2 && name.starts_with(asked)))
        .collect();
    near.sort_by(|(a, a_name), (b, b_name)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
    near.dedup_by_key(|(_, name)| *name);
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_names_are_told() {
        let names = ["test01", "test02", "web", "web", "database", "zzz"];
        let ask = |asked| near(asked, names.into_iter()).join(" ");
        assert_eq!(ask("tset01"), "test01 test02");
        assert_eq!(ask("test1"), "test01 test02");
        assert_eq!(ask("wbe"), "", "too short to be sure");
        assert_eq!(ask("data"), "database");
        assert_eq!(ask("nosuch"), "");
        assert_eq!(ask("web"), "");
        assert_eq!(ask("webb"), "web");
    }
}
