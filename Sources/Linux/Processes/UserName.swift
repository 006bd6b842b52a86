// The login name of the user, for the From of letters. getpwuid(3) is not used: a static program would need the
// machine's shared libraries for it.

extension Host {
  /// The login name: of /etc/passwd, else of `getent passwd` (LDAP and the like), else the user's number.
  package static var userName: String {
    let id = userID
    let users = try? File("/etc/passwd", .readFollowing).readAll(limit: 16 << 20)
    if let name = users.flatMap({ loginName(of: id, in: $0) }) { return name }
    let user = try? Child.output(of: ["getent", "passwd", Path(String(id))])
    return user.flatMap { loginName(of: id, in: Array($0.utf8)) } ?? String(id)
  }
}

/// The first field of the line of passwd(5) whose third field is this number. Bytes, not text: text would cost each
/// sender more time than all its system calls.
func loginName(of id: UInt32, in text: [UInt8]) -> String? {
  let (newline, colon) = (UInt8(ascii: "\n"), UInt8(ascii: ":"))
  let wanted = Array(String(id).utf8)
  var rest = text[...]
  while !rest.isEmpty {
    let line = rest.prefix { $0 != newline }
    rest = rest.dropFirst(line.count + 1)
    let name = line.prefix { $0 != colon }
    let password = line.dropFirst(name.count + 1).prefix { $0 != colon }
    let number = line.dropFirst(name.count + 1 + password.count + 1).prefix { $0 != colon }
    if !name.isEmpty, number.elementsEqual(wanted) { return String(decoding: name, as: UTF8.self) }
  }
  return nil
}
