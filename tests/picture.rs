//! The picture of the README: a real run, drawn.
//!
//! `RPIPE_REGENERATE=1 cargo test --test picture` draws it anew.
mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use support::{Docker, World};

/// What is typed.
const TYPED: [&str; 6] = [
    "rpipe br0 web 192.168.0.123/24@192.168.0.1",
    "rpipe br0 web 192.168.0.123/24@192.168.0.1",
    "rpipe br0 db 192.168.0.123/24",
    "rpipe eth0 db 10.1.0.2/24,fd00:1::2/64",
    "rpipe list",
    "rpipe detach web",
];

const STAGE: &str = r"
mkdir -p /run/bin
ln -s RPIPE /run/bin/rpipe
ip link add eth0 type veth peer name eth0p
ip link set eth0p up
# Numbers of processes that are four digits wide, whatever the machine.
echo 4000 >/proc/sys/kernel/ns_last_pid
docker run -d --name web --sysctl net.ipv6.conf.all.disable_ipv6=0 bb:1 sleep infinity
docker run -d --name db --sysctl net.ipv6.conf.all.disable_ipv6=0 bb:1 sleep infinity
";

/// Width of ten letters and height of a line, in the picture's units.
const LETTERS: (usize, usize) = (84, 19);
/// Around the text.
const MARGIN: usize = 16;
/// The bar at the top.
const BAR: usize = 32;

/// What chance has made is always the same in the picture: numbers of processes and MAC addresses.
fn fixed(text: &str, macs: &mut u8) -> String {
    let mut fixed = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        let space = &word[bare.len()..];
        let is_mac = bare.len() == 17 && bare.bytes().filter(|byte| *byte == b':').count() == 5;
        if is_mac {
            *macs += 1;
            let _ = write!(fixed, "{:02x}:9d:1c:5e:70:{:02x}{space}", 0x56 + 8 * *macs, 0xe0 + *macs);
        } else if let Some(number) = bare.strip_prefix("veth1pl") {
            let _ = write!(fixed, "veth1pl{}{space}", &"4711"[..number.len().min(4)]);
        } else {
            fixed.push_str(word);
        }
    }
    fixed
}

/// A line in the colours that it has on the terminal, as elements of a text.
fn spans(line: &str) -> String {
    let mut spans = String::new();
    let mut class = "";
    for (i, piece) in line.split('\u{1b}').enumerate() {
        let (code, text) = match piece.strip_prefix('[').and_then(|piece| piece.split_once('m')) {
            Some((code, text)) if i > 0 => (code, text),
            _ => ("", piece),
        };
        class = match code {
            "" => class,
            "0" => "",
            "1" => "strong",
            "32" => "good",
            "33" => "doubtful",
            "1;31" => "bad",
            other => panic!("no colour of ours: {other:?}"),
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        match (text.as_str(), class) {
            ("", _) => {}
            (text, "") => spans.push_str(text),
            (text, class) => {
                let _ = write!(spans, "<tspan class=\"{class}\">{text}</tspan>");
            }
        }
    }
    spans
}

fn picture(lines: &[String]) -> String {
    let bare = |line: &String| {
        let mut inside = false;
        line.chars()
            .filter(|c| match c {
                '\u{1b}' => {
                    inside = true;
                    false
                }
                'm' if inside => {
                    inside = false;
                    false
                }
                _ => !inside,
            })
            .count()
    };
    let columns = lines.iter().map(bare).max().unwrap_or_default();
    let width = columns * LETTERS.0 / 10 + 2 * MARGIN;
    let height = lines.len() * LETTERS.1 + BAR + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"rpipe on a terminal\">\n\
         <style>text {{ font: 14px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #d8dee9; white-space: pre }} \
         .strong {{ font-weight: bold; fill: #fff }} .good {{ fill: #8fd18f }} .doubtful {{ fill: #ebcb8b }} \
         .bad {{ font-weight: bold; fill: #f0787a }} .prompt {{ fill: #81a1c1 }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1e2430\"/>\n"
    );
    for (i, colour) in ["#f0787a", "#ebcb8b", "#8fd18f"].iter().enumerate() {
        let _ = writeln!(svg, "<circle cx=\"{}\" cy=\"16\" r=\"5\" fill=\"{colour}\"/>", 20 + 18 * i);
    }
    for (i, line) in lines.iter().enumerate() {
        let y = i * LETTERS.1 + BAR + 14;
        let line = match line.strip_prefix("# ") {
            Some(typed) => {
                format!("<tspan class=\"prompt\"># </tspan><tspan class=\"strong\">{}</tspan>", spans(typed))
            }
            None => spans(line),
        };
        let _ = writeln!(svg, "<text x=\"{MARGIN}\" y=\"{y}\">{line}</text>");
    }
    svg.push_str("</svg>\n");
    svg
}

#[test]
fn the_picture_is_what_a_terminal_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/terminal.svg");
    let world = World::new();
    let _docker = Docker::new(&world);
    world.sh(&format!("({}) >/dev/null 2>&1", STAGE.replace("RPIPE", support::RPIPE))).ok();
    let (mut lines, mut macs) = (Vec::new(), 0);
    for typed in TYPED {
        let mut command = world.command("script");
        command.env("PATH", "/run/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("TERM", "xterm").args([
            "-qec",
            &format!("stty -opost; {typed}"),
            "/dev/null",
        ]);
        lines.push(format!("# {typed}"));
        let output = support::finish(&mut command);
        lines.extend(output.stdout.lines().map(|line| fixed(line.trim_end(), &mut macs)));
    }
    let drawn = picture(&lines);
    if std::env::var_os("RPIPE_REGENERATE").is_some() {
        fs::write(&path, &drawn).unwrap();
    }
    assert_eq!(drawn, fs::read_to_string(&path).unwrap_or_default(), "the picture is of another run");
}
