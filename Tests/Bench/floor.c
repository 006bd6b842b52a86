/* floor [-s dirs|all|letter|none] SPOOL send TOPIC
 * floor [-s dirs|all|letter|none] SPOOL lines TOPIC GROUP
 * floor SPOOL read|all MAILBOX
 *
 * The floor under `post`: the fewest system calls that keep the same promise. What exits 0 survives kill -9 and power
 * loss; a letter reaches every mailbox subscribed or none; no reader sees half a letter; after a sender has died, the
 * next program can see that, and finish. It works in a spool of the post office and takes part in its protocol, but
 * skips every check that only matters when something is wrong: no settings, no leftovers, no full disk, no names.
 *
 *   send   standard input is one letter.
 *   lines  each line of standard input is a letter; GROUP of them at a time are written, synced and linked together.
 *   read   prints the oldest letter's body; then it is done.
 *   all    the same with all letters, oldest first.
 *
 * -s chooses how links are made durable:
 *   dirs    fsync(2) of each mailbox's new/; from 17 mailboxes on syncfs(2), once (the default)
 *   all     syncfs(2), once
 *   letter  a second fsync(2) of the letter, once: ext4, xfs and btrfs then write all its names
 *   none    nothing is synced at all: the promise is kept against kill -9, but not against a power cut
 *
 * What a letter costs: open, lock, write, fsync (no name but tmp/ID before the content is safe); rename, and fsync of
 * new/ (accepted); one directory read; for each mailbox open, link and fsync; rename. Fewer would break a promise:
 * without the lock a living sender looks dead; without new/ a sender that dies half-way leaves some mailboxes without
 * the letter, unseen; with links before the fsync a mailbox may show an empty letter after a power cut. The
 * last rename needs no sync: if it is lost, the letter is found in new/, where all its links are there already.
 * Descriptors are not closed where exit closes them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_DIRECTORY_SYNCS = 16, MOST_MAILBOXES = 4096, MOST_GROUP = 1000 };

static enum { DIRS, ALL, LETTER, NONE } strategy = DIRS;
static const char *topic;
static int tmp, new, cur;
static char *boxes[MOST_MAILBOXES];
static int box_count;

static struct letter {
  char id[160];
  int file;
} letters[MOST_GROUP];

static void must(int is_true, const char *what) {
  if (is_true) return;
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int folder(const char *form, const char *name) {
  char path[512];
  snprintf(path, sizeof path, form, name);
  int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  must(file >= 0, path);
  return file;
}

/* Never onto another link of the same file: that "succeeds" and leaves both names. */
static void move(int from, int to, const char *name, const char *as) {
  must(renameat2(from, name, to, as, RENAME_NOREPLACE) == 0, "rename");
}

/* RFC 9530's form of a body's CRC-32C. */
static void digest(const char *body, size_t size, char *text) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  unsigned crc = ~0U;
  for (size_t i = 0; i < size; i++) {
    crc ^= (unsigned char)body[i];
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  unsigned long long bits = (unsigned long long)~crc << 4 & 0xfffffffffULL;
  for (int i = 0; i < 6; i++) text[i] = digits[bits >> (30 - 6 * i) & 63];
  strcpy(text + 6, "==");
}

