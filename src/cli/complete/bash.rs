//! A command line as bash and fish have it, and words as they are written there.
//!
//! PURE. Bash breaks a line for completion not only at blanks, but also at `:`, `@` and `=`, and replaces only what is behind
//! the last of those; it inserts what it gets as it is. So words are taken apart here, and what is inserted is quoted here.

/// A line up to the cursor.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The words without their quotes, last the one that was begun.
    pub words: Vec<String>,
    /// How many bytes of that one, without quotes, are in front of what the shell will replace.
    kept: usize,
    /// The quote that is open.
    quote: Option<char>,
}

/// Reads a line of bash up to the cursor; `breaks` is `COMP_WORDBREAKS`. Nothing is expanded.
#[must_use]
pub fn read(line: &str, breaks: &str) -> Line {
    take_apart(line, breaks, "")
}

/// One word of fish without its quotes, in which a backslash also counts between single ones.
#[must_use]
pub fn fish_word(word: &str) -> String {
    let mut words = take_apart(word, "", "'\\").words;
    words.pop().unwrap_or_default()
}

fn take_apart(line: &str, breaks: &str, in_single: &str) -> Line {
    let mut line_so_far = Line { words: Vec::new(), kept: 0, quote: None };
    let mut word = String::new();
    let mut begun = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let escapes = match line_so_far.quote {
            None => true,
            Some('"') => chars.peek().is_some_and(|next| "$`\"\\".contains(*next)),
            Some(_) => chars.peek().is_some_and(|next| in_single.contains(*next)),
        };
        match (line_so_far.quote, c) {
            (_, '\\') if escapes => word.extend(chars.next()),
            (Some(quote), c) if c == quote => line_so_far.quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => {
                line_so_far.quote = Some(c);
                line_so_far.kept = word.len();
            }
            (None, c) if c.is_ascii_whitespace() => {
                if begun {
                    line_so_far.words.push(std::mem::take(&mut word));
                }
                (begun, line_so_far.kept) = (false, 0);
                continue;
            }
            (None, c) => {
                let start = word.len();
                word.push(c);
                if breaks.contains(c) {
                    // Where `@` breaks a word, what is replaced begins with it (`rl_special_prefixes`).
                    line_so_far.kept = if c == '@' { start } else { word.len() };
                }
            }
        }
        begun = true;
    }
    line_so_far.words.push(word);
    line_so_far
}

impl Line {
    /// What bash is to put in the place of what it replaces, so that the word becomes this one; none when it cannot.
    #[must_use]
    pub fn insertion(&self, word: &str) -> Option<String> {
        let begun = self.words.last()?;
        if begun.get(..self.kept)? != word.get(..self.kept)? {
            return None;
        }
        Some(quoted(word.get(self.kept..)?, self.quote, self.kept == 0))
    }
}

fn quoted(text: &str, quote: Option<char>, starts_word: bool) -> String {
    let mut quoted = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        match (quote, c) {
            (Some('\''), '\'') => quoted.push_str("'\\''"),
            // The history is looked up between double quotes too, and there a backslash would stay.
            (Some('"'), '!') => quoted.push_str("\"'!'\""),
            (Some('"'), '$' | '`' | '"' | '\\') => quoted.extend(['\\', c]),
            (Some(_), c) => quoted.push(c),
            // A tilde means a home at the start of a word, and behind a colon or an equals sign.
            (None, c)
                if c.is_alphanumeric()
                    || "_-.,:/@%+=".contains(c) && !(i == 0 && starts_word && c == '=') =>
            {
                quoted.push(c);
            }
            (None, c) => quoted.extend(['\\', c]),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKS: &str = " \t\n\"'@><=;|&(:";

    fn words(line: &str) -> Vec<String> {
        read(line, BREAKS).words
    }

    #[test]
    fn quotes_are_taken_off_and_nothing_is_expanded() {
        assert_eq!(words("rpipe br0  web "), ["rpipe", "br0", "web", ""]);
        assert_eq!(
            words(r#"rpipe a\ b "c d"'e f' "$(x) `y` \$z"#),
            ["rpipe", "a b", "c de f", "$(x) `y` $z"]
        );
        assert_eq!(words(r#"r '' "" x\"#), ["r", "", "", "x"]);
        assert_eq!(words(r#"r "a\b"#), ["r", r"a\b"]);
        assert_eq!(words(""), [""]);
        assert_eq!(fish_word(r"'a\'b\c"), r"a'b\c");
        assert_eq!(fish_word("a\\ b"), "a b");
    }

    #[test]
    fn only_what_bash_replaces_is_inserted() {
        let insert = |line: &str, word: &str| read(line, BREAKS).insertion(word);
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(insert("rpipe br0 we", "web"), is("web"));
        assert_eq!(insert("rpipe br0 docker:we", "docker:web"), is("web"));
        assert_eq!(insert("rpipe br0 docker:", "docker:web"), is("web"));
        assert_eq!(insert("rpipe br0 do", "docker:web"), is("docker:web"));
        assert_eq!(insert("rpipe br0 web 10.0.0.2/24@10", "10.0.0.2/24@10.0.0.1"), is("@10.0.0.1"));
        assert_eq!(insert("rpipe detach w --ifname=e", "--ifname=eth1"), is("eth1"));
        assert_eq!(insert("rpipe br0 \"docker:we", "docker:web"), is("docker:web"));
        assert_eq!(insert("rpipe br0 docker:\"we", "docker:web"), is("web"));
        assert_eq!(insert("rpipe br0 docker:we", "podman:web"), None);
    }

    #[test]
    fn what_is_inserted_is_one_word() {
        let insert = |line: &str, word: &str| read(line, BREAKS).insertion(word).unwrap();
        assert_eq!(
            insert("r ", "a b$(x)`y`;&|<>*?[]{}~!#'\"\\"),
            r#"a\ b\$\(x\)\`y\`\;\&\|\<\>\*\?\[\]\{\}\~\!\#\'\"\\"#
        );
        assert_eq!(insert("r '", "a'b $x!"), r"a'\''b $x!");
        assert_eq!(insert("r \"", "a\"b $x`!\\"), "a\\\"b \\$x\\`\"'!'\"\\\\");
        assert_eq!(insert("r ", "=x=y"), r"\=x=y");
        for word in ["a b", "$(x)", "it's", "\"q\"", "a!b", "\\", "~", "m\u{fc}ll"] {
            for open in ["r ", "r '", "r \""] {
                let line = read(open, BREAKS);
                let written = format!("{open}{}", line.insertion(word).unwrap());
                assert_eq!(words(&written)[1], word, "{written}");
            }
        }
    }
}
