/*
 * Times whole processes against each other: each attaches a fresh network namespace, in turn, many times over.
 *
 *     race [-n ROUNDS] [-w WARM-UPS] FIELD >TIMES      lines of NAME, microseconds, most memory in KiB
 *     race -k NAMESPACES FIELD >TIMES                  lines of NAME, number, microseconds so far, most memory in KiB
 *
 * FIELD is a file with one contestant a line, its words parted by tabs:
 *
 *     NAME  KIND  STDIN  BEFORE  [VARIABLE=VALUE…]  PROGRAM  [ARGUMENT…]
 *
 * In the words %p stands for the number of a process in a fresh namespace, %c for a number that never comes again, %a for
 * an address that goes with it in 10.0.0.0/16, %b for a digit that goes round. STDIN is a file that the contestant reads, with the same replaced, or `-`.
 * BEFORE is a shell command that prepares the namespace, untimed, or `-`. KIND is `each` or, for a program that attaches
 * all namespaces of -k at once, `all`: it reads STDIN once for each of them.
 *
 * Each round every contestant runs once, and every round starts with the next one of them. Timed is from before
 * posix_spawn (vfork) to after wait4, by the monotonic clock. The namespace is then given back, and the race goes on when
 * its links are gone from ours, so that no contestant pays for another's leftovers. With -k the namespaces stay until all
 * have been attached; within one process an attach is over when the kernel tells of the next new link.
 *
 * The most memory is never less than this program's own, which vfork lends: it is small for that reason too.
 *
 *     cc -O2 -static -o race race.c
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define WORDS 64
#define RACERS 64
#define CROWD 1023

struct racer {
    char *words[WORDS + 1];
};

enum { NAME, KIND, STDIN, BEFORE, PROGRAM };

/* What stands for one namespace in words. */
struct guest {
    pid_t pid;
    int count;
};

