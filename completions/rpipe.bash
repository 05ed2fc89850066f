# Completion of rpipe for bash, and of pipework, which has the same words.
#
# The binary knows what fits: it reads the line and answers with what is to be inserted, quoted already. Nothing of what it
# says is run or expanded here. Without it there is what bash does by itself.
_rpipe() {
    local -a said=()
    local i name
    mapfile -t said < <(command rpipe __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    COMPREPLY=()
    case ${said[0]-} in
    words)
        COMPREPLY=("${said[@]:1}")
        compopt -o nosort 2>/dev/null
        # What ends so goes on.
        [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *[.,:@=/] ]] || compopt -o nospace
        ;;
    command)
        for ((i = 1; i < COMP_CWORD; i++)); do
            [[ ${COMP_WORDS[i]} != -- ]] || break
        done
        for name in _comp_command_offset _command_offset; do
            if declare -F "$name" >/dev/null; then
                "$name" $((i + 1))
                return
            fi
        done
        if ((i + 1 == COMP_CWORD)); then
            mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
        fi
        compopt -o default
        ;;
    *)
        compopt -o default
        ;;
    esac
}
complete -F _rpipe rpipe pipework
