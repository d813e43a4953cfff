//! The one message for a data set that is nowhere to be had: all that a user needs to fix it.

use std::fmt;
use std::path::PathBuf;

use super::named::Known;

/// A named set that was found in no place, and why.
#[derive(Debug)]
pub struct NotAtHand {
    /// The set.
    pub set: &'static Known,
    /// Each place that was looked at, and what was wrong with it.
    pub looked: Vec<Looked>,
    /// Each download that was tried, and how it failed; or why none was tried.
    pub attempts: Vec<String>,
    /// The folder to put the files into, unless this system has no place for caches.
    pub target: Option<PathBuf>,
}

/// A place without the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The folder, and how it came into play.
    pub place: String,
    /// Why it did not serve.
    pub why: String,
}

impl std::error::Error for NotAtHand {}

impl fmt::Display for NotAtHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.set.name;
        writeln!(f, "the data set {name} is not at hand")?;
        for looked in &self.looked {
            writeln!(f, "  looked in {}: {}", looked.place, looked.why)?;
        }
        for attempt in &self.attempts {
            writeln!(f, "  download: {attempt}")?;
        }
        self.instructions(f)?;
        write!(
            f,
            "(hint: or train on `digits`: built-in synthetic digits that need no file and no \
             network; they are not {name})"
        )
    }
}

impl NotAtHand {
    /// The four addresses with the sizes and sums that make a fetched file trustworthy.
    fn instructions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.target.as_ref().map(|folder| folder.display().to_string());
        let folder = folder.unwrap_or_else(|| "a folder named by GLASSBOX_DATA".to_owned());
        writeln!(f, "  to have it, put these four files into {folder}:")?;
        for file in &self.set.files {
            writeln!(f, "    {}{}.gz", self.set.mirrors[0], file.name)?;
            writeln!(f, "      {} bytes, SHA-256 {}", file.packed_bytes, file.packed_sha256)?;
        }
        Ok(())
    }
}
