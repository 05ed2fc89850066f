//! The shells and their completion scripts.

use clap::ValueEnum;

/// A shell whose script is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// Fish.
    Fish,
}

impl Shell {
    /// Its completion script, which asks the binary what fits.
    #[must_use]
    pub fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("../../completions/rpipe.bash"),
            Self::Zsh => include_str!("../../completions/_rpipe"),
            Self::Fish => include_str!("../../completions/rpipe.fish"),
        }
    }
}
