// The peers that are servers: each is started in the sandbox, keeps its files there and talks on a socket there.

import Linux
import TestKit

enum Redis {
  static let durability = "appendfsync always: fsync each"

  /// - Parameter body: is given the words of a redis-cli that talks to the server.
  static func serving<Value>(_ yard: Yard, in box: Sandbox, _ body: ([Path]) throws -> Value) throws -> Value
  {
    let server = try yard.tool("redis-server", of: "redis-server")
    let client = [try yard.tool("redis-cli", of: "redis-tools"), "-s", box.root / "redis.sock"]
    let words: [Path] = [
      server, "--port", "0", "--unixsocket", box.root / "redis.sock", "--dir", box.root, "--save", "",
      "--appendonly", "yes", "--appendfsync", "always",
    ]
    func answers() throws -> Bool { try yard.run(client + ["PING"], in: box).text == "PONG\n" }
    return try yard.serving(words, in: box, once: answers) { try body(client) }
  }

  /// So many letters, one by one as a program would send them, without waiting for each answer.
  static func add(_ count: Int, _ yard: Yard, in box: Sandbox, _ client: [Path]) throws {
    let commands = (1...count).map { "XADD orders * body \"letter \($0)\"\r\n" }.joined()
    try yard.must(client + ["--pipe"], in: box, input: Array(commands.utf8))
  }
}

enum Mosquitto {
  static let durability = "saved each second"

  /// - Parameters:
  ///   - subscribers: how many subscribe to the topic `orders`; none of them is connected, all of them will be.
  ///   - body: is given the words of a mosquitto_pub that sends to `orders`.
  static func serving<Value>(
    _ yard: Yard, in box: Sandbox, subscribers: Int, _ body: ([Path]) throws -> Value
  ) throws -> Value {
    let server = try yard.tool("mosquitto", of: "mosquitto")
    let client = try yard.tool("mosquitto_pub", of: "mosquitto-clients")
    let subscriber = try yard.tool("mosquitto_sub", of: "mosquitto-clients")
    let socket = box.root / "mosquitto.sock"
    let lines = [
      "listener 0 \(socket)", "allow_anonymous true", "persistence true", "persistence_location \(box.root)/",
      "autosave_interval 1", "max_queued_messages 0", "log_dest none", "user root",
    ]
    let settings = try box.write("mosquitto.conf", lines.map { $0 + "\n" }.joined())
    func answers() -> Bool { (try? Directory(box.root).exists("mosquitto.sock")) == true }
    return try yard.serving([server, "-c", settings], in: box, once: answers) {
      for number in 1...subscribers {
        let name = Path("box\(number)")
        try yard.must(
          [subscriber, "--unix", socket, "-c", "-i", name, "-q", "1", "-t", "orders", "-E"], in: box)
      }
      return try body([client, "--unix", socket, "-q", "1", "-t", "orders"])
    }
  }
}

enum Beanstalk {
  static let durability = "-f0: fsync each"

  /// - Parameter body: is given the words of a program that puts each line of its input as a job.
  static func serving<Value>(_ yard: Yard, in box: Sandbox, _ body: ([Path]) throws -> Value) throws -> Value
  {
    let server = try yard.tool("beanstalkd", of: "beanstalkd")
    let socket = box.root / "beanstalk.sock"
    let words: [Path] = [server, "-l", Path("unix:\(socket)"), "-b", box.root, "-f0"]
    func answers() -> Bool { (try? Directory(box.root).exists("beanstalk.sock")) == true }
    return try yard.serving(words, in: box, once: answers) { try body([try yard.program("put"), socket]) }
  }
}
