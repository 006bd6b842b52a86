/* spawn COUNT PARALLEL PROGRAM: the floor under every program that runs a handler for each letter. It runs PROGRAM
 * COUNT times, PARALLEL of them at once, with posix_spawn(3) and waitpid(2), and does nothing else.
 * Exits 1 if one of them could not be run or did not exit with 0. */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv) {
  if (argc != 4) return 64;
  long count = atol(argv[1]), parallel = atol(argv[2]), started = 0, ended = 0;
  char *words[] = {argv[3], NULL};
  while (ended < count) {
    if (started < count && started - ended < parallel) {
      pid_t pid;
      if (posix_spawn(&pid, argv[3], NULL, NULL, words, environ) != 0) return 1;
      started++;
    } else {
      int status;
      if (waitpid(-1, &status, 0) < 0 || status != 0) return 1;
      ended++;
    }
  }
  return 0;
}
