/*
 * Runs a program one instruction at a time and prints where each one lies, in hexadecimal.
 *
 *     step PROGRAM [ARGUMENT…] >PLACES
 *
 *     cc -O2 -static -o step step.c
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int die(const char *what) {
    fprintf(stderr, "step: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int count, char **words) {
    if (count < 2) {
        fprintf(stderr, "usage: step PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    pid_t pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execv(words[1], words + 1);
        _exit(die(words[1]));
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return die("starting");
    while (WIFSTOPPED(status)) {
        struct user_regs_struct registers;
        if (ptrace(PTRACE_GETREGS, pid, NULL, &registers))
            return die("reading registers");
        printf("%016llx\n", registers.rip);
        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) < 0)
            return die("stepping");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
