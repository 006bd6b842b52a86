// swift-tools-version: 6.2
// Copyright (c) 2026 the post authors. MIT licence: see "Licence" in README.md.

import PackageDescription

/// Swift 6 language mode, and a warning is an error, in every room of the house.
let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

let package = Package(
  name: "post",
  products: [
    .executable(name: "post", targets: ["post"]),
    .library(name: "PostOffice", targets: ["PostOffice", "Watching"]),
  ],
  dependencies: [],
  targets: [
    // The walls of the house; a target names only targets above it in this list.
    .systemLibrary(name: "CLinux"),
    .target(name: "Text", swiftSettings: strict),
    .target(name: "Scheduling", swiftSettings: strict),
    .target(name: "Linux", dependencies: ["CLinux", "Text"], swiftSettings: strict),
    .target(name: "PostOffice", dependencies: ["Linux", "Scheduling", "Text"], swiftSettings: strict),
    .target(
      name: "Watching", dependencies: ["PostOffice", "Linux", "Scheduling", "Text"], swiftSettings: strict),
    .target(name: "Commands", dependencies: ["Text"], swiftSettings: strict),
    .executableTarget(
      name: "post", dependencies: ["Watching", "PostOffice", "Linux", "Text", "Commands"],
      swiftSettings: strict),

    .systemLibrary(name: "CTrace", path: "Tests/CTrace"),
    .target(
      name: "TestKit", dependencies: ["Linux", "Commands", "CTrace"], path: "Tests/TestKit",
      swiftSettings: strict),
    .testTarget(name: "TextTests", dependencies: ["Text", "TestKit"], swiftSettings: strict),
    .testTarget(name: "SchedulingTests", dependencies: ["Scheduling", "TestKit"], swiftSettings: strict),
    .testTarget(name: "LinuxTests", dependencies: ["Linux", "TestKit"], swiftSettings: strict),
    .testTarget(
      name: "PostOfficeTests", dependencies: ["PostOffice", "Linux", "Text", "TestKit"], swiftSettings: strict
    ),
    .testTarget(
      name: "WatchingTests", dependencies: ["Watching", "PostOffice", "Linux", "TestKit"],
      swiftSettings: strict),
    .testTarget(name: "CommandsTests", dependencies: ["Commands", "TestKit"], swiftSettings: strict),
    .testTarget(name: "CLITests", dependencies: ["TestKit", "Linux", "post"], swiftSettings: strict),
    .testTarget(name: "FaultTests", dependencies: ["TestKit", "Linux", "post"], swiftSettings: strict),
    // Run by `make bench`, never installed. Its helper programs are compiled when they are needed.
    .executableTarget(
      name: "bench", dependencies: ["TestKit", "Linux"], path: "Tests/Bench",
      exclude: ["floor.c", "put.c", "spawn.c", "stamp.c", "stream.py", "succeed.c", "times.c"],
      swiftSettings: strict),
  ]
)
