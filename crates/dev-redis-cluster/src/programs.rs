//! Short programs, random text, private files: what the rest is made of.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a wait looks again.
pub(crate) const POLL: Duration = Duration::from_millis(5);

/// Random bytes of a password.
const PASSWORD_BYTES: usize = 24;

/// Runs a short program with `input` on its standard input and returns its standard output. One
/// that fails, or takes longer than the limit, is an error with what it wrote.
pub(crate) fn run(program: &mut Command, input: &str, limit: Duration) -> io::Result<String> {
    let name = program.get_program().to_string_lossy().into_owned();
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run {name}: {error}")))?;
    if let Some(mut pipe) = child.stdin.take() {
        let input = input.to_owned();
        // A program that ends before it has read everything says why by its exit code.
        thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    }
    let output = drain(child.stdout.take());
    let errors = drain(child.stderr.take());
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            let text = format!("{name} took more than {} ms", limit.as_millis());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        thread::sleep(POLL);
    };
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    let (output, errors) = (text(output), text(errors));
    if status.success() {
        return Ok(output);
    }
    Err(io::Error::other(format!("{name} failed ({status}): {} {}", output.trim(), errors.trim())))
}

/// Reads a pipe to its end on a thread, so that a full pipe never blocks its writer.
fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A pipe that breaks off has said what it had to say.
            let _cut_short = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Polls until `is_done`; `what` completes the sentence "… did not happen".
pub(crate) fn wait_until(
    what: &str,
    deadline: Instant,
    mut is_done: impl FnMut() -> io::Result<bool>,
) -> io::Result<()> {
    while !is_done()? {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("too late: {what}")));
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// Letters and digits from the system's generator: a password that can stand anywhere in a URL.
pub(crate) fn random_text() -> io::Result<String> {
    let bytes: Vec<_> =
        random::<PASSWORD_BYTES>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(bytes.concat())
}

/// A number that tells one cluster from another.
pub(crate) fn random_number() -> io::Result<u16> {
    random().map(u16::from_ne_bytes)
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Makes a folder that only its owner can enter.
pub(crate) fn make_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that nobody else can read. One that is there already is replaced, since its
/// rights may be others.
pub(crate) fn write_private(file: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(file)?
        .write_all(text.as_bytes())
}

/// A folder for one cluster or server of a test: in the folder of the test run where there is one,
/// since that is removed at the end whatever becomes of the test.
pub(crate) fn make_own_folder() -> io::Result<PathBuf> {
    let parent = variable("PORTAL_TEST_RUN")
        .filter(|folder| folder.is_dir())
        .unwrap_or_else(std::env::temp_dir);
    let name = format!("portal-redis-{}-{:04x}", std::process::id(), random_number()?);
    let folder = parent.join(name);
    make_private_folder(&folder)?;
    Ok(folder)
}

/// What the test runner says about this machine.
#[expect(clippy::disallowed_methods, reason = "no setting of the portal's")]
pub(crate) fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_program_gets_its_input_and_its_failure_is_told() {
        let limit = Duration::from_secs(20);
        assert_eq!(run(&mut Command::new("cat"), "spoken", limit).unwrap(), "spoken");
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo wrong >&2; exit 3"]);
        let error = run(&mut failing, "", limit).unwrap_err().to_string();
        assert!(error.contains("wrong"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let error = run(Command::new("sleep").arg("600"), "", Duration::from_millis(50));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn private_files_are_replaced_with_their_rights() {
        let folder = make_own_folder().unwrap();
        let file = folder.join("secret");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn passwords_differ_and_need_no_escapes() {
        let password = random_text().unwrap();
        assert_ne!(password, random_text().unwrap());
        assert!(password.len() == 48 && password.chars().all(|c| c.is_ascii_alphanumeric()));
    }
}
