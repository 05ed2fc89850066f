# Time against the number of attaches, as SVG, both axes logarithmic.
#
#     awk -f plot.awk times.crowd
BEGIN {
    FS = "\t"
    split("floor-batch rpipe-batch floor rpipe ip", names, " ")
    split("#999999 #d62728 #555555 #1f77b4 #2ca02c", colours, " ")
    split("bare messages, one process;rpipe batch;bare messages, a process each;rpipe, a process each;ip, two processes each", words, ";")
}
$2 != "all" { time[$1, $2] = $3 / 1000; if ($2 + 0 > most) most = $2 + 0; seen[$1] = $2 + 0 }

function log10(x) { return log(x) / log(10) }
function x(n) { return 70 + 560 * log10(n) / log10(most) }
function y(ms) { return 380 - 340 * (log10(ms) - low) / (high - low) }

END {
    if (most < 2) most = 2
    low = 99; high = -99
    for (key in time) {
        if (log10(time[key]) < low) low = log10(time[key])
        if (log10(time[key]) > high) high = log10(time[key])
    }
    low = int(low + 10) - 10
    high = -int(-high + 10) + 10
    if (high <= low) high = low + 1
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 660 430\" font-family=\"sans-serif\" font-size=\"12\">"
    print "<title>Time against the number of attaches</title>"
    print "<rect width=\"660\" height=\"430\" fill=\"white\"/>"
    for (n = 1; n <= most; n *= 10) {
        printf "<path d=\"M%.1f 40V380\" stroke=\"#dddddd\"/><text x=\"%.1f\" y=\"398\" text-anchor=\"middle\">%d</text>\n", x(n), x(n), n
    }
    for (e = low; e <= high; e++) {
        printf "<path d=\"M70 %.1fH630\" stroke=\"#dddddd\"/><text x=\"62\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", \
            y(10 ^ e), y(10 ^ e) + 4, e < 3 ? (10 ^ e) " ms" : (10 ^ (e - 3)) " s"
    }
    print "<text x=\"350\" y=\"420\" text-anchor=\"middle\">attaches</text>"
    line = 0
    for (i = 1; i in names; i++) {
        if (!seen[names[i]]) continue
        printf "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colours[i]
        before = ""
        for (n = 1; n <= seen[names[i]]; n++) {
            # As many points as can be told apart.
            place = sprintf("%.0f", x(n))
            if (place == before) continue
            before = place
            printf "%.1f,%.1f ", x(n), y(time[names[i], n])
        }
        print "\"/>"
        line++
        printf "<text x=\"85\" y=\"%d\" fill=\"%s\">%s</text>\n", 40 + 16 * line, colours[i], words[i]
    }
    print "</svg>"
}
