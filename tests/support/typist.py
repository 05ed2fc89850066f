"""Types into a real shell at a terminal: typist.py SHELL, with what to do as JSON on standard input.

    {"setup": lines of the shell's language, "typed": [what is typed before the tab, ...], "run": whether to press Enter then}

Answers with a list: the words that the completion script offered, the command line that the tab left, and, when it was run,
the words that `rpipe` was called with. Nothing is waited for but what the shell itself says that it has done: a key that is
bound writes the command line into a file, and then a word to the terminal that nobody has typed.
"""
import json
import os
import shutil
import sys
import tempfile

import pexpect

DUMP, CLEAR = "\x18d", "\x15"
SAID, RAN, PROMPT = "done-dumping", "done-running", "ready-to-type>"

SETUP = {
    "bash": r"""
bind 'set enable-bracketed-paste off'
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set bell-style none'
%(setup)s
if declare -F _rpipe >/dev/null; then
    body=$(declare -f _rpipe)
    eval "asked ${body#_rpipe}"
    _rpipe() { asked "$@"; printf '%%s\n' "${COMPREPLY[@]}" >"$FILES/offered"; }
fi
rpipe() { printf '%%s\n' "$@" >"$FILES/ran"; printf 'done-%%s' running; }
dump() { printf '%%s' "$READLINE_LINE" >"$FILES/line"; printf 'done-%%s' dumping; }
bind -x '"\C-xd": dump'
PS1=ready-; PS1+='to-type>'
""",
    "zsh": r"""
unsetopt beep zle_bracketed_paste
LISTMAX=10000
bindkey -e
autoload -U compinit
%(setup)s
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
    local -a offered
    builtin compadd -A offered "$@"
    print -lr -- $offered >>$FILES/offered
    builtin compadd "$@"
}
rpipe() { print -lr -- "$@" >$FILES/ran; print -n done-; print -n running }
dump() { print -rn -- "$BUFFER" >$FILES/line; print -n done-; print -n dumping }
zle -N dump
bindkey '^Xd' dump
PS1=ready-; PS1+='to-type>'
""",
    "fish": r"""
%(setup)s
function rpipe; printf '%%s\n' $argv >$FILES/ran; printf 'done-%%s' running; end
function dump; commandline >$FILES/line; printf 'done-%%s' dumping; end
bind \cxd dump
bind \cu kill-whole-line
function fish_prompt; printf 'ready-%%s' 'to-type>'; end
""",
}
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}


def contents(name):
    try:
        with open(os.path.join(os.environ["FILES"], name), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None
    finally:
        if os.path.exists(os.path.join(os.environ["FILES"], name)):
            os.remove(os.path.join(os.environ["FILES"], name))


def line_of(shell, keys):
    shell.send(keys + DUMP)
    shell.expect_exact(SAID)
    return contents("line").removesuffix("\n")


def typed(shell, text, run):
    contents("offered")
    line = line_of(shell, text + "\t")
    answer = {"line": line, "offered": (contents("offered") or "").splitlines(), "ran": None}
    if run:
        shell.send("\r")
        shell.expect_exact(RAN)
        shell.expect_exact(PROMPT)
        answer["ran"] = (contents("ran") or "").splitlines()
    elif line_of(shell, CLEAR) != "":
        raise RuntimeError("the line is not empty")
    return answer


def main():
    name = sys.argv[1]
    todo = json.load(sys.stdin)
    files = tempfile.mkdtemp(prefix="rpipe-typist-")
    os.environ.update(FILES=files, TERM="dumb", INPUTRC="/dev/null", HISTFILE="", HOME=files, ZDOTDIR=files)
    try:
        with open(f"{files}/setup", "w", encoding="utf-8") as file:
            file.write(SETUP[name] % {"setup": todo["setup"]})
        words = SHELLS[name]
        os.mkdir(f"{files}/cwd")
        shell = pexpect.spawn(
            words[0], words[1:], cwd=f"{files}/cwd", encoding="utf-8", dimensions=(100, 500), timeout=60
        )
        shell.delaybeforesend = None
        shell.sendline(f". {files}/setup")
        shell.expect_exact(PROMPT)
        answers = [typed(shell, text, todo.get("run", False)) for text in todo["typed"]]
        shell.close(force=True)
        left = os.listdir(f"{files}/cwd")
        json.dump({"answers": answers, "left": left}, sys.stdout)
    finally:
        shutil.rmtree(files)


main()
