/* The smallest possible handler: it does nothing and succeeds. Linked statically, it costs little more than the
 * kernel's work for a process. */
int main(void) { return 0; }
