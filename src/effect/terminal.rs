//! What gets the terminal for a while.

/// What one is connected with in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// The best shell that it has.
    Shell,
    /// A command.
    Command(Vec<String>),
    /// Its own process.
    Attach,
    /// Its own process, which was made to be debugged with; the operation is finished when it is left.
    Debug(Option<String>),
}
