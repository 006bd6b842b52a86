// Waiting: descriptors, time-outs, inotify, signals.

import Linux
import TestKit
import Testing

@Suite struct PollTests {
  let box: Sandbox

  init() throws { box = try Sandbox() }

  @Test func aTimeOutIsNeitherShortNorEndless() throws {
    let inotify = try Inotify()
    let start = Clock.monotonic
    #expect(try waitReadable([inotify.file.descriptor], atMost: 30_000_000) == [false])
    #expect(Clock.monotonic - start >= 30_000_000)
    #expect(try waitReadable([inotify.file.descriptor], atMost: 0) == [false])
    #expect(try waitReadable([inotify.file.descriptor], atMost: -5) == [false])
  }

  @Test func aMissingDescriptorIsNeverReady() throws {
    let zero = try File("/dev/zero", .readFollowing)
    #expect(try waitReadable([nil, zero.descriptor], atMost: 1_000_000_000) == [false, true])
  }

  @Test func eventsTellWatchAndName() throws {
    let folder = try Directory(box.root)
    try folder.makeDirectory("in")
    let inside = try folder.directory("in")
    let inotify = try Inotify()
    let watch = try inotify.watch(box.root / "in", [.arrived, .left, .written, .selfGone])
    #expect(try inotify.events().isEmpty)
    try box.write("in/made", "x")
    try box.write("moved", "")
    try folder.rename("moved", to: inside, "moved")
    try inside.remove("made")
    #expect(try waitReadable([inotify.file.descriptor], atMost: 5_000_000_000) == [true])
    let events = try inotify.events()
    #expect(events.map(\.name) == ["made", "made", "moved", "made"])  // made, written, moved here, removed
    #expect(events.allSatisfy { $0.watch == watch && !$0.overflowed && !$0.ended && !$0.selfGone })
    try folder.rename("in", to: folder, "out")
    #expect(try inotify.events().contains { $0.selfGone && $0.name.isEmpty })
  }

  @Test func onlyWhatWasAskedForIsTold() throws {
    let inotify = try Inotify()
    _ = try inotify.watch(box.root, .left)
    let name = try box.write("a", "x").name
    #expect(try inotify.events().isEmpty)
    try Directory(box.root).remove(name)
    #expect(try inotify.events().map(\.name) == ["a"])
  }

  @Test func watchingTwiceIsOneWatchAndAFileCannotBeWatched() throws {
    let inotify = try Inotify()
    let watch = try inotify.watch(box.root, .arrived)
    #expect(try inotify.watch(box.root, .arrived) == watch)
    try box.write("a", "x")
    #expect(try inotify.events().count == 1)
    #expect(throws: Errno.notDirectory) { _ = try inotify.watch(box.root / "a", .arrived) }
    #expect(throws: Errno.noEntry) { _ = try inotify.watch(box.root / "missing", .arrived) }
    inotify.unwatch(watch)
    #expect(try inotify.events().contains { $0.watch == watch && $0.ended })
  }

  @Test func anOverflowIsTold() throws {
    let text = try File("/proc/sys/fs/inotify/max_queued_events", .readFollowing).readAll(limit: 64)
    let limit = try #require(Int(String(decoding: text, as: UTF8.self).filter(\.isNumber)))
    let inotify = try Inotify()
    _ = try inotify.watch(box.root, .arrived)
    let folder = try Directory(box.root)
    try box.write("a", "")
    for _ in 0...(min(limit, 1 << 20) / 2) {
      try folder.rename("a", to: folder, "b")
      try folder.rename("b", to: folder, "a")
    }
    var wasTold = false
    while try waitReadable([inotify.file.descriptor], atMost: 0)[0] {
      wasTold = try inotify.events().contains { $0.overflowed } || wasTold
    }
    #expect(wasTold)
  }
}
