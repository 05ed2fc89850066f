/*
 * The floor: the messages that it takes for one attach, and nothing else.
 *
 *     floor bridge|macvlan UPLINK PID ADDRESS/LEN GATEWAY
 *
 * No option, no check, no undo, no report: what a program that did only this would cost. The interfaces have the
 * kernel's default number of queues, and what is set of a link is set by a message each, as whoever writes such a program
 * leaves it. rpipe joins some of them, and sends on a bridge also the claim to the address, the setting that keeps IPv6
 * addresses off the port, and an announcement that waits until the port forwards.
 *
 * `floor batch` reads lines `UPLINK PID ADDRESS/LEN GATEWAY` and attaches each to its bridge, with one socket to the
 * host for all.
 *
 *     cc -O2 -static -o floor floor.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The group of a link that is not finished yet. */
#define UNFINISHED 0x72706970

/* Older headers do not have it; include/uapi/linux/ip.h. */
#define ARP_NOTIFY 22

struct bytes {
    char data[2048];
    size_t length;
};

static unsigned sequence;

static void die(const char *what, int error) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
    exit(1);
}

static void *put(struct bytes *to, const void *data, size_t length) {
    char *place = to->data + to->length;
    if (to->length + NLMSG_ALIGN(length) > sizeof to->data)
        die("building a message", ENOSPC);
    memset(place, 0, NLMSG_ALIGN(length));
    if (data)
        memcpy(place, data, length);
    to->length += NLMSG_ALIGN(length);
    return place;
}

static struct nlmsghdr *message(struct bytes *to, int type, int flags, const void *body, size_t length) {
    struct nlmsghdr header = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = ++sequence };
    struct nlmsghdr *place = put(to, &header, sizeof header);
    put(to, body, length);
    return place;
}

static void end(struct bytes *to, struct nlmsghdr *header) {
    header->nlmsg_len = to->data + to->length - (char *)header;
}

static struct rtattr *attribute(struct bytes *to, int type, const void *data, size_t length) {
    struct rtattr header = { .rta_len = RTA_LENGTH(length), .rta_type = type };
    struct rtattr *place = put(to, &header, sizeof header);
    if (length)
        put(to, data, length);
    return place;
}

static void nest_end(struct bytes *to, struct rtattr *nest) {
    nest->rta_len = to->data + to->length - (char *)nest;
}

static void text(struct bytes *to, int type, const char *word) {
    attribute(to, type, word, strlen(word) + 1);
}

static void number(struct bytes *to, int type, unsigned value) {
    attribute(to, type, &value, sizeof value);
}

static int open_socket(void) {
    int one = 1;
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        die("opening a socket", errno);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
    return fd;
}

/* Sends and reads answers until the last acknowledgement; any error ends the program. */
static void change(int fd, struct bytes *messages, const char *what) {
    char answer[8192];
    if (send(fd, messages->data, messages->length, 0) < 0)
        die(what, errno);
    for (;;) {
        int length = recv(fd, answer, sizeof answer, 0);
        if (length < 0)
            die(what, errno);
        for (struct nlmsghdr *at = (void *)answer; NLMSG_OK(at, length); at = NLMSG_NEXT(at, length)) {
            struct nlmsgerr *error = NLMSG_DATA(at);
            if (at->nlmsg_type == NLMSG_ERROR && error->error)
                die(what, -error->error);
            if (at->nlmsg_type == NLMSG_ERROR && at->nlmsg_seq == sequence)
                return;
        }
    }
}

struct link {
    int index;
    unsigned mtu;
};

