//! A cluster of a test's own, to break.

#![expect(clippy::panic, reason = "a test whose cluster does not obey fails where it stands")]
#![expect(clippy::missing_panics_doc, reason = "all of them do, and the module says so")]

mod reshard;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::{Cli, LIMIT};
use crate::plan::ClusterPlan;
use crate::ports::Ports;
use crate::process::Process;
use crate::programs::{self, wait_until};
use crate::topology::{Member, Topology};
use crate::users::Login;
use crate::{NODES, form};

/// How often other ports are tried when somebody takes ours before the nodes do.
const ATTEMPTS: usize = 3;

/// Six nodes of a test's own, numbered from 0; 0, 1 and 2 begin as primaries, 3, 4 and 5 as their
/// replicas in that order. Killed, and their folder removed, when this is dropped.
///
/// Its methods block for as long as what they do takes (starting: three seconds), and they panic
/// when it cannot be done: they are for tests. All take `&self`, so that a cluster can be broken
/// while other tasks use it.
#[derive(Debug)]
pub struct OwnCluster {
    nodes: Vec<Process>,
    /// Calls that run beside the test, such as one that puts a node to sleep.
    calls: Mutex<Vec<Child>>,
    plan: ClusterPlan,
}

/// The value, or the end of the test.
#[track_caller]
pub(crate) fn must<T>(what: &str, result: io::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

impl OwnCluster {
    /// Starts one and waits until it is formed.
    #[track_caller]
    pub fn start(redis_server: &Path) -> Self {
        Self::start_with(redis_server, |_plan| {})
    }

    /// As [`OwnCluster::start`], after a look at the plan: for another node timeout, for instance.
    #[track_caller]
    pub fn start_with(redis_server: &Path, change: impl Fn(&mut ClusterPlan)) -> Self {
        let mut attempt = 1;
        loop {
            match Self::try_start(redis_server, &change) {
                Ok(cluster) => return cluster,
                Err(error) if attempt < ATTEMPTS && error.to_string().contains("bind") => {
                    attempt += 1;
                }
                Err(error) => panic!("a Redis Cluster cannot be started: {error}"),
            }
        }
    }

    fn try_start(redis_server: &Path, change: impl Fn(&mut ClusterPlan)) -> io::Result<Self> {
        let folder = programs::make_own_folder()?;
        let mut plan = ClusterPlan::new(&folder, Ports::scattered()?, redis_server)?;
        change(&mut plan);
        let mut cluster = Self { nodes: Vec::with_capacity(NODES), calls: Mutex::default(), plan };
        cluster.plan.prepare()?;
        for (node, command) in cluster.plan.node_commands().into_iter().enumerate() {
            let log = cluster.plan.node_folder(node).join("log");
            cluster.nodes.push(Process::start(command, log)?);
        }
        cluster.plan.form(&mut || cluster.nodes.iter().try_for_each(Process::check))?;
        Ok(cluster)
    }

    /// User `app` over TLS by way of the first node.
    pub fn url(&self) -> String {
        self.plan.url()
    }

    /// The plan: other users' logins and URLs.
    pub fn plan(&self) -> &ClusterPlan {
        &self.plan
    }

    /// What clients have to trust, in PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.plan.ca_file()
    }

    /// The user with the rights that ElastiCache gives.
    pub fn app(&self) -> Login {
        self.plan.app()
    }

    /// The user with exactly the rights that the portal's adapter needs.
    pub fn least(&self) -> Login {
        self.plan.least()
    }

    /// The nodes' ports.
    pub fn ports(&self) -> &[u16] {
        self.plan.ports.all()
    }

    /// Kills a node with SIGKILL; it may be paused.
    #[track_caller]
    pub fn kill(&self, node: usize) {
        must("the node cannot be killed", self.process(node).and_then(Process::kill));
    }

    /// Starts a killed node again, with what it knew of the cluster and without data, and waits
    /// until it answers.
    #[track_caller]
    pub fn restart(&self, node: usize) {
        let restart = || {
            let process = self.process(node)?;
            process.start_again(self.plan.node_command(node))?;
            let cli = self.plan.cli(node, self.plan.admin())?;
            wait_until("the node answers", Instant::now() + LIMIT * 2, || {
                process.check()?;
                Ok(cli.ask(&["ping"]).is_ok_and(|answer| answer == "PONG"))
            })
        };
        must("the node cannot be restarted", restart());
    }

    /// Stops a node with SIGSTOP: its connections stay, and nothing is answered.
    #[track_caller]
    pub fn pause(&self, node: usize) {
        must("the node cannot be paused", self.process(node).and_then(Process::pause));
    }

    /// Lets a paused node go on.
    #[track_caller]
    pub fn resume(&self, node: usize) {
        must("the node cannot be resumed", self.process(node).and_then(Process::resume));
    }

    /// A node's answer to a command of `admin`, as raw text; an error of the node's is text too.
    #[track_caller]
    pub fn admin(&self, node: usize, arguments: &[&str]) -> String {
        self.ask(node, self.plan.admin(), arguments)
    }

    /// As [`OwnCluster::admin`], for another user.
    #[track_caller]
    pub fn ask(&self, node: usize, login: Login, arguments: &[&str]) -> String {
        must("no answer", self.plan.cli(node, login).and_then(|cli| cli.ask(arguments)))
    }

    /// The living nodes to which slots belong.
    #[track_caller]
    pub fn primaries(&self) -> Vec<usize> {
        let view = self.latest_view();
        let mut nodes: Vec<_> = view
            .owners()
            .filter_map(|member| self.index(member))
            .filter(|node| self.is_up(*node))
            .collect();
        nodes.sort_unstable();
        nodes
    }

    /// A living replica of a primary.
    #[track_caller]
    pub fn replica_of(&self, primary: usize) -> Option<usize> {
        let view = self.latest_view();
        let id = &view.at(must("no primary", self.plan.ports.of(primary)))?.id;
        view.members()
            .iter()
            .filter(|member| member.primary.as_ref() == Some(id))
            .filter_map(|member| self.index(member))
            .find(|node| self.is_up(*node))
    }

    /// The node that a slot belongs to, dead or alive.
    #[track_caller]
    pub fn primary_of_slot(&self, slot: u16) -> usize {
        let view = self.latest_view();
        let owner = view.owners().find(|member| member.owns(slot));
        match owner.and_then(|member| self.index(member)) {
            Some(node) => node,
            None => panic!("slot {slot} belongs to nobody"),
        }
    }

    /// A planned failover: the replica takes over while its primary lives, and nothing is lost.
    /// Returns when the replica is a primary.
    #[track_caller]
    pub fn fail_over(&self, replica: usize) {
        let answer = self.admin(replica, &["cluster", "failover"]);
        assert!(answer == "OK", "a failover to node {replica} is refused: {answer}");
        let fail_over = wait_until("the replica takes over", Instant::now() + LIMIT * 2, || {
            Ok(self.primaries().contains(&replica))
        });
        must("the failover does not end", fail_over);
    }

    /// Whether all nodes that answer say `cluster_state:ok`, and all slots belong, in the eyes of
    /// each of them, to nodes that answer. Dead, paused and sleeping nodes do not.
    pub fn is_ok(&self) -> bool {
        let views = self.views();
        !views.is_empty()
            && views.iter().all(|(cli, view)| {
                let answers =
                    |member: &Member| views.iter().any(|(other, _)| other.port == member.port);
                view.covers_all_slots()
                    && view.owners().all(|member| !member.has_failed && answers(member))
                    && form::is_well(cli)
            })
    }

    /// Waits for [`OwnCluster::is_ok`]; how long that took.
    #[track_caller]
    pub fn wait_until_ok(&self, limit: Duration) -> Duration {
        wait("the cluster is well", limit, || self.is_ok())
    }

    /// Waits until the cluster is well, every primary has a replica that is in step, and all nodes
    /// that run know it.
    #[track_caller]
    pub fn wait_until_whole(&self, limit: Duration) -> Duration {
        wait("every primary has a replica", limit, || {
            self.is_ok()
                && self.views().iter().all(|(_, view)| self.has_replicas(view))
                && self.primaries().iter().all(|primary| {
                    self.admin(*primary, &["info", "replication"]).contains("state=online")
                })
        })
    }

    /// Cuts the connections of all clients of a node, subscribers included.
    #[track_caller]
    pub fn kill_connections(&self, node: usize) {
        self.admin(node, &["client", "kill", "type", "normal"]);
        self.admin(node, &["client", "kill", "type", "pubsub"]);
    }

    /// Lets a node hold back the answers to all commands, or to writes only.
    #[track_caller]
    pub fn client_pause(&self, node: usize, time: Duration, writes_only: bool) {
        let mode = if writes_only { "WRITE" } else { "ALL" };
        let time = time.as_millis().to_string();
        let answer = self.admin(node, &["client", "pause", &time, mode]);
        assert!(answer == "OK", "CLIENT PAUSE is refused: {answer}");
    }

    /// Puts a node to sleep with `DEBUG SLEEP`; returns at once.
    #[track_caller]
    pub fn debug_sleep(&self, node: usize, time: Duration) {
        let cli = must("no such node", self.plan.cli(node, self.plan.admin()));
        let call = must("redis-cli does not run", sleep_call(&cli, time));
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    fn process(&self, node: usize) -> io::Result<&Process> {
        self.nodes.get(node).ok_or_else(|| io::Error::other(format!("there is no node {node}")))
    }

    fn is_up(&self, node: usize) -> bool {
        self.process(node).is_ok_and(Process::is_up)
    }

    fn index(&self, member: &Member) -> Option<usize> {
        self.ports().iter().position(|port| *port == member.port)
    }

    /// What the nodes that answer believe. They are asked at the same time: a node that hangs is
    /// waited for.
    fn views(&self) -> Vec<(Cli, Topology)> {
        let running = (0..NODES).filter(|node| self.is_up(*node));
        let clis = running.filter_map(|node| self.plan.cli(node, self.plan.admin()).ok());
        thread::scope(|scope| {
            let questions: Vec<_> = clis
                .map(|cli| {
                    scope.spawn(move || {
                        let view = form::view(&cli);
                        (cli, view)
                    })
                })
                .collect();
            let answers = questions.into_iter().filter_map(|question| question.join().ok());
            answers.filter(|(_, view)| !view.members().is_empty()).collect()
        })
    }

    /// The view of the node that knows of the latest change: one that has just come back lags.
    fn latest_view(&self) -> Topology {
        let views = self.views().into_iter().map(|(_, view)| view);
        views.max_by_key(Topology::latest_epoch).unwrap_or_else(|| Topology::parse(""))
    }

    fn has_replicas(&self, view: &Topology) -> bool {
        view.owners().all(|owner| {
            let mut replicas = view
                .members()
                .iter()
                .filter(|member| member.primary.as_ref() == Some(&owner.id) && !member.has_failed);
            replicas.any(|replica| self.index(replica).is_some_and(|node| self.is_up(node)))
        })
    }
}

#[track_caller]
fn wait(what: &str, limit: Duration, is_so: impl Fn() -> bool) -> Duration {
    let since = Instant::now();
    let result = wait_until(what, since + limit, || Ok(is_so()));
    must("the cluster does not recover", result);
    since.elapsed()
}

/// Starts a call that puts a server to sleep.
pub(crate) fn sleep_call(cli: &Cli, time: Duration) -> io::Result<Child> {
    let mut call = cli.command();
    call.args(["debug", "sleep", &time.as_secs_f64().to_string()]);
    call.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

/// Ends calls whose answers nobody waits for.
pub(crate) fn end_calls(calls: &Mutex<Vec<Child>>) {
    for mut call in calls.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _gone_already = call.kill();
        let _reaped = call.wait();
    }
}

impl Drop for OwnCluster {
    fn drop(&mut self) {
        end_calls(&self.calls);
        self.nodes.clear();
        let _gone_already = fs::remove_dir_all(&self.plan.folder);
    }
}
