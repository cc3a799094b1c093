//! A container credentials endpoint that answers as a test tells it to.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// What it does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing, for as long as the other side waits.
    Silence,
}

impl Answer {
    pub(crate) fn body(status: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        Self::Bytes(text.into_bytes())
    }

    pub(crate) fn keys(access_key_id: &str, expiration: &str) -> Self {
        let body = serde_json::json!({
            "AccessKeyId": access_key_id,
            "SecretAccessKey": "marker-secret-key",
            "Token": "marker-session-token",
            "Expiration": expiration,
            "RoleArn": "arn:aws:iam::123456789012:role/portal",
        });
        Self::body("200 OK", &body.to_string())
    }
}

pub(crate) struct Endpoint {
    pub(crate) url: Url,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<String>>>,
    _server: AbortOnDropHandle<()>,
}

#[expect(clippy::disallowed_methods, reason = "the task is owned by the handle that aborts it")]
fn owned(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

impl Endpoint {
    pub(crate) async fn start(first: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(Mutex::new(first));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = serve(listener, Arc::clone(&answer), Arc::clone(&requests));
        Self {
            url: format!("http://127.0.0.1:{port}/v2/credentials/marker-path").parse().unwrap(),
            answer,
            requests,
            _server: owned(server),
        }
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// The requests until now, each with its headers.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(
    listener: TcpListener,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    // Held, so that an unanswered connection stays open.
    let mut unanswered = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = head(&mut stream).await;
        requests.lock().unwrap().push(request);
        let answer = answer.lock().unwrap().clone();
        match answer {
            Answer::Bytes(bytes) => {
                // Who asked may have gone after having read enough.
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            }
            Answer::Silence => unanswered.push(stream),
        }
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap() == 0 {
            break;
        }
        read.extend_from_slice(&byte);
    }
    String::from_utf8(read).unwrap()
}
