#!/bin/sh
# Installs rpipe with its man pages and completions, or removes it; `./install.sh --help` tells how.
#
# Beside it lies either the binary, in an unpacked release, or the source, which is built first. What was installed, and
# which directories were made for it, is written down in PREFIX/share/rpipe/installed: --uninstall removes just that.
set -eu
umask 022
export LC_ALL=C

usage() {
    cat <<'END'
Usage: ./install.sh [--pipework]        install rpipe, over an older one too
       ./install.sh --uninstall         remove what was installed
       ./install.sh --build [TARGET]    only build the binary, and print where it is

  --pipework    also make `pipework` a link to rpipe, unless there is one already
  TARGET        what cargo calls the machine it is for: this one, or another

  PREFIX        where to: /usr/local for root, ~/.local for others
  DESTDIR       a directory that stands for / (to make a package)

Without a binary beside it, it builds one: that needs cargo and cc.
END
}

die() {
    echo "install.sh: $*" >&2
    exit 1
}

# Adds a flag for rustc as cargo's configuration has it, in the way of TOML.
flag() {
    flags="$flags\"$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')\", "
}

# Builds the static binary, with musl where Rust has it, else with glibc, and prints its path.
#
# The same source and the same Rust make the same bytes on any machine: the linker is Rust's own, and no path of this
# machine is in them.
build() {
    [ -f "$here/Cargo.toml" ] || die "$here: neither a binary nor source to build one from"
    cd "$here"
    command -v cargo >/dev/null || die "building: no cargo (https://rustup.rs installs it)"
    command -v cc >/dev/null || die "building: no cc (apt-get install gcc libc6-dev)"
    sysroot=$(rustc --print sysroot)
    rust=$(rustc -vV)
    host=$(echo "$rust" | sed -n 's/^host: //p')
    flags=
    if [ -z "$target" ]; then
        target=$(uname -m)-unknown-linux-musl
        if [ ! -d "$sysroot/lib/rustlib/$target/lib" ]; then
            target=$host
            flag -Ctarget-feature=+crt-static
            # Flags in the environment come instead of those of the configuration.
            [ -z "${RUSTFLAGS:-}" ] || export RUSTFLAGS="$RUSTFLAGS -Ctarget-feature=+crt-static"
        fi
    elif [ ! -d "$sysroot/lib/rustlib/$target/lib" ]; then
        die "building: no Rust for $target (rustup target add $target)"
    fi
    # The sources have to be there before it can be said where they are.
    cargo fetch --locked --target "$target" >&2 || die "building: cargo failed"
    for sources in "${CARGO_HOME:-${HOME:-}/.cargo}"/registry/src/*/; do
        flag "--remap-path-prefix=${sources%/}=/cargo"
    done
    # Where the component rust-src is, rustc names the standard library's files as they lie here.
    flag "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rustc/$(echo "$rust" | sed -n 's/^commit-hash: //p')"
    set -- --config "target.$target.rustflags=[$flags]"
    case $target in
    *-musl)
        [ ! -x "$sysroot/lib/rustlib/$host/bin/rust-lld" ] || set -- "$@" --config "target.$target.linker='rust-lld'"
        ;;
    esac
    # With --target the flags are for the binary only, not for what runs during the build.
    cargo build --release --locked --target "$target" --target-dir "$here/target" "$@" >&2 ||
        die "building: cargo failed"
    echo "$here/target/$target/release/rpipe"
}

# What is installed: mode, place below PREFIX, file.
contents() {
    echo "644 share/bash-completion/completions/rpipe $here/completions/rpipe.bash"
    echo "644 share/zsh/site-functions/_rpipe $here/completions/_rpipe"
    echo "644 share/fish/vendor_completions.d/rpipe.fish $here/completions/rpipe.fish"
    for page in "$here"/man/*.1; do
        echo "644 share/man/man1/${page##*/} $page"
    done
    # Last: the rest is there when it can be called.
    echo "755 bin/rpipe $binary"
}

