# Completion of rpipe for fish, and of pipework, which has the same words.
#
# The binary knows what fits, and says so in lines of a word, a tab and what it is. Nothing of what it says is run or
# expanded here; fish quotes what it inserts. Without it there is what fish does by itself.
function __rpipe_complete
    set -l words (commandline -opc)
    set -l begun (commandline -ct)
    set -l said
    if command -sq rpipe
        set said (command rpipe __complete fish $words "$begun" 2>/dev/null)
    end
    switch "$said[1]"
        case words
            test (count $said) -lt 2
            or printf '%s\n' $said[2..-1]
        case command
            set -l at (contains -i -- -- $words)
            if test (count $words) -gt $at
                complete -C (string join -- ' ' (string escape -- $words[(math $at + 1)..-1]) "$begun")
            else
                complete -C "$begun"
            end
        case '*'
            complete -C "'' $begun"
    end
end
complete -c rpipe -k -f -a '(__rpipe_complete)'
complete -c pipework -k -f -a '(__rpipe_complete)'
