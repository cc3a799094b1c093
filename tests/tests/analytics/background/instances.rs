//! Instances that die or stop while they make an export.

use portal_tests::portal::{Portal, Redis};
use portal_tests::tenant::World;
use portal_tests::waiting::eventually;

use super::{WORKS, asks, becomes, column, files, holds_up_figures, is_told_once, lets_go, period};
use crate::Scene;
use crate::history::SOON;

/// An instance that dies is missed soon.
const SHORT_LEASE: (&str, &str) = ("PORTAL__EXPORTS__LEASE_SECONDS", "3");

#[tokio::test]
async fn an_export_of_an_instance_that_died_is_made_by_another() {
    let world = World::for_purpose("exportsdead").await;
    let scene = Scene::open_in(world, &[WORKS, SHORT_LEASE]).await;
    let held = holds_up_figures(scene.superuser_url()).await;
    let path = asks(&scene.owner, &period()).await;
    let _ = becomes(&scene.owner, &path, "running").await;
    let databases = &scene.world.databases;
    let other = Portal::spawn_with(databases, Redis::Memory, &[WORKS, SHORT_LEASE]).await;
    let owner = scene.owner.at(other.base_url());
    let Scene { world, portal, tenant, owner: before, jobs } = scene;
    let scene = Scene { world, portal: other, tenant, owner, jobs };
    drop(before);
    portal.dies().await;
    eventually("another has taken it", SOON, async || {
        (column::<i16>(&scene, "attempts").await == [2]).then_some(())
    })
    .await;
    lets_go(held).await;
    let ready = becomes(&scene.owner, &path, "ready").await;
    let _ = scene.owner.get(&format!("{path}/file")).await.expect(200);
    is_told_once(&scene, &ready).await;
    assert_eq!(files(&scene.tenant).len(), 1);
}

#[tokio::test]
async fn an_instance_that_comes_back_too_late_changes_nothing() {
    let world = World::for_purpose("exportslate").await;
    let scene = Scene::open_in(world, &[WORKS, SHORT_LEASE]).await;
    let held = holds_up_figures(scene.superuser_url()).await;
    let path = asks(&scene.owner, &period()).await;
    let _ = becomes(&scene.owner, &path, "running").await;
    let other =
        Portal::spawn_with(&scene.world.databases, Redis::Memory, &[WORKS, SHORT_LEASE]).await;
    let late = scene.portal.id().to_string();
    signal("-STOP", &late);
    eventually("another has taken it", SOON, async || {
        (column::<i16>(&scene, "attempts").await == [2]).then_some(())
    })
    .await;
    lets_go(held).await;
    let path_at_other = scene.owner.at(other.base_url());
    let ready = becomes(&path_at_other, &path, "ready").await;
    signal("-CONT", &late);
    eventually("the first one has found out", SOON, async || {
        scene.portal.log().contains("an export was taken over").then_some(())
    })
    .await;
    let file = scene.owner.get(&format!("{path}/file")).await.expect(200);
    assert_eq!(ready["bytes"], file.text.len());
    is_told_once(&scene, &ready).await;
    eventually("its own file is gone", SOON, async || {
        (files(&scene.tenant).len() == 1).then_some(())
    })
    .await;
}

fn signal(name: &str, process: &str) {
    let sent = std::process::Command::new("kill").args([name, process]).status().unwrap();
    assert!(sent.success());
}