/* Writes a letter to tmp/, with the sorter's lock on it. */
static void compose(struct letter *letter, const char *body, size_t size) {
  static int number;
  static char host[65];
  char head[1024], date[64], sum[16];
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (!host[0]) gethostname(host, 64);
  snprintf(letter->id, sizeof letter->id, "%lld.M%06ldR%08lxP%dQ%d.%s", (long long)now.tv_sec, now.tv_nsec / 1000,
           now.tv_nsec * 2654435761UL & 0xffffffff, getpid(), ++number, host);
  strftime(date, sizeof date, "%a, %d %b %Y %T +0000", gmtime(&now.tv_sec));
  digest(body, size, sum);
  int length = snprintf(head, sizeof head,
                        "Message-ID: <%s>\nDate: %s\nFrom: floor@%s\nPost-Topic: %s\nContent-Length: %zu\n"
                        "Content-Digest: crc32c=:%s:\n\n",
                        letter->id, date, host, topic, size, sum);
  char *text = malloc(length + size);
  memcpy(text, head, length);
  memcpy(text + length, body, size);
  letter->file = openat(tmp, letter->id, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  must(letter->file >= 0, "create");
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
  must(fcntl(letter->file, F_OFD_SETLK, &lock) == 0, "lock");
  must(write(letter->file, text, length + size) == (ssize_t)(length + size), "write");
  free(text);
}

/* The subscribers. One read of the directory, for all letters that were accepted before it. */
static void list(void) {
  char path[512];
  snprintf(path, sizeof path, "topics/%s/subscribers", topic);
  DIR *folder = opendir(path);
  must(folder != NULL, path);
  for (; box_count > 0; free(boxes[--box_count])) continue;
  for (struct dirent *entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.' && box_count < MOST_MAILBOXES) boxes[box_count++] = strdup(entry->d_name);
  closedir(folder);
}

/* Letters that lie in tmp/, written, are accepted and delivered. */
static void deliver(int count) {
  if (strategy != NONE) must(count == 1 ? fsync(letters[0].file) == 0 : syncfs(tmp) == 0, "sync");
  for (int i = 0; i < count; i++) move(tmp, new, letters[i].id, letters[i].id);
  if (strategy != NONE) must(fsync(new) == 0, "fsync new");
  list();
  int each = strategy == DIRS && box_count <= MOST_DIRECTORY_SYNCS;
  for (int box = 0; box < box_count; box++) {
    char form[512];
    snprintf(form, sizeof form, "topics/%s/subscribers/%%s/new", topic);
    int mailbox = folder(form, boxes[box]);
    for (int i = 0; i < count; i++)
      must(linkat(new, letters[i].id, mailbox, letters[i].id, 0) == 0, "link");
    if (each) must(fsync(mailbox) == 0, "fsync mailbox");
    close(mailbox);
  }
  if (strategy == LETTER)
    for (int i = 0; i < count; i++) must(fsync(letters[i].file) == 0, "second fsync");
  else if (strategy != NONE && !each && box_count > 0)
    must(syncfs(tmp) == 0, "syncfs");
  for (int i = 0; i < count; i++) {
    move(new, cur, letters[i].id, letters[i].id);
    if (count > 1) close(letters[i].file);
  }
}

/* All of standard input. */
static char *input(size_t *size) {
  size_t room = 1 << 16;
  char *text = malloc(room);
  *size = 0;
  for (ssize_t got; (got = read(0, text + *size, room - *size)) != 0;) {
    must(got > 0, "standard input");
    *size += got;
    if (*size == room) text = realloc(text, room *= 2);
  }
  return text;
}

static void send_lines(int group) {
  size_t size;
  char *text = input(&size);
  int count = 0;
  for (char *line = text, *end; line < text + size; line = end + 1) {
    end = memchr(line, '\n', text + size - line);
    if (!end) end = text + size;
    compose(&letters[count++], line, end - line);
    if (count == group) {
      deliver(count);
      count = 0;
    }
  }
  if (count > 0) deliver(count);
}

static int by_name(const void *one, const void *other) { return strcmp(*(char **)one, *(char **)other); }

/* What is read: the claim and its beacon, so that no other reader has it too, and one that died is noticed; what is
 * printed before it is done; and one fsync, of done/, that it may not come again. */
static void read_letters(const char *mailbox, size_t most) {
  int waiting = folder("mailboxes/%s/new", mailbox);
  size_t count = 0, room = 1024;
  char **names = malloc(room * sizeof *names);
  DIR *entries = fdopendir(waiting);
  for (struct dirent *entry; (entry = readdir(entries));) {
    if (entry->d_name[0] == '.') continue;
    if (count == room) names = realloc(names, (room *= 2) * sizeof *names);
    names[count++] = strdup(entry->d_name);
  }
  if (count == 0) exit(1);
  qsort(names, count, sizeof *names, by_name);
  struct stat status;
  char path[256], claimed[300], done[320], text[65536];
  snprintf(path, sizeof path, "mailboxes/%s", mailbox);
  must(stat(path, &status) == 0, path);
  int held = folder("mailboxes/%s/cur", mailbox), ended = folder("mailboxes/%s/done", mailbox);
  for (size_t i = 0; i < count && i < most; i++) {
    int file = openat(waiting, names[i], O_RDONLY | O_CLOEXEC);
    must(file >= 0, "open");
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = status.st_ino, .l_len = 1};
    must(fcntl(file, F_OFD_SETLK, &lock) == 0, "lock");
    snprintf(claimed, sizeof claimed, "%s,A=1", names[i]);
    move(waiting, held, names[i], claimed);
    ssize_t size = read(file, text, sizeof text - 1);
    must(size >= 0, "read");
    text[size] = 0;
    char *body = strstr(text, "\n\n");
    must(body != NULL, "a letter");
    body += 2;
    must(write(1, body, text + size - body) == text + size - body, "write");
    snprintf(done, sizeof done, "%s,D=%lld", claimed, (long long)time(NULL));
    move(held, ended, claimed, done);
    close(file);
  }
  must(fsync(ended) == 0, "fsync done");
}

int main(int argc, char **argv) {
  if (argc > 2 && strcmp(argv[1], "-s") == 0) {
    const char *named = argv[2];
    strategy = !strcmp(named, "all") ? ALL : !strcmp(named, "letter") ? LETTER : !strcmp(named, "none") ? NONE : DIRS;
    argc -= 2;
    argv += 2;
  }
  if (argc < 4) return 64;
  must(chdir(argv[1]) == 0, argv[1]);
  if (strcmp(argv[2], "read") == 0 || strcmp(argv[2], "all") == 0) {
    read_letters(argv[3], argv[2][0] == 'r' ? 1 : SIZE_MAX);
    return 0;
  }
  topic = argv[3];
  tmp = folder("topics/%s/tmp", topic);
  new = folder("topics/%s/new", topic);
  cur = folder("topics/%s/cur", topic);
  if (strcmp(argv[2], "lines") == 0) {
    int group = argc > 4 ? atoi(argv[4]) : 512;
    if (group < 1 || group > MOST_GROUP) return 64;
    send_lines(group);
    return 0;
  }
  size_t size;
  char *body = input(&size);
  compose(&letters[0], body, size);
  deliver(1);
  return 0;
}
