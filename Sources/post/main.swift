// post: durable publish/subscribe between programs on one machine.

import Linux

Streams.reserve()
Signals.prepare()
// Scripts ask for the version to see whether post is installed: answer before any table is made.
if Arguments.are("--version") { exitProcess(Program.printVersion()) }
exitProcess(Program.run(Arguments.words))
