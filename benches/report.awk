# The table of results, as Markdown, from the files that `measure` wrote.
#
#     awk -f report.awk times.*
BEGIN { FS = "\t" }

FNR == 1 { file = FILENAME; sub(/.*times\./, "", file) }
file == "floor" || file == "peers" || file == "one" {
    key = file SUBSEP $1
    value[key, ++runs[key]] = $2
    if ($3 > memory[key]) memory[key] = $3
}
file == "crowd" { at[$1, $2] = $3; if ($2 != "all" && $2 + 0 > size[$1]) size[$1] = $2 + 0 }
file == "calls" { calls[$1, $2] = $3; known[$1] = 1 }

# In microseconds.
function median(file, name,    key, n, i, j, v, list) {
    key = file SUBSEP name
    n = runs[key]
    for (i = 1; i <= n; i++) {
        v = value[key, i]
        for (j = i - 1; j > 0 && list[j] > v; j--) list[j + 1] = list[j]
        list[j + 1] = v
    }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

# Without a limit it is only told.
function row(what, measured, limit, shown, limit_shown) {
    if (limit == "") printf "| %s | %s | | |\n", what, shown
    else printf "| %s | %s | %s | %s |\n", what, shown, limit_shown, measured <= limit ? "yes" : "**no**"
}

function ratio(what, file, name, other, limit,    one, two) {
    if (!runs[file SUBSEP name] || !runs[file SUBSEP other]) {
        printf "| %s | not measured | %.3g | |\n", what, limit
        return
    }
    one = median(file, name)
    two = median(file, other)
    row(what, one / two, limit, sprintf("%.3g (%.2f to %.2f ms)", one / two, one / 1000, two / 1000),
        sprintf("%.3g", limit))
}

function count(what, name, word, limit) {
    if (known[name]) row(what, calls[name, word], limit, calls[name, word], limit)
}

# How much longer an attach takes at the end than at the beginning.
function fifths(what, name, limit,    n, first, last) {
    n = size[name]
    if (n < 5) {
        printf "| %s | not measured | %s | |\n", what, limit
        return
    }
    first = at[name, int(n / 5)] / int(n / 5)
    last = (at[name, n] - at[name, n - int(n / 5)]) / int(n / 5)
    row(what, last / first, limit, sprintf("%.2f (%.2f to %.2f ms; all %d: %.2f s)", last / first, last / 1000,
        first / 1000, n, at[name, "all"] / 1e6), limit)
}

function seconds(what, measured, limit) {
    if (measured == "") printf "| %s | not measured | %g s | |\n", what, limit
    else row(what, measured / 1e6, limit, sprintf("%.2f s", measured / 1e6), sprintf("%g s", limit))
}

function most(what, file, name, limit,    kib) {
    kib = memory[file SUBSEP name]
    if (!kib) printf "| %s | not measured | %g MB | |\n", what, limit
    else row(what, kib * 1024 / 1e6, limit, sprintf("%.1f MB", kib * 1024 / 1e6), sprintf("%g MB", limit))
}

END {
    print "| whole process, medians, targets given as `pid:` | measured | at most | held |"
    print "|---|---|---|---|"
    ratio("attach to a bridge, against the bare messages", "floor", "rpipe", "floor", 1.15)
    ratio("macvlan, against the bare messages", "floor", "rpipe-macvlan", "floor-macvlan", 1.15)
    ratio("the same line again, against an attach", "floor", "rpipe-again", "rpipe", 0.8)
    ratio("against the best `ip` recipe (direct creation, one batch)", "peers", "rpipe", "ip", 0.35)
    ratio("against CNI bridge + static", "peers", "rpipe", "cni", 0.3)
    ratio("against netavark, bridge with firewall", "peers", "rpipe", "netavark", 0.1)
    ratio("against pipework's steps without arping", "peers", "rpipe", "pipework", 1 / 25)
    ratio("against pipework's steps with arping", "peers", "rpipe", "pipework-arping", 1 / 400)
    count("system calls of an attach", "rpipe", "calls", 80)
    count("processes", "rpipe", "programs", 1)
    count("threads", "rpipe", "threads", 1)
    count("AF_PACKET sockets", "rpipe", "packet", 0)
    count("devices moved between namespaces", "rpipe", "moves", 0)
    count("dumps", "rpipe", "dumps", 0)
    fifths("many attaches, one process: last fifth against first", "rpipe-batch", 2)
    fifths("the same of the bare messages", "floor-batch", "")
    fifths("many attaches, a process each: last fifth against first", "rpipe", "")
    seconds("as many detaches in one process, a container each", at["rpipe-batch-detach", "all"], 1)
    # At the cost of one deletion, which is the kernel's; the rest is what two runs of it differ by.
    ratio("detach --all of one container with as many, against one deletion by group", "one", "rpipe-detach-all", "group", 1.15)
    most("peak memory of an attach", "floor", "rpipe", 6)
    most("peak memory of `list` with as many", "one", "rpipe-list", 20)
    row("binary, static, stripped", calls["rpipe", "size"] / 1e6, 2.5, sprintf("%.2f MB", calls["rpipe", "size"] / 1e6),
        "2.5 MB")
}