# The directories above a path that are not there, each with a slash at its end.
missing_directories() {
    directory=${1%/*}
    while [ -n "$directory" ] && [ ! -d "$destdir$directory" ]; do
        echo "$directory/"
        directory=${directory%/*}
    done
}

# put MODE PLACE FILE: whole or not at all, also over a binary that is running.
put() {
    to=$destdir$prefix/$2
    [ ! -d "$to" ] || die "$to: is a directory"
    mkdir -p "${to%/*}"
    temporary=${to%/*}/.rpipe.$$
    cp "$3" "$temporary"
    chmod "$1" "$temporary"
    mv -f "$temporary" "$to"
    temporary=
}

is_our_link() {
    [ -L "$destdir$link" ] && [ "$(readlink "$destdir$link")" = rpipe ]
}

# Removes what is listed on standard input: files, then the directories that are empty without them.
remove() {
    sort -r | while IFS= read -r path; do
        case $path in
        */) rmdir "$destdir$path" 2>/dev/null || : ;;
        "$link") ! is_our_link || rm -f "$destdir$path" ;;
        # And what a run that was killed was writing there.
        "$prefix"/*) rm -f "$destdir$path" "$destdir${path%/*}"/.rpipe.[0-9]* ;;
        esac
    done
}

install() {
    if $pipework && ! is_our_link && { [ -e "$destdir$link" ] || [ -L "$destdir$link" ]; }; then
        die "$destdir$link: exists already and is no link to rpipe (move it away first)"
    fi
    binary=$here/rpipe
    if [ ! -f "$binary" ]; then
        binary=$(build)
    fi
    # A package may be for another machine.
    [ -n "$destdir" ] || "$binary" --version >/dev/null || die "$binary: does not run on this machine"

    before=$(cat "$destdir$list" 2>/dev/null || :)
    now=$(
        contents | while read -r _ place _; do echo "$prefix/$place"; done
        echo "$list"
        if $pipework || is_our_link; then echo "$link"; fi
    )
    directories=$(
        echo "$before" | grep '/$' || :
        echo "$now" | while IFS= read -r path; do missing_directories "$path"; done
    )
    # Written down before anything is there, so that --uninstall finds what an interrupted run has left.
    mkdir -p "$destdir$prefix/share/rpipe"
    temporary=${destdir}${list%/*}/.rpipe.$$
    printf '%s\n' "$before" "$now" "$directories" | sed '/^$/d' | sort -u >"$temporary"
    mv -f "$temporary" "$destdir$list"
    temporary=

    while read -r mode place file; do
        put "$mode" "$place" "$file"
    done <<END
$(contents)
END
    if $pipework && ! is_our_link; then
        ln -s rpipe "$destdir$link"
    fi

    # What an older version had and this one has not.
    echo "$before" | grep -v '/$' | grep -Fxv "$now" | remove
    temporary=${destdir}${list%/*}/.rpipe.$$
    printf '%s\n' "$now" "$directories" | sed '/^$/d' | sort -u >"$temporary"
    mv -f "$temporary" "$destdir$list"
    temporary=

    echo "rpipe is installed: $destdir$prefix/bin/rpipe"
    [ -n "$destdir" ] || tell_what_is_not_found
}

# Is PREFIX/share where a shell looks for what programs bring? $1: a directory of bash's that comes instead of the user's;
# $2: where the shell looks when nobody says anything.
is_data_directory() {
    case :${1:-${XDG_DATA_HOME:-${HOME:-}/.local/share}}:${XDG_DATA_DIRS:-$2}: in
    *:"$prefix/share":*) ;;
    *) return 1 ;;
    esac
}

# Nobody's own files are touched: what the shells do not find by themselves is for the user to add. man looks beside
# every directory of PATH.
tell_what_is_not_found() {
    case :$PATH: in
    *:"$prefix/bin":*)
        first=$(command -v rpipe)
        [ "$first" = "$prefix/bin/rpipe" ] || echo "Another one comes before it in PATH: $first"
        ;;
    *) echo "It is found by its name when $prefix/bin is in PATH." ;;
    esac
    share=$prefix/share
    BASH_COMPLETION_USER_DIR=${BASH_COMPLETION_USER_DIR:-}
    if ! is_data_directory "${BASH_COMPLETION_USER_DIR%/bash-completion}" /usr/local/share:/usr/share; then
        echo "bash completes it with this in ~/.bashrc: . '$share/bash-completion/completions/rpipe'"
    fi
    # shellcheck disable=SC2016 # for zsh to expand
    if command -v zsh >/dev/null && ! zsh -f -c 'print -rl -- $fpath' | grep -Fqx "$share/zsh/site-functions"; then
        echo "zsh completes it with this in ~/.zshrc, before compinit: fpath+=('$share/zsh/site-functions')"
    fi
    if command -v fish >/dev/null && ! is_data_directory "" /usr/share; then
        echo "fish completes it with this in ~/.config/fish/config.fish:" \
            "set -a fish_complete_path '$share/fish/vendor_completions.d'"
    fi
}

uninstall() {
    if [ ! -f "$destdir$list" ]; then
        echo "rpipe is not installed in $destdir$prefix: nothing to remove"
        return
    fi
    installed=$(cat "$destdir$list")
    echo "$installed" | remove
    echo "rpipe is removed from $destdir$prefix"
}

verb=install
pipework=false
target=
for word in "$@"; do
    case $word in
    --pipework) pipework=true ;;
    --build) verb=build ;;
    --uninstall) verb=uninstall ;;
    -h | --help)
        usage
        exit
        ;;
    *)
        if [ "$verb$target" != build ] || [ "${word#-}" != "$word" ]; then
            echo "install.sh: unknown word $word (try ./install.sh --help)" >&2
            exit 2
        fi
        target=$word
        ;;
    esac
done

if [ "$(id -u)" -eq 0 ]; then
    prefix=${PREFIX:-/usr/local}
else
    prefix=${PREFIX:-$HOME/.local}
fi
case $prefix in
/*) prefix=${prefix%/} ;;
*) die "PREFIX $prefix: is no absolute path" ;;
esac
destdir=${DESTDIR:-}
here=$(cd "$(dirname "$0")" && pwd)
list=$prefix/share/rpipe/installed
link=$prefix/bin/pipework

# What is not finished is not left behind.
temporary=
trap '[ -z "$temporary" ] || rm -f "$temporary"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

$verb
