// post: the post office for one machine.

import Linux

Streams.reserve()
Signals.prepare()
// What scripts ask for to see whether post is there is answered before any table is built.
if Arguments.are("--version") { exitProcess(Program.tellVersion()) }
exitProcess(Program.run(Arguments.words))
