// The office whose disk is cut off: which commands run in it, and when the cut comes.
//
// Beside the disk, `said/` holds what the office promised, written when the command had ended with exit code 0
// (or had printed an ID): `sent` and `lines.*` for letters accepted, `joined` for subscribers, `settled` for letters
// that a reader has settled, `handled` for those that a handler of the watcher has handled.

import TestKit

/// What runs on a fresh disk, which is then cut off.
enum CutOffice {
  /// A script for the disk, and its settings.
  typealias Step = (script: String, settings: [String: String])

  /// One command at a time, and all commands at once, with cuts at random moments.
  static func steps(on system: FileSystem, _ dice: inout Seeded) -> [Step] {
    let seed = String(dice.number(1...9999))
    // Each of the first two is what finds a sync that is missing: of the name, and of the data.
    let syncs = ["no", "yes"] + (1...5).map { _ in dice.number(0...1) == 1 ? "yes" : "no" }
    var steps: [Step] = [(alone, ["SEED": seed, "SYNCS": syncs.joined(separator: " ")])]
    // 2: the log is lost, 1: it is written, 0: everything is.
    let ends = system.canShutDown ? ["2", String(dice.number(0...1))] : ["none", "none"]
    for (number, end) in ends.enumerated() {
      // The first moment falls into the first commands of a fresh spool, the others anywhere.
      let moments = [dice.number(1...60)] + (1...3).map { _ in dice.number(20...250) }
      let settings = [
        "SEED": seed, "NAME": "round\(number)", "END": end,
        "MOMENTS": moments.map { "0." + String(1000 + $0).dropFirst() }.joined(separator: " "),
      ]
      steps.append((round, settings))
    }
    return steps
  }

  /// The bodies of letters, by size. A letter's subject names its body, so that the test can judge any letter whole
  /// or torn, also one that no command has reported as accepted.
  private static let bodies = #"""
    files=(bodies/{0,10,4096,102400,1048576})
    mkdir -p bodies
    for file in ${files[*]}; do test -e $file || head -c ${file#bodies/} /dev/urandom > $file; done
    export SEED
    """#

  /// One command at a time, and the cut follows its end at once; or, as SYNCS says, after another program's fsync.
  /// First of all comes the first letter of a fresh spool, to a topic without subscribers.
  private static let alone =
    bodies + #"""

      RANDOM=$SEED
      syncs=($SYNCS)
      step=0
      for command in "give archive" "give orders" "join stock" "give orders" "take stock" "watch stock" "give wide"; do
        name=${command#* }
        case $command in
          *wide) for n in {1..20}; do post subscribe wide$n wide; done ;;&
          give*)
            file=${files[RANDOM % 5]}
            id=$(post send $name --id -s $file $file)
            echo "$id $name $file" >> said/sent ;;
          join*)
            post subscribe $name orders -- sh -c 'cat > /dev/null; echo stock $POST_ID > '$PWD/taken
            echo $name >> said/joined ;;
          take*)
            post read $name -- sh -c 'cat > /dev/null; echo stock $POST_ID > taken'
            cat taken >> said/settled ;;
          watch*)
            post watch $name --until-empty
            cat taken | tee -a said/settled >> said/handled ;;
        esac
        if test ${syncs[step]} = yes; then date > /mnt/disk/other; sync /mnt/disk/other; fi
        step=$((step + 1))
        # Without this the cuts would prove nothing: what was never synced must be gone. Written at the last moment,
        # because on a slow machine the kernel may write older data by itself.
        if test $step = 1; then echo lost > /mnt/disk/unsynced; fi
        cut alone-$step
      done
      leave
      look_at_copies alone
      rm said/*
      """#

  /// All commands at once, from the first moment of a fresh spool. The disk is copied after each of the MOMENTS but the
  /// last, then cut off for good as END says.
  private static let round =
    bodies + #"""

      cat > office.sh << 'office'
      \#(everybody)
      office
      # All of them die with the first, and that one with us.
      setpriv --pdeathsig KILL unshare --pid --fork --kill-child=KILL bash office.sh > words 2>&1 &
      moments=($MOMENTS)
      for step in 0 1 2; do sleep ${moments[step]}; cut $NAME-$((step + 1)); done
      if test $END != none; then
        sleep ${moments[3]}
        mkdir cuts/$NAME-end
        # What commands report from now on does not count: after a power cut no one would have read it. (A directory's
        # fsync that meets the shutdown of an xfs may return 0: its changes wait no more for the log, they are dropped.)
        cp -r said cuts/$NAME-end
        shutdown $END
      fi
      kill -KILL $!
      wait $! || true
      leave
      if test $END != none; then look $NAME-end $image; fi
      look_at_copies $NAME
      rm -f said/*
      """#

  /// The commands work until they are killed.
  private static let everybody = #"""
    files=(bodies/{0,10,4096,102400,1048576})

    send() {
      RANDOM=$((SEED + $1))
      while true; do
        # A large one among twenty: the disk must not be full before the round is over.
        file=${files[RANDOM % 20 ? RANDOM % 4 : 4]}
        id=$(post send $2 --id -s $file $file) && echo "$id $2 $file" >> said/sent
      done
    }

    lines() {
      for ((n = 0; ; n++)); do
        seq -f "line $1-$n-%g of many" 30 | post send orders --lines --id -s lines > said/lines.$1-$n
      done
    }

    join() {
      sleep $1
      post subscribe $2 orders "${@:3}" && echo $2 >> said/joined
    }

    # post read has ended without a word: that is settled, whatever becomes of the disk. (If it could not sync what it
    # settled, it says so.)
    take() {
      while true; do
        rm -f taken
        post read invoice -n 3 -- sh -c 'cat > /dev/null; echo invoice $POST_ID >> taken' 2> warned &&
          test ! -s warned && cat taken >> said/settled
        sleep 0.01
      done
    }

    # A topic with more mailboxes than are made durable one by one.
    wide() {
      for n in {1..20}; do post subscribe wide$n wide; done
      send 4 wide
    }

    # Another program on the same disk, which commits what the office has not yet synced.
    neighbour() {
      RANDOM=$SEED
      while true; do
        date > /mnt/disk/other
        sync /mnt/disk/other
        sleep 0.0$((RANDOM % 30))
      done
    }

    send 1 orders & send 2 orders & send 3 archive & lines 1 & lines 2 &
    join 0 stock -- sh -c 'cat > /dev/null; echo stock $POST_ID >> '$PWD/said/handled &
    join 0 invoice & join 0 dispatch & join 0.3 late & neighbour & take & wide &
    while true; do post watch; sleep 0.01; done
    """#
}
