//! Two instances of Nchan, nginx's module for publishing to those who listen, over one Redis.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::contender::{Contender, Publisher};
use super::crowd::Door;
use super::processes::Processes;
use crate::environment;
use crate::portal::free_port;
use crate::waiting::eventually;

const STARTS: Duration = Duration::from_secs(10);

/// The pair; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Nchan {
    instances: Vec<Instance>,
}

#[derive(Debug)]
struct Instance {
    address: SocketAddr,
    process: Child,
    folder: PathBuf,
}

impl Nchan {
    pub(super) async fn starts(redis: &str) -> Self {
        let mut instances = Vec::new();
        for _ in 0..2 {
            instances.push(Instance::starts(redis).await);
        }
        Self { instances }
    }

    /// Everybody listens to one channel, half of them at each instance. It is a new one for each
    /// `name`.
    pub(super) fn contender(&self, name: &str, listeners: usize) -> Contender {
        let door = |number: usize| {
            let instance = number % self.instances.len();
            Door {
                address: self.instances[instance].address,
                instance,
                path: format!("/listen/{name}"),
                headers: String::new(),
                is_greeted: false,
            }
        };
        let masters: Vec<u32> =
            self.instances.iter().map(|instance| instance.process.id().expect("it runs")).collect();
        Contender {
            processes: Processes::of(&masters),
            doors: (0..listeners).map(door).collect(),
            publisher: Publisher::Channel {
                address: self.instances[0].address,
                path: format!("/publish/{name}"),
            },
        }
    }
}

impl Instance {
    async fn starts(redis: &str) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let name = format!("portal-bench-nchan-{}", address.port());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("nginx.conf");
        let text = configuration(&environment::nchan_module(), &folder, address, redis);
        std::fs::write(&file, text).unwrap();
        let process = Command::new(environment::nginx())
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(folder.join("error.log"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nginx can be started");
        let instance = Self { address, process, folder };
        eventually("nginx listens", STARTS, async || {
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        instance
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join("error.log")).unwrap_or_default();
            eprintln!("nginx said:\n{log}");
        }
        // Its master has to end its worker: killed, it would leave it behind.
        if let Some(id) = self.process.id() {
            let asked =
                std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status();
            drop(asked);
            let begun = std::time::Instant::now();
            while begun.elapsed() < STARTS && matches!(self.process.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// One worker, as there is one core for all servers; no log of requests.
fn configuration(module: &Path, folder: &Path, address: SocketAddr, redis: &str) -> String {
    let (module, folder) = (module.display(), folder.display());
    format!(
        "load_module {module};
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream shared {{ nchan_redis_server {redis}; }}
    server {{
        listen {address} backlog=4096;
        location ~ ^/publish/([a-z0-9-]+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
            nchan_redis_pass shared;
        }}
        location ~ ^/listen/([a-z0-9-]+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            nchan_redis_pass shared;
        }}
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_here_only_and_shares_redis() {
        let text = configuration(
            Path::new("/m.so"),
            Path::new("/tmp/x"),
            SocketAddr::from((Ipv4Addr::LOCALHOST, 21_000)),
            "redis://127.0.0.1:22000",
        );
        assert!(text.contains("listen 127.0.0.1:21000 "), "{text}");
        assert!(text.contains("nchan_redis_server redis://127.0.0.1:22000;"), "{text}");
        assert_eq!(text.matches("nchan_redis_pass shared;").count(), 2);
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