/* Index and MTU of a link, by one question. */
static struct link look_up(int fd, const char *name) {
    struct bytes ask = { .length = 0 };
    struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
    struct nlmsghdr *header = message(&ask, RTM_GETLINK, 0, &body, sizeof body);
    text(&ask, IFLA_IFNAME, name);
    number(&ask, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    end(&ask, header);
    char answer[8192];
    if (send(fd, ask.data, ask.length, 0) < 0)
        die(name, errno);
    int length = recv(fd, answer, sizeof answer, 0);
    struct nlmsghdr *at = (void *)answer;
    if (length < 0 || !NLMSG_OK(at, length) || at->nlmsg_type != RTM_NEWLINK)
        die(name, ENODEV);
    struct ifinfomsg *info = NLMSG_DATA(at);
    struct link found = { .index = info->ifi_index, .mtu = 1500 };
    int left = IFLA_PAYLOAD(at);
    for (struct rtattr *each = IFLA_RTA(info); RTA_OK(each, left); each = RTA_NEXT(each, left))
        if (each->rta_type == IFLA_MTU)
            found.mtu = *(unsigned *)RTA_DATA(each);
    return found;
}

static void create_veth(struct bytes *to, struct link bridge, const char *host, int netns) {
    struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP }, peer = { .ifi_family = AF_UNSPEC };
    struct nlmsghdr *header = message(to, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof up);
    text(to, IFLA_IFNAME, host);
    number(to, IFLA_MTU, bridge.mtu);
    number(to, IFLA_MASTER, bridge.index);
    struct rtattr *info = attribute(to, IFLA_LINKINFO, NULL, 0);
    text(to, IFLA_INFO_KIND, "veth");
    struct rtattr *data = attribute(to, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *peer_info = attribute(to, VETH_INFO_PEER, NULL, 0);
    put(to, &peer, sizeof peer);
    text(to, IFLA_IFNAME, "eth1");
    number(to, IFLA_MTU, bridge.mtu);
    number(to, IFLA_GROUP, UNFINISHED);
    number(to, IFLA_NET_NS_FD, netns);
    nest_end(to, peer_info);
    nest_end(to, data);
    nest_end(to, info);
    end(to, header);
}

static void create_macvlan(struct bytes *to, struct link parent, int netns) {
    struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
    struct nlmsghdr *header = message(to, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body, sizeof body);
    text(to, IFLA_IFNAME, "eth1");
    number(to, IFLA_LINK, parent.index);
    number(to, IFLA_MTU, parent.mtu);
    number(to, IFLA_GROUP, UNFINISHED);
    number(to, IFLA_NET_NS_FD, netns);
    struct rtattr *info = attribute(to, IFLA_LINKINFO, NULL, 0);
    text(to, IFLA_INFO_KIND, "macvlan");
    struct rtattr *data = attribute(to, IFLA_INFO_DATA, NULL, 0);
    number(to, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
    nest_end(to, data);
    nest_end(to, info);
    end(to, header);
}

static void set_alias(struct bytes *to, const char *name, const char *alias, int flags) {
    struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
    struct nlmsghdr *header = message(to, RTM_SETLINK, flags, &body, sizeof body);
    text(to, IFLA_IFNAME, name);
    attribute(to, IFLA_IFALIAS, alias, strlen(alias));
    end(to, header);
}

static void set_up(struct bytes *to, int index) {
    struct ifinfomsg body = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
    end(to, message(to, RTM_SETLINK, 0, &body, sizeof body));
}

static void set_arp_notify(struct bytes *to, int index, unsigned on) {
    struct ifinfomsg body = { .ifi_index = index };
    struct nlmsghdr *header = message(to, RTM_SETLINK, 0, &body, sizeof body);
    struct rtattr *spec = attribute(to, IFLA_AF_SPEC, NULL, 0);
    struct rtattr *inet = attribute(to, AF_INET, NULL, 0);
    struct rtattr *conf = attribute(to, IFLA_INET_CONF | NLA_F_NESTED, NULL, 0);
    number(to, ARP_NOTIFY, on);
    nest_end(to, conf);
    nest_end(to, inet);
    nest_end(to, spec);
    end(to, header);
}

static void add_address(struct bytes *to, int index, struct in_addr address, int length) {
    struct ifaddrmsg body = { .ifa_family = AF_INET, .ifa_prefixlen = length, .ifa_index = index };
    struct nlmsghdr *header = message(to, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
    struct in_addr broadcast = { address.s_addr | htonl((1UL << (32 - length)) - 1) };
    attribute(to, IFA_ADDRESS, &address, sizeof address);
    attribute(to, IFA_LOCAL, &address, sizeof address);
    attribute(to, IFA_BROADCAST, &broadcast, sizeof broadcast);
    end(to, header);
}

static void add_default(struct bytes *to, int index, struct in_addr gateway) {
    struct rtmsg body = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST };
    struct nlmsghdr *header = message(to, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
    number(to, RTA_OIF, index);
    attribute(to, RTA_GATEWAY, &gateway, sizeof gateway);
    end(to, header);
}

static void finish(struct bytes *to, int index) {
    struct ifinfomsg body = { .ifi_index = index };
    struct nlmsghdr *header = message(to, RTM_SETLINK, NLM_F_ACK, &body, sizeof body);
    number(to, IFLA_GROUP, 0);
    end(to, header);
}

static void attach(int host, int home, int bridged, const char *uplink, const char *pid, const char *net,
    const char *gateway) {
    char path[64], entry[64], name[IFNAMSIZ], mark[256], digits[32];
    struct in_addr address, router;
    int length = 24;
    if (sscanf(net, "%31[0-9.]/%d", digits, &length) != 2 || length < 1 || length > 31 ||
        inet_pton(AF_INET, digits, &address) != 1 || inet_pton(AF_INET, gateway, &router) != 1)
        die(net, EINVAL);
    snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
    int netns = open(path, O_RDONLY | O_CLOEXEC);
    if (netns < 0)
        die(path, errno);
    snprintf(entry, sizeof entry, "/var/run/netns/%s", pid);
    if (symlink(path, entry))
        die(entry, errno);

    struct link up = look_up(host, uplink);
    struct bytes first = { .length = 0 }, second = { .length = 0 };
    if (bridged) {
        snprintf(name, sizeof name, "veth1pl%s", pid);
        create_veth(&first, up, name, netns);
        snprintf(mark, sizeof mark, "rpipe 1 port uplink=%s ifname=eth1 netns=4026532251 target=pid:%s", uplink, pid);
        set_alias(&first, name, mark, NLM_F_ACK);
    } else {
        create_macvlan(&first, up, netns);
    }
    change(host, &first, "creating the link");

    if (setns(netns, CLONE_NEWNET))
        die("entering the namespace", errno);
    int inside = open_socket();
    if (home >= 0 && setns(home, CLONE_NEWNET))
        die("coming back", errno);
    int index = look_up(inside, "eth1").index;
    snprintf(mark, sizeof mark, "rpipe 1 link uplink=%s addresses=1 target=pid:%s", uplink, pid);
    set_alias(&second, "eth1", mark, 0);
    set_arp_notify(&second, index, 1);
    add_address(&second, index, address, length);
    set_up(&second, index);
    set_arp_notify(&second, index, 0);
    add_default(&second, index, router);
    finish(&second, index);
    change(inside, &second, "setting the link up");
    if (home >= 0) {
        close(inside);
        close(netns);
    }
}

int main(int count, char **words) {
    if (count == 6 && (!strcmp(words[1], "bridge") || !strcmp(words[1], "macvlan"))) {
        attach(open_socket(), -1, words[1][0] == 'b', words[2], words[3], words[4], words[5]);
        return 0;
    }
    if (count == 2 && !strcmp(words[1], "batch")) {
        char uplink[64], pid[64], net[64], gateway[64];
        int host = open_socket(), home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (home < 0)
            die("opening the own namespace", errno);
        while (scanf("%63s %63s %63s %63s", uplink, pid, net, gateway) == 4)
            attach(host, home, 1, uplink, pid, net, gateway);
        return 0;
    }
    fprintf(stderr, "usage: floor bridge|macvlan UPLINK PID ADDRESS/LEN GATEWAY, or floor batch\n");
    return 2;
}
