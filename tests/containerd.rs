//! Containers of containerd, nerdctl's names, and the pods of Kubernetes.
mod support;

use support::{Container, Containerd, Docker, World, addresses, assert_same, kill, lives_and_dies, snapshot};

#[test]
fn a_container_lives_and_dies() {
    let world = World::new();
    let containerd = Containerd::new(&world);
    let pid = containerd.run("default", "web", "");
    let (report, refusal) = lives_and_dies(&world, "containerd:web", &pid, || kill(&world, &pid));
    assert_eq!(report["runtime"], "containerd");
    assert_eq!(report["target"], "web");
    assert_eq!(report["id"], "web");
    assert_eq!(refusal, "rpipe: target \"containerd:web\": the container is not running, it is stopped");
}

#[test]
fn names_ids_and_namespaces() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let containerd = Containerd::new(&world);
    let id = "8cb9e7363dfaebcd7ee14565e2388fda8203e858266db6dafa4a0d8c44051554";
    let web =
        containerd.run("default", id, "--annotation nerdctl/name=web --annotation nerdctl/namespace=default");
    let web = Container::of(&world, &web);
    let targets = [
        "web",
        "containerd:web",
        "containerd:default/web",
        id,
        &id[..12],
        &format!("containerd:default/{id}"),
    ];
    for (i, target) in targets.into_iter().enumerate() {
        world.line(&format!("br0 -i x{i} {target} 10.0.0.{}/24", i + 2)).ok();
    }
    assert_eq!(web.links(), ["lo", "x0", "x1", "x2", "x3", "x4", "x5"]);
    assert_eq!(world.run("ls /run/netns").ok(), "web\n");

    // The same name in another namespace: then it must be said in which.
    let other =
        containerd.run("other", "c1", "--annotation nerdctl/name=web --annotation nerdctl/namespace=other");
    let said = world.line("br0 containerd:web 10.0.0.20/24").refused(1);
    assert_eq!(
        said,
        format!(
            "rpipe: target \"containerd:web\": it is the name of several (say which: containerd:default/{id}, containerd:other/c1)"
        )
    );
    world.line("br0 containerd:other/web 10.0.0.20/24").ok();
    assert_eq!(addresses(&Container::of(&world, &other).link("eth1")), ["10.0.0.20/24"]);
    // One that has ended is not meant when another runs.
    kill(&world, &other);
    world.line("br0 -i x6 containerd:web 10.0.0.21/24").ok();
    let said = world.line("br0 containerd:nowhere/web 10.0.0.22/24").refused(1);
    assert!(said.contains("no such container"), "{said}");
}

#[test]
fn the_hosts_network_is_refused() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let containerd = Containerd::new(&world);
    containerd.run("default", "web", "--net-host");
    let before = snapshot(&world, &[]);
    let said = world.line("br0 web 10.0.0.2/24").refused(1);
    assert!(said.contains("shares the host's network"), "{said}");
    assert_same(&before, &snapshot(&world, &[]), &said);
}

#[test]
fn a_pod_and_its_containers() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    let containerd = Containerd::new(&world);
    let sandbox = containerd.cri("default", "shop", "s1", None);
    let app = containerd.cri("default", "shop", "a1", Some(("app", &sandbox)));
    assert_ne!(sandbox, app);
    let targets = ["shop", "cri:shop", "cri:default/shop", "cri:shop/app", "cri:default/shop/app"];
    for (i, target) in targets.into_iter().enumerate() {
        world.line(&format!("br0 -i x{i} {target} 10.0.0.{}/24", i + 2)).ok();
    }
    assert_eq!(Container::of(&world, &app).links(), ["lo", "x0", "x1", "x2", "x3", "x4"]);

    let other = containerd.cri("kube-system", "shop", "s2", None);
    let said = world.line("br0 cri:shop 10.0.0.20/24").refused(1);
    assert_eq!(
        said,
        "rpipe: target \"cri:shop\": it is the name of several (say which: cri:default/shop, cri:kube-system/shop)"
    );
    world.line("br0 cri:kube-system/shop 10.0.0.20/24").ok();
    assert_eq!(addresses(&Container::of(&world, &other).link("eth1")), ["10.0.0.20/24"]);
    for word in ["cri:shop/nosuch", "cri:app", "cri:nosuch/shop/app", "cri:shop/app/shop"] {
        let said = world.line(&format!("br0 {word} 10.0.0.21/24")).refused(1);
        assert!(said.contains("no such container"), "{said}");
    }
}

#[test]
fn a_pod_lives_and_dies() {
    let world = World::new();
    let containerd = Containerd::new(&world);
    let pid = containerd.cri("default", "shop", "s1", None);
    let (report, refusal) = lives_and_dies(&world, "cri:shop", &pid, || kill(&world, &pid));
    assert_eq!(report["runtime"], "cri");
    assert_eq!(report["target"], "shop");
    assert_eq!(refusal, "rpipe: target \"cri:shop\": the container is not running, it is stopped");
}

#[test]
fn dockers_containers_are_there_by_id() {
    let world = World::new();
    world.bridge("br0", "10.0.0.1/24");
    // Docker brings a containerd of its own when there is none; here it uses the machine's.
    let containerd = Containerd::new(&world);
    let docker = Docker::with(&world, "--containerd /run/containerd/containerd.sock");
    let id = docker.run("web", "--net=none");
    assert_eq!(containerd.pid("moby", &id), docker.container("web").pid);
    let report = world.line("--json br0 web 10.0.0.2/24").ok();
    assert!(report.contains("\"runtime\":\"docker\""), "{report}");
    let report = world.line(&format!("--json br0 -i eth2 containerd:moby/{id} 10.0.0.3/24")).ok();
    assert!(report.contains("\"runtime\":\"containerd\""), "{report}");
    assert_eq!(docker.container("web").links(), ["lo", "eth1", "eth2"]);
    world.line("br0 containerd:web 10.0.0.4/24").refused(1);
}
