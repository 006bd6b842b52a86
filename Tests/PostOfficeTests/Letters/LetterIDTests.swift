import Linux
import Testing

@testable import PostOffice

@Suite struct LetterIDTests {
  @Test func idsOfOneProcessIncreaseEvenWhenTheClockGoesBack() {
    var ids = LetterIDs()
    var last = ids.next(now: 1_795_765_752_123_456_789)
    #expect(last.description.hasPrefix("1795765752.M123456R"))
    for step in 1...1000 {
      let id = ids.next(now: 1_795_765_752_123_456_789 - Int64(step) * 3_600_000_000)
      #expect(last < id)
      last = id
    }
    #expect(ids.next(now: 1_795_769_999_000_000_000).description.hasPrefix("1795769999.M000000R"))
  }

  @Test func oursIsToldFromForeign() {
    var ids = LetterIDs()
    #expect(ids.next(now: Clock.wall).isOurs)
    for foreign in [
      "1795765752.M123456P4242Q1.shop01", "1795765752.4242_1.shop", "x", "1795765752.M123456R9f3a5c1eP4242Q1",
      "1795765752.V801I2c8fM123456.shop01", "1795765752.M12345R9f3a5c1eP4242Q1.shop01",
    ] {
      #expect(!LetterID(Path(foreign)).isOurs, "\(foreign)")
    }
  }

  @Test(
    arguments: [
      ("100.M1.a", "100.M1.a", nil, nil, nil),
      ("100.M1.a,A=2", "100.M1.a", 2, nil, nil),
      ("100.M1.a,A=2,L=1795766000", "100.M1.a", 2, 1_795_766_000_000, nil),
      ("100.M1.a,A=2,L=1795766000.250", "100.M1.a", 2, 1_795_766_000_250, nil),
      ("100.M1.a,A=3,D=1795766000", "100.M1.a", 3, nil, 1_795_766_000_000),
      ("100.M1.a,S=512,W=530", "100.M1.a,S=512,W=530", nil, nil, nil),
      ("100.M1.a,S=512,A=1", "100.M1.a,S=512", 1, nil, nil),
      ("100.M1.a:2,S", "100.M1.a", nil, nil, nil),
      ("100.M1.a,A=1:2,RS", "100.M1.a", 1, nil, nil),
      ("100.M1.a,A=", "100.M1.a,A=", nil, nil, nil),
      ("100.M1.a,A=x", "100.M1.a,A=x", nil, nil, nil),
      (",A=1", ",A=1", nil, nil, nil),
    ] as [(String, String, Int?, Int64?, Int64?)])
  func fileNames(name: String, id: String, attempt: Int?, until: Int64?, doneAt: Int64?) {
    let entry = EntryName(Path(name))
    #expect(entry.id.description == id)
    #expect(entry.attempt == attempt)
    #expect(entry.until == until)
    #expect(entry.doneAt == doneAt)
    if !name.contains(":") { #expect(entry.path == Path(name)) }
  }

  /// H is version 0.1.0's way to name a holder.
  @Test(
    arguments: [
      ("100.M1.a,A=2,B=1f3a5c1e02b7d640", 2, nil), ("100.M1.a,A=1,B=0000000000000000", 1, nil),
      ("100.M1.a,A=2,H=9f3a5c1e02b7d640", 2, nil), ("100.M1.a,A=1,H=0000000000000000", 1, nil),
      ("100.M1.a,A=1,H=ffffffffffffffff,L=1795766000", 1, 1_795_766_000_000),
    ] as [(String, Int?, Int64?)])
  func whoHoldsALetterIsReadAndWrittenBack(name: String, attempt: Int?, until: Int64?) throws {
    let entry = EntryName(Path(name))
    #expect(entry.id.description == "100.M1.a")
    #expect(entry.attempt == attempt && entry.until == until)
    #expect(entry.path == Path(name))
    #expect(EntryName(Path(name + ":2,S")) == entry, "a mail reader's flags are none of ours")
  }

  /// 16 digits, and lower case: what is not quite a mark belongs to the ID.
  @Test(
    arguments: [
      "9f3a5c1e02b7d64", "9f3a5c1e02b7d6401", "", "9F3A5C1E02B7D640", "9f3a5c1e02b7d64g", " 9f3a5c1e02b7d64",
      "-f3a5c1e02b7d640", "9f3a5c1e/2b7d640", "0x3a5c1e02b7d640",
    ], ["B", "H"])
  func whatIsNoHolderBelongsToTheID(digits: String, mark: String) {
    let name = "100.M1.a,\(mark)=\(digits)"
    let entry = EntryName(Path(name))
    #expect(entry.id.description == name && entry.path == Path(name))
    let tried = EntryName(Path(name + ",A=3"))
    #expect(tried.attempt == 3 && tried.id.description == name)
  }

  /// A byte beyond what fcntl(2) can lock belongs to no holder.
  @Test(arguments: ["4000000000000000", "7fffffffffffffff", "ffffffffffffffff"])
  func aBeaconBeyondAllFilesIsNoTrap(digits: String) {
    let name = "100.M1.a,A=1,B=\(digits)"
    #expect(EntryName(Path(name)).path == Path(name))
  }

  @Test func hostsAreMadeFitForAFileName() {
    #expect(LetterIDs.sanitized("shop01.example.org") == "shop01.example.org")
    #expect(LetterIDs.sanitized("a/b:c,d e") == "a_b_c_d_e")
    #expect(LetterIDs.sanitized("") == "localhost")
  }
}
