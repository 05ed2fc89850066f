//! A pinned process.
/// placeholder
#[derive(Debug)]
pub struct Process(pub i32);
impl Process {
    pub fn pid(&self) -> i32 {
        self.0
    }
}
