//! Completion in the real shells, which somebody types into.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::world::RPIPE;

/// The ways in which the scripts are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    Bash,
    /// Bash with its usual library, which finds the script by itself.
    BashCompletion,
    Zsh,
    Fish,
}

pub const SHELLS: [Shell; 4] = [Shell::Bash, Shell::BashCompletion, Shell::Zsh, Shell::Fish];

/// What a shell did with what was typed and a tab behind it.
#[derive(Debug)]
pub struct Answer {
    /// The words that were offered.
    pub offered: Vec<String>,
    /// The command line then.
    pub line: String,
    /// The words of the command, where it was run.
    pub ran: Vec<String>,
}

pub fn source(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).to_str().expect("a path in UTF-8").to_owned()
}

/// The search path with the binary under test in front.
fn path() -> String {
    let folder = Path::new(RPIPE).parent().unwrap();
    format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", folder.display())
}

impl Shell {
    /// What makes the shell complete rpipe.
    pub fn setup(self) -> String {
        match self {
            Self::Bash => format!(". {}", source("completions/rpipe.bash")),
            // As the library does at the first tab.
            Self::BashCompletion => format!(
                ". /usr/share/bash-completion/bash_completion
                 mkdir -p $FILES/completions
                 ln -s {} $FILES/completions/rpipe
                 BASH_COMPLETION_USER_DIR=$FILES
                 _completion_loader rpipe",
                source("completions/rpipe.bash")
            ),
            Self::Zsh => format!("fpath=({} $fpath); compinit -D -u", source("completions")),
            Self::Fish => format!("source {}", source("completions/rpipe.fish")),
        }
    }

    /// Types each of these into the shell, in whose world and with whose environment `command` runs python.
    pub fn type_in(self, command: Command, typed: &[&str], run: bool) -> Vec<Answer> {
        self.type_with(&self.setup(), command, typed, run)
    }

    pub fn type_with(self, setup: &str, mut command: Command, typed: &[&str], run: bool) -> Vec<Answer> {
        let name = match self {
            Self::Bash | Self::BashCompletion => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        };
        let mut typist = command
            .args([&source("tests/support/typist.py"), name])
            .env("PATH", path())
            // What is slow here is the tests beside it.
            .env("RPIPE_COMPLETION_LIMIT", "30000")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed");
        let todo = json!({ "setup": setup, "typed": typed, "run": run });
        typist.stdin.take().unwrap().write_all(todo.to_string().as_bytes()).unwrap();
        let output = typist.wait_with_output().unwrap();
        assert!(output.status.success(), "{self:?}");
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(said["left"], json!([]), "{self:?}: something was run");
        let words = |words: &Value| -> Vec<String> {
            let words = words.as_array().map(Vec::as_slice).unwrap_or_default().iter();
            words.map(|word| word.as_str().unwrap().to_owned()).filter(|word| !word.is_empty()).collect()
        };
        let answer = |answer: &Value| Answer {
            offered: words(&answer["offered"]),
            line: answer["line"].as_str().unwrap().to_owned(),
            ran: words(&answer["ran"]),
        };
        let answers: Vec<_> = said["answers"].as_array().unwrap().iter().map(answer).collect();
        assert_eq!(answers.len(), typed.len());
        answers
    }

    /// What is offered for each of these lines. Fish tells it without a terminal.
    pub fn offers(self, command: impl Fn(&str) -> Command, typed: &[&str]) -> Vec<Vec<String>> {
        if self != Self::Fish {
            let answers = self.type_in(command("python3"), typed, false);
            return answers.into_iter().map(|answer| answer.offered).collect();
        }
        let program = format!("{}; for line in $argv; complete -C $line; echo; end", self.setup());
        let output = command("fish")
            .args(["--no-config", "-c", &program])
            .args(typed)
            .env("PATH", path())
            .env("RPIPE_COMPLETION_LIMIT", "30000")
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaint.is_empty(), "{complaint}");
        // A word, a tab and what it is on each line; an empty one behind each typed line.
        let text = String::from_utf8(output.stdout).unwrap();
        let mut offers = vec![Vec::new()];
        for line in text.lines() {
            match line.split('\t').next() {
                Some("") | None => offers.push(Vec::new()),
                Some(word) => offers.last_mut().unwrap().push(word.to_owned()),
            }
        }
        offers.pop();
        assert_eq!(offers.len(), typed.len(), "{text}");
        offers
    }
}
