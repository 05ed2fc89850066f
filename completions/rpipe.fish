# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_rpipe_global_optspecs
    string join \n v/verbose q/quiet color= i/ifname= l/host-ifname= type= mode= direct-phys mtu= metric= route= no-default dhcp-timeout= a/family= timeout= replace dry-run json h/help V/version
end

function __fish_rpipe_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_rpipe_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_rpipe_using_subcommand
    set -l cmd (__fish_rpipe_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] attach detach list gc run exec route rule tc wait completions help
    or set cmd attach
    contains -- $cmd[1] $argv
end

complete -c rpipe -n "__fish_rpipe_needs_command" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_needs_command" -s i -l ifname -d 'Name of the interface inside the container [default: eth1; ib0 on InfiniBand]' -r -f
complete -c rpipe -n "__fish_rpipe_needs_command" -s l -l host-ifname -d 'Name of the host\'s end of a veth pair [default: v<IFNAME>pl<PID>, or a short unique name where that does not fit]' -r -f
complete -c rpipe -n "__fish_rpipe_needs_command" -l type -d 'How the interface shares an uplink that is no bridge: macvlan, or ipvlan with the uplink\'s MAC address [default: macvlan]' -r -f -a "macvlan\t''
ipvlan\t''"
complete -c rpipe -n "__fish_rpipe_needs_command" -l mode -d 'Mode of a macvlan: bridge, private, vepa or passthru; of an ipvlan: l2, l3 or l3s [default: bridge, l2]' -r -f -a "bridge\t''
private\t''
vepa\t''
passthru\t''
l2\t''
l3\t''
l3s\t''"
complete -c rpipe -n "__fish_rpipe_needs_command" -l mtu -d 'Largest packet in bytes [default: the uplink\'s]' -r -f
complete -c rpipe -n "__fish_rpipe_needs_command" -l metric -d 'Metric of the routes, lower wins [default: the kernel\'s, 0 for IPv4 and 1024 for IPv6]' -r -f
complete -c rpipe -n "__fish_rpipe_needs_command" -l route -d 'A further route, over the address\'s gateway unless it names one; may be given several times' -r -f
complete -c rpipe -n "__fish_rpipe_needs_command" -l dhcp-timeout -d 'How long a DHCP lease may take to come; then everything is undone [default: 30]' -r -f
complete -c rpipe -n "__fish_rpipe_needs_command" -s a -l family -d 'Address family, as pipework wants it told; not needed, rpipe sees it from the address' -r -f
complete -c rpipe -n "__fish_rpipe_needs_command" -l timeout -d 'How long all engines together may take to answer [default: 2]' -r -f
complete -c rpipe -n "__fish_rpipe_needs_command" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_needs_command" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_needs_command" -l direct-phys -d 'Move the uplink itself into the container, instead of sharing it'
complete -c rpipe -n "__fish_rpipe_needs_command" -l no-default -d 'Leave the container\'s default route as it is'
complete -c rpipe -n "__fish_rpipe_needs_command" -l replace -d 'Where the interface is attached otherwise already, change it: in place where the kernel can'
complete -c rpipe -n "__fish_rpipe_needs_command" -l dry-run -d 'Print the plan as a shell script and change nothing'
complete -c rpipe -n "__fish_rpipe_needs_command" -l json -d 'Print what was done as JSON; with --dry-run the steps'
complete -c rpipe -n "__fish_rpipe_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_needs_command" -s V -l version -d 'Print version'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "attach" -d 'Attach a running container to a network (the verb may be left out)'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "detach" -d 'Take an attachment back'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "list" -d 'Show what is attached, and what of it has changed since'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "gc" -d 'Remove what dead containers left behind'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "run" -d 'Run a command in a fresh network namespace, attached; everything is gone when it ends'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "exec" -d 'Run a command in the network namespace of a container'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "route" -d 'Show or change the routes of a container: `ip route` in its namespace'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "rule" -d 'Show or change the routing rules of a container: `ip rule` in its namespace'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "tc" -d 'Show or change the traffic control of a container: `tc` in its namespace'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "wait" -d 'Wait until an interface is there (also: rpipe --wait)'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c rpipe -n "__fish_rpipe_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -s i -l ifname -d 'Name of the interface inside the container [default: eth1; ib0 on InfiniBand]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -s l -l host-ifname -d 'Name of the host\'s end of a veth pair [default: v<IFNAME>pl<PID>, or a short unique name where that does not fit]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l type -d 'How the interface shares an uplink that is no bridge: macvlan, or ipvlan with the uplink\'s MAC address [default: macvlan]' -r -f -a "macvlan\t''
ipvlan\t''"
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l mode -d 'Mode of a macvlan: bridge, private, vepa or passthru; of an ipvlan: l2, l3 or l3s [default: bridge, l2]' -r -f -a "bridge\t''
private\t''
vepa\t''
passthru\t''
l2\t''
l3\t''
l3s\t''"
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l mtu -d 'Largest packet in bytes [default: the uplink\'s]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l metric -d 'Metric of the routes, lower wins [default: the kernel\'s, 0 for IPv4 and 1024 for IPv6]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l route -d 'A further route, over the address\'s gateway unless it names one; may be given several times' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l dhcp-timeout -d 'How long a DHCP lease may take to come; then everything is undone [default: 30]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -s a -l family -d 'Address family, as pipework wants it told; not needed, rpipe sees it from the address' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l timeout -d 'How long all engines together may take to answer [default: 2]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l direct-phys -d 'Move the uplink itself into the container, instead of sharing it'
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l no-default -d 'Leave the container\'s default route as it is'
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l replace -d 'Where the interface is attached otherwise already, change it: in place where the kernel can'
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l dry-run -d 'Print the plan as a shell script and change nothing'
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -l json -d 'Print what was done as JSON; with --dry-run the steps'
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand attach" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand detach" -s i -l ifname -d 'Name of the interface inside the container [default: the only one that rpipe has attached]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand detach" -l timeout -d 'How long all engines together may take to answer [default: 2]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand detach" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand detach" -l all -d 'All that rpipe has attached'
complete -c rpipe -n "__fish_rpipe_using_subcommand detach" -l json -d 'Print what was done as JSON'
complete -c rpipe -n "__fish_rpipe_using_subcommand detach" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand detach" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand detach" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand list" -l timeout -d 'How long all engines together may take to answer [default: 2]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand list" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand list" -l json -d 'Print JSON instead of a table'
complete -c rpipe -n "__fish_rpipe_using_subcommand list" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand list" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand gc" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand gc" -l dry-run -d 'Print the plan as a shell script and change nothing'
complete -c rpipe -n "__fish_rpipe_using_subcommand gc" -l json -d 'Print what was done as JSON; with --dry-run the steps'
complete -c rpipe -n "__fish_rpipe_using_subcommand gc" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand gc" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand gc" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -s i -l ifname -d 'Name of the interface inside the container [default: eth1; ib0 on InfiniBand]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -s l -l host-ifname -d 'Name of the host\'s end of a veth pair [default: v<IFNAME>pl<PID>, or a short unique name where that does not fit]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -l type -d 'How the interface shares an uplink that is no bridge: macvlan, or ipvlan with the uplink\'s MAC address [default: macvlan]' -r -f -a "macvlan\t''
ipvlan\t''"
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -l mode -d 'Mode of a macvlan: bridge, private, vepa or passthru; of an ipvlan: l2, l3 or l3s [default: bridge, l2]' -r -f -a "bridge\t''
private\t''
vepa\t''
passthru\t''
l2\t''
l3\t''
l3s\t''"
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -l mtu -d 'Largest packet in bytes [default: the uplink\'s]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -l metric -d 'Metric of the routes, lower wins [default: the kernel\'s, 0 for IPv4 and 1024 for IPv6]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -l route -d 'A further route, over the address\'s gateway unless it names one; may be given several times' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -l dhcp-timeout -d 'How long a DHCP lease may take to come; then everything is undone [default: 30]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -s a -l family -d 'Address family, as pipework wants it told; not needed, rpipe sees it from the address' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -l direct-phys -d 'Move the uplink itself into the container, instead of sharing it'
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -l no-default -d 'Leave the container\'s default route as it is'
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand exec" -l timeout -d 'How long all engines together may take to answer [default: 2]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand exec" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand exec" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand exec" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand exec" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand route" -l timeout -d 'How long all engines together may take to answer [default: 2]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand route" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand route" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand route" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand route" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand rule" -l timeout -d 'How long all engines together may take to answer [default: 2]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand rule" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand rule" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand rule" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand rule" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand tc" -l timeout -d 'How long all engines together may take to answer [default: 2]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand tc" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand tc" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand tc" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand tc" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand wait" -s i -l ifname -d 'Name of the interface' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand wait" -l for -d 'What for: the link itself, its carrier, or an address that can be used (no duplicate found)' -r -f -a "link\t'The interface is there'
carrier\t'It is up and has carrier'
address\t'It has an address of global scope whose duplicate address detection is over'"
complete -c rpipe -n "__fish_rpipe_using_subcommand wait" -l timeout -d 'How long at most [default: for ever]' -r -f
complete -c rpipe -n "__fish_rpipe_using_subcommand wait" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand wait" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand wait" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand completions" -l color -l colour -d 'Colours: auto, always or never; auto is on a terminal, unless NO_COLOR is set [default: auto]' -r -f -a "auto\t'On a terminal'
always\t'Even in a file or a pipe'
never\t'Not even on a terminal'"
complete -c rpipe -n "__fish_rpipe_using_subcommand completions" -s v -l verbose -d 'Tell each step as it is done; twice: the netlink messages'
complete -c rpipe -n "__fish_rpipe_using_subcommand completions" -s q -l quiet -d 'No status line, not even on a terminal'
complete -c rpipe -n "__fish_rpipe_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "attach" -d 'Attach a running container to a network (the verb may be left out)'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "detach" -d 'Take an attachment back'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "list" -d 'Show what is attached, and what of it has changed since'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "gc" -d 'Remove what dead containers left behind'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "run" -d 'Run a command in a fresh network namespace, attached; everything is gone when it ends'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "exec" -d 'Run a command in the network namespace of a container'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "route" -d 'Show or change the routes of a container: `ip route` in its namespace'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "rule" -d 'Show or change the routing rules of a container: `ip rule` in its namespace'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "tc" -d 'Show or change the traffic control of a container: `tc` in its namespace'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "wait" -d 'Wait until an interface is there (also: rpipe --wait)'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c rpipe -n "__fish_rpipe_using_subcommand help; and not __fish_seen_subcommand_from attach detach list gc run exec route rule tc wait completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c rpipe -n "not __fish_rpipe_using_subcommand run" -f
complete -c rpipe -n "__fish_rpipe_using_subcommand completions" -f -a "bash zsh fish"
