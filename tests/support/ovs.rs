//! A real Open vSwitch inside a world, with its userspace datapath: no kernel module is needed.

use std::process::Command;

use serde_json::{Map, Value};

use super::snapshot::{assert_same, snapshot};
use super::world::{Container, Output, RPIPE, World, finish, words};

/// A database server and a switch whose files all lie on the world's own `/run`.
pub struct Ovs<'w> {
    pub world: &'w World,
}

const DIRECTORY: &str = "/run/openvswitch";

impl<'w> Ovs<'w> {
    pub fn new(world: &'w World) -> Self {
        let ovs = Self { world };
        world
            .sh(&format!(
                "mkdir {DIRECTORY}
                 ovsdb-tool create {DIRECTORY}/conf.db /usr/share/openvswitch/vswitch.ovsschema"
            ))
            .ok();
        ovs.start("ovsdb-server", &format!("{DIRECTORY}/conf.db --remote=punix:{DIRECTORY}/db.sock"));
        // Waits until the database answers.
        ovs.vsctl("--retry --timeout=30 --no-wait init").ok();
        ovs.start("ovs-vswitchd", "");
        ovs
    }

    fn start(&self, program: &str, options: &str) {
        let files = format!(
            "--pidfile={DIRECTORY}/{program}.pid --log-file={DIRECTORY}/{program}.log \
             --unixctl={DIRECTORY}/{program}.ctl {options}"
        );
        self.world.daemon(self.world.command(program).args(words(&files)));
    }

    /// Ends one of the two for good, between one moment and the next.
    pub fn kill(&self, program: &str) {
        self.world
            .sh(&format!(
                "pid=$(cat {DIRECTORY}/{program}.pid)
                 kill -9 $pid
                 timeout 20 tail -f --pid=$pid /dev/null"
            ))
            .ok();
    }

    /// `ovs-vsctl …`, words without quotes.
    pub fn vsctl(&self, line: &str) -> Output {
        finish(self.world.command("ovs-vsctl").args(words(line)))
    }

    /// A bridge whose own interface is up and has an address, without the link-local one that the kernel adds in
    /// its own time.
    pub fn bridge(&self, name: &str, address: &str) {
        self.vsctl(&format!("--timeout=30 add-br {name} -- set Bridge {name} datapath_type=netdev")).ok();
        self.world
            .sh(&format!(
                "ip link set {name} addrgenmode none
                 ip link set {name} up
                 ip addr add {address} dev {name}"
            ))
            .ok();
    }

    /// The ports of a bridge.
    pub fn ports(&self, bridge: &str) -> Vec<String> {
        let ports = self.vsctl(&format!("list-ports {bridge}")).ok();
        ports.lines().map(str::to_owned).collect()
    }

    /// The `external-ids` of a record.
    pub fn ids(&self, table: &str, name: &str) -> Map<String, Value> {
        let found = self.find("external_ids", table, name);
        let pairs = found[1].as_array().unwrap().iter();
        pairs.map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone())).collect()
    }

    /// A column of the one record of that name.
    pub fn find(&self, column: &str, table: &str, name: &str) -> Value {
        let mut command = self.world.command("ovs-vsctl");
        command.args(["--format=json", &format!("--columns={column}"), "find", table]);
        let text = finish(command.arg(format!("name={}", Value::from(name)))).ok();
        let table: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(table["data"].as_array().unwrap().len(), 1, "{name}: {table}");
        table["data"][0][0].clone()
    }

    /// All that rpipe could have changed in the database.
    pub fn state(&self) -> String {
        let columns = "--columns=name,external_ids";
        let mut lines: Vec<_> = self
            .vsctl(&format!(
                "--format=csv {columns},other_config,datapath_type list Bridge -- {columns},tag list Port -- \
                 {columns},type list Interface"
            ))
            .ok()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines.join("\n") + &self.vsctl("show").ok()
    }
}

/// The line must fail and change nothing; gives the line of the error.
#[track_caller]
pub fn fails(ovs: &Ovs, container: &Container, before: &str, after: &str) -> String {
    let (state, records) = (snapshot(ovs.world, &[container]), ovs.state());
    let said = ovs.world.line(&format!("{before} {} {after}", container.target())).refused(1);
    assert_same(&state, &snapshot(ovs.world, &[container]), &said);
    assert_same(&records, &ovs.state(), &said);
    said
}

/// The same, for a line that was run by other means.
#[track_caller]
pub fn unchanged(ovs: &Ovs, container: &Container, command: &mut Command) -> String {
    let (state, records) = (snapshot(ovs.world, &[container]), ovs.state());
    let said = finish(command).refused(1);
    assert_same(&state, &snapshot(ovs.world, &[container]), &said);
    assert_same(&records, &ovs.state(), &said);
    said
}

/// Puts another `ovs-vsctl` before the real one, which its script gets as `$real`.
pub fn replace_vsctl(world: &World, script: &str) {
    world.sh("mkdir -p /run/bin").ok();
    let file = world.path("/run/bin/ovs-vsctl");
    std::fs::write(&file, format!("#!/bin/sh\nreal=/usr/bin/ovs-vsctl\n{script}\n")).unwrap();
    world.sh("chmod +x /run/bin/ovs-vsctl").ok();
}

/// rpipe that finds that one.
pub fn with_vsctl(world: &World, script: &str) -> Command {
    replace_vsctl(world, script);
    rpipe_with_path(world)
}

pub fn rpipe_with_path(world: &World) -> Command {
    let mut command = world.command(RPIPE);
    command.env("PATH", "/run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// Bridges are made with the userspace datapath, as one does where the kernel has none.
pub const IN_USERSPACE: &str = r#"case " $* " in
    *" add-br ovs7 "*) exec $real "$@" -- set Bridge ovs7 datapath_type=netdev;;
    *) exec $real "$@";;
esac"#;
