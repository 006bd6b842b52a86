// ptrace(2) for the tests: it is variadic, and its registers differ from machine to machine.
#pragma once
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// Attaches to a running process. It dies with us, stops when it calls execve(2), and its stops at system
/// calls differ from those at signals.
static inline long ctrace_seize(pid_t pid) {
  long options = 1 /* TRACESYSGOOD */ | 16 /* TRACEEXEC */ | (1 << 20) /* EXITKILL */;
  return ptrace((enum __ptrace_request)0x4206 /* SEIZE */, pid, NULL, options);
}

/// Lets a stopped process run to the beginning or end of its next system call.
static inline long ctrace_go(pid_t pid, int signal) {
  return ptrace(PTRACE_SYSCALL, pid, NULL, (long)signal);
}

/// Lets a stopped process run for good.
static inline long ctrace_detach(pid_t pid) { return ptrace(PTRACE_DETACH, pid, NULL, 0L); }

static inline void ctrace_expire(union sigval pid) { kill(pid.sival_int, SIGKILL); }

/// Makes a timer that kills a process after some seconds, timer_create(2).
static inline int ctrace_limit(pid_t pid, int seconds, timer_t *timer) {
  struct sigevent event = {
      .sigev_notify = SIGEV_THREAD, .sigev_value.sival_int = pid, .sigev_notify_function = ctrace_expire};
  struct itimerspec time = {.it_value.tv_sec = seconds};
  if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0) return -1;
  return timer_settime(*timer, 0, &time, NULL);
}

/// Waits for a stop.
/// Returns 1 and the status of waitpid(2); 0 if the process has ended: then it is still to be reaped.
static inline int ctrace_wait(pid_t pid, int *status) {
  siginfo_t info;
  int result;
  do {
    info.si_code = 0;
    result = waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL);
  } while (result < 0 && errno == EINTR);
  if (result < 0) return -1;
  if (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) return 0;
  return waitpid(pid, status, __WALL) == pid ? 1 : -1;
}

/// Lets a process go on from a stop that is of no interest; a signal is passed on.
static inline void ctrace_continue(pid_t pid, int status) {
  int signal = status >> 8;
  ptrace(PTRACE_CONT, pid, NULL, (long)(signal <= 64 && signal != SIGTRAP ? signal : 0));
}

/// struct ptrace_syscall_info, of which glibc's and the kernel's headers have one each.
struct ctrace_info {
  uint8_t op; /* 1: the call begins, 2: it has ended */
  uint8_t pad[3];
  uint32_t arch;
  uint64_t instruction_pointer, stack_pointer;
  union {
    struct { uint64_t number, arguments[6]; } entry;
    struct { int64_t result; uint8_t is_error; } exit;
  };
};

static inline long ctrace_info(pid_t pid, struct ctrace_info *info) {
  return ptrace((enum __ptrace_request)0x420e, pid, sizeof *info, info);
}

/// At the beginning of a call: prevents it.
static inline long ctrace_skip(pid_t pid) {
#if defined(__x86_64__)
  return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
#elif defined(__aarch64__)
  int none = -1;
  struct iovec vector = {&none, sizeof none};
  return ptrace(PTRACE_SETREGSET, pid, 0x404 /* NT_ARM_SYSTEM_CALL */, &vector);
#else
#error "how is a system call skipped on this machine?"
#endif
}

/// Gives an argument of a call that begins another value (index 0 to 5), or, with index -1 at the end of a
/// call, gives it another result.
static inline long ctrace_set(pid_t pid, int index, long value) {
#if defined(__x86_64__)
  static const size_t places[] = {
      offsetof(struct user_regs_struct, rax), offsetof(struct user_regs_struct, rdi),
      offsetof(struct user_regs_struct, rsi), offsetof(struct user_regs_struct, rdx),
      offsetof(struct user_regs_struct, r10), offsetof(struct user_regs_struct, r8),
      offsetof(struct user_regs_struct, r9)};
  return ptrace(PTRACE_POKEUSER, pid, places[index + 1], value);
#else
  struct user_regs_struct registers;
  struct iovec vector = {&registers, sizeof registers};
  long result = ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &vector);
  if (result < 0) return result;
  registers.regs[index < 0 ? 0 : index] = (unsigned long long)value;
  return ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &vector);
