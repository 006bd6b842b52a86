/* put SOCKET: puts each line of standard input as a job into the beanstalkd that listens on a socket; it sends up to
 * 256 before it waits for the answers. Exits 1 if the server did not take one. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { GROUP = 256 };

/* Reads an answer for each of so many jobs. */
static int answered(FILE *from, int count) {
  char line[128];
  for (; count > 0; count--)
    if (!fgets(line, sizeof line, from) || strncmp(line, "INSERTED", 8) != 0) return 0;
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 2) return 64;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(server, (struct sockaddr *)&address, sizeof address) != 0) return 1;
  FILE *to = fdopen(server, "w"), *from = fdopen(dup(server), "r");
  char line[4096];
  int waiting = 0;
  while (fgets(line, sizeof line, stdin)) {
    line[strcspn(line, "\n")] = 0;
    fprintf(to, "put 0 0 60 %zu\r\n%s\r\n", strlen(line), line);
    if (++waiting < GROUP) continue;
    if (fflush(to) != 0 || !answered(from, waiting)) return 1;
    waiting = 0;
  }
  return fflush(to) == 0 && answered(from, waiting) ? 0 : 1;
}
