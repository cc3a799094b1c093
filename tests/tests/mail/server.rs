//! A mail server that is well, refuses, or says nothing.

use std::sync::{Arc, Mutex};

use portal_tests::waiting::eventually;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{Office, SOON, header};

#[derive(Debug, Default)]
struct Seen {
    /// What it answers to the address of the person, in turn; then 250.
    answers: Vec<&'static str>,
    mails: Vec<String>,
    connections: usize,
}

struct MailServer {
    url: String,
    seen: Arc<Mutex<Seen>>,
    listening: JoinHandle<()>,
}

impl MailServer {
    #[expect(clippy::disallowed_methods, reason = "aborted when the server is dropped")]
    async fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen { answers: answers.to_vec(), ..Seen::default() }));
        let state = Arc::clone(&seen);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                state.lock().unwrap().connections += 1;
                tokio::spawn(converse(stream, Arc::clone(&state)));
            }
        });
        Self { url, seen, listening }
    }

    fn mails(&self) -> Vec<String> {
        self.seen.lock().unwrap().mails.clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn converse(stream: TcpStream, seen: Arc<Mutex<Seen>>) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250 test",
            "RCPT" => {
                let mut seen = seen.lock().unwrap();
                if seen.answers.is_empty() { "250 fine" } else { seen.answers.remove(0) }
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await.ok()? {
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push_str("\r\n");
                }
                seen.lock().unwrap().mails.push(mail);
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
    Some(())
}

#[tokio::test]
async fn what_a_server_cannot_take_now_is_tried_again() {
    let server = MailServer::start(&["451 later"]).await;
    let settings = [("SMTP_URL", server.url.as_str()), ("MAIL_FROM", "portal@example.com")];
    let office = Office::opens("mailsmtp", &settings).await;
    office.tells_the_owner().await;
    // A minute at least.
    let again =
        "mail_due_at BETWEEN now() + interval '30 seconds' AND now() + interval '2 minutes'";
    office.until_there_are(1, again).await;
    assert!(server.mails().is_empty());
    office.changes("UPDATE notifications SET mail_due_at = now() WHERE tenant_id = $1").await;
    let mails = eventually("the mail is taken", SOON, async || {
        Some(server.mails()).filter(|mails| !mails.is_empty())
    })
    .await;
    assert!(header(&mails[0], "From").contains("portal@example.com"));
    office.until_there_are(0, "mail_due_at IS NOT NULL").await;
    assert_eq!(server.mails().len(), 1);
    assert!(!office.portal.log().contains("-owner@"), "the log names nobody");
}

#[tokio::test]
async fn what_a_server_refuses_for_good_is_given_up() {
    let server = MailServer::start(&["550 nobody here"]).await;
    let settings = [("SMTP_URL", server.url.as_str())];
    let office = Office::opens("mailrefused", &settings).await;
    office.tells_the_owner().await;
    office.until_there_are(1, "kind = 'export_ready'").await;
    eventually("it was tried", SOON, async || {
        (server.seen.lock().unwrap().connections > 0).then_some(())
    })
    .await;
    office.until_there_are(0, "mail_due_at IS NOT NULL").await;
    assert!(server.mails().is_empty());
}
