//! What gets into a value when it is pasted: white space, quotation marks, its own name.
//!
//! Such a value would be refused by the service later, in words that name no variable. It is not
//! trimmed: what another program reads of the same variable would then differ.

use secrecy::{ExposeSecret, SecretString};

use super::faults::Faults;
use super::variables::Variables;

const QUOTES: [char; 6] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2019}'];

/// Whether white space may stand inside a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// A password may hold anything.
    Anything,
    /// An address, a token, a name hold none.
    NoSpace,
}

/// The value of `name` or the content of the file of `name_FILE`, if it is as it should be.
pub(super) fn find(
    variables: &Variables,
    name: &str,
    inside: Inside,
    faults: &mut Faults,
) -> Option<String> {
    let text = variables.find_or_file(name, faults)?;
    match problem(name, &text, inside) {
        None => Some(text),
        Some(problem) => {
            faults.add(name, problem);
            None
        }
    }
}

/// As [`find`], for values that must not print.
pub(super) fn find_secret(
    variables: &Variables,
    name: &str,
    inside: Inside,
    faults: &mut Faults,
) -> Option<SecretString> {
    let secret = variables.find_secret(name, faults)?;
    match problem(name, secret.expose_secret(), inside) {
        None => Some(secret),
        Some(problem) => {
            faults.add(name, problem);
            None
        }
    }
}

fn problem(name: &str, text: &str, inside: Inside) -> Option<&'static str> {
    if text.trim() != text {
        return Some("begins or ends with white space; set it again without");
    }
    if text.starts_with(QUOTES) || text.ends_with(QUOTES) {
        return Some("has quotation marks around it; set it again without them");
    }
    if text.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')) {
        return Some("holds its own name and an equals sign; keep only what follows them");
    }
    if inside == Inside::NoSpace && text.contains(char::is_whitespace) {
        return Some("has white space inside; copy the value again, alone and on one line");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pasted_along_is_noticed() {
        for (text, remedy) in [
            (" secret", "white space"),
            ("secret\n", "white space"),
            ("\"secret\"", "quotation marks"),
            ("'secret'", "quotation marks"),
            ("\u{201c}secret\u{201d}", "quotation marks"),
            ("TOKEN=secret", "equals sign"),
            ("Bearer secret", "white space inside"),
        ] {
            let problem = problem("TOKEN", text, Inside::NoSpace).unwrap();
            assert!(problem.contains(remedy), "{text:?}: {problem}");
        }
        for text in ["AbC=", "a:b/c+d==", "TOKENS"] {
            assert_eq!(problem("TOKEN", text, Inside::NoSpace), None, "{text:?}");
        }
        assert_eq!(problem("TOKEN", "two words", Inside::Anything), None);
    }
}