#endif
}

/// The code at which the program stops: written over an instruction.
static inline size_t ctrace_breakpoint(uint8_t code[4]) {
#if defined(__x86_64__)
  code[0] = 0xcc; /* int3 */
  return 1;
#elif defined(__aarch64__)
  code[0] = 0, code[1] = 0, code[2] = 0x20, code[3] = 0xd4; /* brk #0 */
  return 4;
#endif
}

/// At a breakpoint: lets the program go on with the instruction that was there.
static inline long ctrace_rewind(pid_t pid, uint64_t address) {
#if defined(__x86_64__)
  return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rip), address);
#else
  return 0; /* it stands there still */
#endif
}

/// Keeps the calling thread, and what it starts from now on, on the processor where it runs: there, switching
/// to a traced program and back takes a fraction of the time.
/// Stores the processors that were allowed before, for ctrace_unpin.
static inline void ctrace_pin(unsigned long allowed[16]) {
  unsigned long one[16] = {0};
  unsigned cpu = 0;
  if (syscall(SYS_sched_getaffinity, 0, sizeof one, allowed) < 0) return;
  if (syscall(SYS_getcpu, &cpu, NULL, NULL) < 0 || cpu >= 8 * sizeof one) return;
  one[cpu / (8 * sizeof one[0])] = 1ul << cpu % (8 * sizeof one[0]);
  syscall(SYS_sched_setaffinity, 0, sizeof one, one);
}

static inline void ctrace_unpin(const unsigned long allowed[16]) {
  syscall(SYS_sched_setaffinity, 0, 16 * sizeof allowed[0], allowed);
}

/// The name of a system call; a null for one that is of no interest here.
static inline const char *ctrace_name(long number) {
  switch (number) {
#define NAME(call) case SYS_##call: return #call
    NAME(openat); NAME(close); NAME(read); NAME(write); NAME(pread64); NAME(pwrite64); NAME(lseek);
    NAME(fsync); NAME(fdatasync); NAME(syncfs); NAME(ftruncate); NAME(fallocate); NAME(fstat);
    NAME(newfstatat); NAME(fstatfs); NAME(statfs); NAME(fchmod); NAME(fchmodat); NAME(getdents64);
    NAME(mkdirat); NAME(unlinkat); NAME(renameat2); NAME(renameat); NAME(linkat); NAME(symlinkat);
    NAME(readlinkat); NAME(fcntl); NAME(flock); NAME(ppoll); NAME(clock_gettime); NAME(getrandom);
    NAME(memfd_create); NAME(inotify_init1); NAME(inotify_add_watch); NAME(inotify_rm_watch);
    NAME(signalfd4); NAME(pidfd_open); NAME(clone); NAME(clone3); NAME(execve); NAME(waitid); NAME(wait4);
    NAME(kill); NAME(pipe2); NAME(exit_group); NAME(getcwd); NAME(uname); NAME(getpid); NAME(geteuid);
    NAME(rt_sigaction); NAME(rt_sigprocmask); NAME(brk); NAME(mmap); NAME(munmap); NAME(mprotect);
    NAME(madvise); NAME(statx); NAME(dup3); NAME(chdir); NAME(copy_file_range); NAME(mremap);
#ifdef SYS_open
    NAME(open); NAME(stat); NAME(lstat); NAME(mkdir); NAME(unlink); NAME(rename); NAME(rmdir); NAME(link);
    NAME(symlink); NAME(readlink); NAME(poll); NAME(vfork); NAME(fork); NAME(getdents); NAME(access);
#endif
#undef NAME
    default: return NULL;
  }
}
