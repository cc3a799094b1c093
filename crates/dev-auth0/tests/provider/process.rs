//! The process: its command line, its one line of output, its end.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Provider, command};

#[test]
fn other_machines_are_not_let_in_by_accident() {
    let output = Command::new(env!("CARGO_BIN_EXE_dev-auth0"))
        .args(["--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("--allow-remote"));
}

#[test]
fn a_wrong_directory_is_named_with_its_fault() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("people-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"people":[{"subject":"auth0|x","name":"X","email":"x"}]}"#).unwrap();
    let output = command(&["--directory", file.to_str().unwrap()]).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && log.contains("the e-mail address of auth0|x"), "{log}");
}

#[tokio::test]
async fn it_stops_when_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let mut provider = Provider::start().await;
        assert_eq!(provider.get("/.well-known/jwks.json").await.status, 200);
        let id = provider.child().id().to_string();
        let kill =
            Command::new("kill").args(["-s", signal, &id]).stdin(Stdio::null()).status().unwrap();
        assert!(kill.success());
        let deadline = Instant::now() + Duration::from_secs(15);
        let status = loop {
            if let Some(status) = provider.child().try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "still running after SIG{signal}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(status.success(), "SIG{signal}: {status}");
    }
}
