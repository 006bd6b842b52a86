// post: the post office for one machine.

import Linux

Streams.reserve()
Signals.ignoreWriteSignals()
exitProcess(Program.run(Program.arguments()))
