//! The servers that everybody shares, as processes.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::processes::{Processes, parent_of};

/// Redis and Postgres.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) redis: Processes,
    /// Its first process; the others come and go.
    postmaster: u32,
}

impl Servers {
    /// Those behind these addresses.
    pub(super) async fn find(redis_url: &str, postgres_url: &str) -> Self {
        let mut connection = PgConnection::connect(postgres_url).await.unwrap();
        let backend: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await.unwrap();
        let redis = redis_process(redis_url.trim_start_matches("redis://")).await;
        Self {
            redis: Processes::of(&[redis]),
            postmaster: parent_of(u32::try_from(backend).unwrap()),
        }
    }

    /// The processor time of Postgres so far.
    pub(super) fn postgres_cpu(&self) -> Duration {
        Processes::of(&[self.postmaster]).cpu()
    }
}

async fn redis_process(address: &str) -> u32 {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(b"INFO server\r\nQUIT\r\n").await.unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    process_of(&text).expect("Redis says its process")
}

fn process_of(info: &str) -> Option<u32> {
    info.lines().find_map(|line| line.strip_prefix("process_id:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_read_from_what_redis_tells() {
        assert_eq!(process_of("# Server\r\nredis_mode:x\r\nprocess_id:4711\r\n"), Some(4_711));
        assert_eq!(process_of("# Server\r\n"), None);
    }
}
