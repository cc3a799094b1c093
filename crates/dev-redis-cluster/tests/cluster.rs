//! A real cluster: it forms, it has the users it promises, it survives what tests do to it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use dev_redis_cluster::{
    NODES, OwnCluster, OwnServer, PRIMARIES, ServerOptions, redis_server_program, slot_of_key,
};

const LIMIT: Duration = Duration::from_secs(20);

fn cluster() -> OwnCluster {
    OwnCluster::start(&redis_server_program())
}

/// A key in the slots of that node.
fn key_on(cluster: &OwnCluster, node: usize) -> String {
    let mut keys = (0..).map(|number| format!("key-{number}"));
    keys.find(|key| cluster.primary_of_slot(slot_of_key(key.as_bytes())) == node)
        .unwrap_or_default()
}

#[test]
fn a_cluster_forms_with_the_users_it_promises() {
    let cluster = cluster();
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    for primary in 0..PRIMARIES {
        assert_eq!(cluster.replica_of(primary), Some(primary + PRIMARIES));
    }
    let (app, least) = (cluster.app(), cluster.least());
    assert_eq!(cluster.ask(0, app.clone(), &["ping"]), "PONG");
    for command in [&["config", "get", "*"][..], &["debug", "sleep", "0"], &["cluster", "reset"]] {
        let answer = cluster.ask(0, app.clone(), command);
        assert!(answer.starts_with("NOPERM"), "{command:?}: {answer}");
    }
    let key = key_on(&cluster, 0);
    assert_eq!(cluster.ask(0, least.clone(), &["set", &key, "value"]), "OK");
    assert_eq!(cluster.ask(0, least.clone(), &["get", &key]), "value");
    let slots = cluster.ask(0, least.clone(), &["cluster", "slots"]);
    assert_eq!(slots.lines().filter(|line| *line == "localhost").count(), NODES, "{slots}");
    for command in [&["keys", "*"][..], &["flushall"], &["cluster", "nodes"], &["client", "list"]] {
        let answer = cluster.ask(0, least.clone(), command);
        assert!(answer.starts_with("NOPERM"), "{command:?}: {answer}");
    }
    let nobody = dev_redis_cluster::Login { password: "wrong".into(), ..app };
    assert!(cluster.ask(0, nobody, &["ping"]).contains("NOAUTH"));
}

#[test]
fn a_killed_or_paused_primary_is_replaced_and_comes_back_as_a_replica() {
    let cluster = cluster();
    let limit = cluster.plan().node_timeout + Duration::from_secs(3);
    cluster.kill(0);
    assert!(!cluster.is_ok(), "its slots are still with a dead node");
    cluster.wait_until_ok(limit);
    assert_eq!(cluster.primaries(), [1, 2, 3]);
    cluster.restart(0);
    cluster.wait_until_whole(LIMIT);
    assert_eq!(cluster.replica_of(3), Some(0));

    cluster.pause(1);
    cluster.wait_until_ok(limit);
    assert_eq!(cluster.primaries(), [2, 3, 4]);
    cluster.resume(1);
    cluster.wait_until_whole(LIMIT);

    cluster.fail_over(0);
    cluster.wait_until_whole(LIMIT);
    assert_eq!(cluster.primaries(), [0, 2, 4]);
}

#[test]
fn without_a_majority_nobody_takes_over() {
    let cluster = cluster();
    cluster.kill(0);
    cluster.kill(1);
    let deadline = Instant::now() + LIMIT;
    while cluster.admin(2, &["cluster", "info"]).contains("cluster_state:ok") {
        assert!(Instant::now() < deadline, "the last primary goes on alone");
    }
    assert!(!cluster.is_ok());
    cluster.restart(0);
    cluster.restart(1);
    cluster.wait_until_whole(LIMIT);
}

#[test]
fn slots_move_with_their_keys() {
    let cluster = cluster();
    let key = key_on(&cluster, 0);
    let slot = slot_of_key(key.as_bytes());
    let odd = format!("odd \"\\\n\t{{{key}}}");
    for name in [&key, &odd] {
        assert_eq!(cluster.admin(0, &["set", name, "value"]), "OK");
    }
    let first = slot.saturating_sub(40);
    cluster.move_slots(0, 1, first..=slot);
    cluster.wait_until_ok(LIMIT);
    assert_eq!(cluster.primary_of_slot(slot), 1);
    assert_eq!(cluster.primary_of_slot(first), 1);
    for name in [&key, &odd] {
        assert_eq!(cluster.admin(1, &["get", name]), "value");
        assert!(cluster.admin(0, &["get", name]).starts_with("MOVED"));
    }
}

#[test]
fn a_sleeping_or_pausing_node_keeps_its_clients_waiting() {
    let cluster = cluster();
    let key = key_on(&cluster, 2);
    let time = Duration::from_millis(400);
    let since = Instant::now();
    cluster.client_pause(2, time, true);
    assert_eq!(cluster.ask(2, cluster.app(), &["get", &key]), "");
    assert_eq!(cluster.ask(2, cluster.app(), &["set", &key, "value"]), "OK");
    assert!(since.elapsed() >= time, "{:?}", since.elapsed());

    cluster.debug_sleep(2, Duration::from_secs(1));
    let deadline = Instant::now() + LIMIT;
    let mut slowest = Duration::ZERO;
    while slowest < Duration::from_millis(500) {
        assert!(Instant::now() < deadline, "it never slept");
        let since = Instant::now();
        assert_eq!(cluster.ask(2, cluster.app(), &["get", &key]), "value");
        slowest = since.elapsed();
    }
    cluster.kill_connections(2);
    assert!(cluster.is_ok());
}

#[test]
fn a_primary_that_sleeps_too_long_is_replaced() {
    let cluster = cluster();
    cluster.debug_sleep(1, Duration::from_secs(8));
    let deadline = Instant::now() + LIMIT;
    while cluster.is_ok() {
        assert!(Instant::now() < deadline, "it never slept");
    }
    let time = cluster.wait_until_ok(cluster.plan().node_timeout + Duration::from_secs(4));
    assert_eq!(cluster.primaries(), [0, 2, 4], "after {time:?}");
}

#[test]
fn nothing_is_left_behind() {
    let (folder, ports) = {
        let cluster = cluster();
        cluster.pause(5);
        assert!(cluster.ca_file().is_file());
        (cluster.plan().folder.clone(), cluster.ports().to_vec())
    };
    assert!(!folder.exists());
    assert_eq!(processes_of(&folder), 0);
    for port in ports {
        assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok(), "port {port} is in use");
    }
}

/// Processes that were started in a folder; none are found where there is no `/proc`.
fn processes_of(folder: &Path) -> usize {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let folders = processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
    folders.filter(|found| found.starts_with(folder)).count()
}

#[test]
fn a_single_server_has_what_its_options_say() {
    let program = redis_server_program();
    let plain = OwnServer::start(&program, ServerOptions::default());
    assert_eq!(plain.url(), format!("redis://localhost:{}", plain.port()));
    assert_eq!(plain.ask(&["set", "a", "b"]), "OK");
    plain.kill();
    plain.restart();
    assert_eq!(plain.ask(&["get", "a"]), "", "it keeps nothing");

    let options = ServerOptions { with_password: true, with_tls: true };
    let secure = OwnServer::start(&program, options);
    assert!(secure.url().starts_with("rediss://:") && secure.ca_file().unwrap().is_file());
    assert_eq!(secure.ask(&["ping"]), "PONG");
    secure.pause();
    secure.resume();
    assert_eq!(secure.ask(&["ping"]), "PONG");
}
