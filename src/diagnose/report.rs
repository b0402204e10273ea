//! The verdict as text for people: lines of styled spans for 80 columns, which the terminal screen and
//! `kokpit why` both print.

use super::verdict::Verdict;

/// The report as plain text.
pub fn plain(verdict: &Verdict) -> String {
    format!("{verdict:?}")
}
