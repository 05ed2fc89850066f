//! A process that engines of tests can name.

use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

/// A process for the engine to name, gone at the end of the test.
pub struct Sleeper(pub Child);

impl Sleeper {
    pub fn new() -> Self {
        Self(Command::new("sleep").arg("60").spawn().unwrap())
    }

    /// One that no longer counts as just started.
    pub fn old() -> Self {
        let sleeper = Self::new();
        thread::sleep(Duration::from_millis(60));
        sleeper
    }

    pub fn pid(&self) -> i32 {
        self.0.id().try_into().unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