static void die(const char *what) {
    fprintf(stderr, "race: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void nap(long microseconds) {
    struct timespec time = { .tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000 };
    nanosleep(&time, NULL);
}

/* Writes the word with what stands for the namespace in its places. */
static void fill(FILE *out, const char *word, struct guest guest) {
    for (; *word; word++) {
        if (word[0] != '%' || !strchr("pcab", word[1]) || !word[1]) {
            fputc(*word, out);
            continue;
        }
        switch (*++word) {
        case 'p': fprintf(out, "%d", guest.pid); break;
        case 'c': fprintf(out, "%d", guest.count); break;
        case 'b': fprintf(out, "%d", guest.count % 10); break;
        case 'a': fprintf(out, "10.0.%d.%d", guest.count / 250 % 250, guest.count % 250 + 2); break;
        }
    }
}

/* To be freed. */
static char *filled(const char *word, struct guest guest) {
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        die("memory");
    fill(out, word, guest);
    fclose(out);
    return text;
}

/* A process that sleeps in a network namespace of its own. */
static struct guest new_guest(void) {
    static int count;
    int ready[2];
    char byte;
    if (pipe2(ready, O_CLOEXEC))
        die("pipe");
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        if (unshare(CLONE_NEWNET) || write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        die("making a network namespace");
    close(ready[0]);
    return (struct guest){ .pid = pid, .count = ++count };
}

/* How many links there are in our own namespace. */
static int links(void) {
    int count = 0;
    DIR *directory = opendir("/sys/class/net");
    if (!directory)
        die("/sys/class/net");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* Ends the process, and with it its namespace; the name that it may have got goes too. */
static void give_back(struct guest guest) {
    char entry[64];
    snprintf(entry, sizeof entry, "/run/netns/%d", guest.pid);
    unlink(entry);
    kill(guest.pid, SIGKILL);
    waitpid(guest.pid, NULL, 0);
}

/* Waits until the kernel has taken away what was in dead namespaces: it does so in its own time. */
static void settle(int before) {
    for (int tries = 0; links() > before; tries++) {
        if (tries == 60000) {
            fprintf(stderr, "race: links are left over\n");
            exit(1);
        }
        nap(1000);
    }
    nap(3000);
}

static void prepare(struct racer *racer, struct guest guest) {
    if (!strcmp(racer->words[BEFORE], "-"))
        return;
    char *command = filled(racer->words[BEFORE], guest);
    if (system(command))
        die(command);
    free(command);
}

/* A file with the text of STDIN, once for each guest. */
static int standard_input(const char *file, const struct guest *guests, int count) {
    if (!strcmp(file, "-"))
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    char text[16384];
    int from = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t length = from < 0 ? -1 : read(from, text, sizeof text - 1);
    if (length < 0)
        die(file);
    close(from);
    text[length] = 0;
    int to = open("/run", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    FILE *out = to < 0 ? NULL : fdopen(dup(to), "w");
    if (!out)
        die("standard input");
    for (int i = 0; i < count; i++)
        fill(out, text, guests[i]);
    if (fclose(out) || lseek(to, 0, SEEK_SET))
        die("standard input");
    return to;
}

/* A program that is about to start. */
struct start {
    char *words[WORDS + 1];
    char *environment[WORDS + 256];
    char **program;
    int input;
    posix_spawn_file_actions_t actions;
};

static void make_ready(struct start *start, struct racer *racer, const struct guest *guests, int count) {
    int number = 0, variables = 0, known = 0;
    for (; racer->words[PROGRAM + number]; number++)
        start->words[number] = filled(racer->words[PROGRAM + number], guests[0]);
    start->words[number] = NULL;
    while (variables < number && strchr(start->words[variables], '=')) {
        start->environment[variables] = start->words[variables];
        variables++;
    }
    for (; environ[known] && variables + known < WORDS + 255; known++)
        start->environment[variables + known] = environ[known];
    start->environment[variables + known] = NULL;
    start->program = start->words + variables;
    start->input = standard_input(racer->words[STDIN], guests, count);
    posix_spawn_file_actions_init(&start->actions);
    posix_spawn_file_actions_adddup2(&start->actions, start->input, 0);
    posix_spawn_file_actions_addopen(&start->actions, 1, "/dev/null", O_WRONLY, 0);
}

static pid_t spawn(struct start *start) {
    pid_t pid;
    errno = posix_spawn(&pid, start->program[0], &start->actions, NULL, start->program, start->environment);
    if (errno)
        die(start->program[0]);
    return pid;
}

/* The most memory, in KiB, of a process that has worked. */
static long end(pid_t pid, const char *name) {
    int status;
    struct rusage used;
    if (wait4(pid, &status, 0, &used) != pid)
        die("wait4");
    if (status) {
        fprintf(stderr, "race: %s failed: status %#x\n", name, status);
        exit(1);
    }
    return used.ru_maxrss;
}

static void clear(struct start *start) {
    posix_spawn_file_actions_destroy(&start->actions);
    close(start->input);
    for (int i = 0; start->words[i]; i++)
        free(start->words[i]);
}

/* One contestant attaches one namespace; the time in microseconds. */
static double attach(struct racer *racer, struct guest guest, long *memory) {
    struct start start;
    make_ready(&start, racer, &guest, 1);
    double before = now();
    pid_t pid = spawn(&start);
    long most = end(pid, racer->words[NAME]);
    double took = now() - before;
    *memory = most > *memory ? most : *memory;
    clear(&start);
    return took;
}

static void race(struct racer *racers, int count, int rounds, int warm_ups) {
    int before = links();
    for (int round = -warm_ups; round < rounds; round++) {
        for (int i = 0; i < count; i++) {
            struct racer *racer = &racers[(i + round + warm_ups) % count];
            struct guest guest = new_guest();
            long memory = 0;
            prepare(racer, guest);
            double took = attach(racer, guest, &memory);
            if (round >= 0)
                printf("%s\t%.1f\t%ld\n", racer->words[NAME], took, memory);
            give_back(guest);
            settle(before);
        }
    }
}

/* A socket that hears of every change of a link. */
static int ear(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), room = 256 << 20;
    struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
    if (fd < 0 || bind(fd, (void *)&groups, sizeof groups))
        die("listening for links");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    return fd;
}

/* One process attaches all namespaces: when each new link was told of. Returns how many there were. */
static int listen_to(pid_t pid, int fd, double start, double *times) {
    static int indexes[CROWD];
    static char answer[1 << 16];
    int found = 0, over = 0;
    int pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        die("pidfd_open");
    while (!over) {
        struct pollfd both[] = { { .fd = fd, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
        if (poll(both, 2, -1) < 0)
            die("poll");
        double heard = now();
        over = both[1].revents != 0;
        int length;
        while ((length = recv(fd, answer, sizeof answer, 0)) > 0) {
            for (struct nlmsghdr *at = (void *)answer; NLMSG_OK(at, length); at = NLMSG_NEXT(at, length)) {
                struct ifinfomsg *info = NLMSG_DATA(at);
                int known = at->nlmsg_type != RTM_NEWLINK;
                for (int i = found - 1; i >= 0 && !known; i--)
                    known = indexes[i] == info->ifi_index;
                if (!known && found < CROWD) {
                    indexes[found] = info->ifi_index;
                    times[found++] = heard - start;
                }
            }
        }
    }
    close(pidfd);
    return found;
}

static void crowd(struct racer *racer, int size) {
    static struct guest guests[CROWD];
    static double times[CROWD + 1];
    const char *name = racer->words[NAME];
    int before = links();
    long memory = 0;
    for (int i = 0; i < size; i++) {
        guests[i] = new_guest();
        prepare(racer, guests[i]);
    }
    if (!strcmp(racer->words[KIND], "all")) {
        struct start all;
        make_ready(&all, racer, guests, size);
        int fd = ear();
        double start = now();
        pid_t pid = spawn(&all);
        int found = listen_to(pid, fd, start, times);
        memory = end(pid, name);
        double took = now() - start;
        for (int i = 0; i < found && i < size; i++)
            printf("%s\t%d\t%.1f\t%ld\n", name, i + 1, times[i], memory);
        printf("%s\tall\t%.1f\t%ld\n", name, took, memory);
        close(fd);
        clear(&all);
    } else {
        double so_far = 0;
        for (int i = 0; i < size; i++) {
            so_far += attach(racer, guests[i], &memory);
            printf("%s\t%d\t%.1f\t%ld\n", name, i + 1, so_far, memory);
        }
        printf("%s\tall\t%.1f\t%ld\n", name, so_far, memory);
    }
    for (int i = 0; i < size; i++)
        give_back(guests[i]);
    settle(before);
}

int main(int argc, char **argv) {
    int rounds = 30, warm_ups = 2, size = 0, option;
    while ((option = getopt(argc, argv, "n:w:k:")) != -1) {
        switch (option) {
        case 'n': rounds = atoi(optarg); break;
        case 'w': warm_ups = atoi(optarg); break;
        case 'k': size = atoi(optarg); break;
        default: return 2;
        }
    }
    FILE *field = optind < argc && size <= CROWD ? fopen(argv[optind], "r") : NULL;
    if (!field)
        die("the field");
    static struct racer racers[RACERS];
    int count = 0;
    char *line = NULL;
    size_t room = 0;
    while (count < RACERS && getline(&line, &room, field) > 0) {
        line[strcspn(line, "\n")] = 0;
        int number = 0;
        for (char *rest = line, *word; (word = strsep(&rest, "\t")) && number < WORDS;)
            racers[count].words[number++] = word;
        if (number <= PROGRAM) {
            fprintf(stderr, "race: too few words for %s\n", line);
            return 2;
        }
        line = NULL;
        count++;
    }
    if (size == 0)
        race(racers, count, rounds, warm_ups);
    for (int i = 0; size > 0 && i < count; i++)
        crowd(&racers[i], size);
    return 0;
}
