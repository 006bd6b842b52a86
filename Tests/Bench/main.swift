// bench: how fast the post office is, beside something simpler that does the like. See `Bench.swift`.

import Linux

exitProcess(runBench())
