//! The machine: where programs are, whether we are root, whether somebody watches.

use std::io::IsTerminal as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Folders where package managers put programs that a short PATH may leave out.
const USUAL_FOLDERS: [&str; 6] =
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/opt/homebrew/bin"];

/// The folders of PATH, then the usual ones.
pub(crate) fn program_folders() -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "PATH is no setting of the portal's")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(USUAL_FOLDERS.iter().map(PathBuf::from));
    folders
}

/// The first program of that name in [`program_folders`].
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    program_folders().into_iter().map(|folder| folder.join(name)).find(|file| is_program(file))
}

/// Whether the file can be executed by somebody.
pub(crate) fn is_program(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Whether we have all rights. Servers are then started as somebody who has not.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a person can be asked for a password.
pub(crate) fn has_keyboard() -> bool {
    std::io::stdin().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_found_and_an_invented_program_is_not() {
        assert!(find_program("sh").is_some());
        assert_eq!(find_program("no-such-program-anywhere"), None);
    }
}
