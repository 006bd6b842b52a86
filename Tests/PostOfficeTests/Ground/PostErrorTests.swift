// The fields of an error, and the line that they make.

import Linux
import Testing

@testable import PostOffice

struct PostErrorTests {
  @Test func theMessageJoinsTheFields() {
    let error = PostError(
      .tryAgain, "cannot deliver to", "mailboxes/stock", cause: "no space left on device",
      remedy: "free some and run post sweep")
    #expect(
      error.message
        == "cannot deliver to mailboxes/stock: no space left on device; free some and run post sweep")
    #expect(error.description == error.message)
    #expect(error.exitCode == 75)
  }

  @Test(arguments: [
    (PostError(.usage, "there is no place"), "there is no place"),
    (
      PostError(.usage, "an ID cannot be empty", remedy: "see post list"),
      "an ID cannot be empty; see post list"
    ),
    (PostError(.usage, nil, "post read", cause: "--all is odd"), "post read: --all is odd"),
    (
      PostError(.usage, cause: "unknown command x", remedy: "see post --help"),
      "unknown command x; see post --help"
    ),
    (PostError(.badSettings, nil, "post.conf", line: 3, cause: "odd"), "post.conf, line 3: odd"),
    (PostError(.bug), ""),
  ])
  func fieldsThatAreMissingLeaveNoTrace(error: PostError, message: String) {
    #expect(error.message == message)
  }

  @Test func theProblemIsWithoutPlaceAndRemedy() {
    let error = PostError(.badSettings, nil, "post.conf", line: 3, cause: "odd", remedy: "make it even")
    #expect(error.problem == "line 3: odd")
    #expect(PostError(.denied, "cannot read", "post.conf").problem == "cannot read: permission denied")
  }

  @Test func outcomesAreAddedAtTheEnd() {
    let error = PostError(.io, "cannot read", "a", cause: "odd", remedy: "see b").adding(
      outcome: "1 letter waits")
    #expect(error.message == "cannot read a: odd; see b; 1 letter waits")
    #expect(error.adding(outcome: "c stays").outcome == "1 letter waits; c stays")
    #expect(error.adding(outcome: "c stays").kind == .io)
  }

  @Test func anOutcomeIsWorthAMessage() {
    let error = PostError(.io, "cannot write").silenced()
    #expect(error.isSilent)
    #expect(!error.adding(outcome: "the letter stays").isSilent)
  }

  @Test(
    arguments: [
      (Errno.noSpace, PostError.Kind.tryAgain, "free some space or inodes and try again"),
      (.quota, .tryAgain, "free some of the quota and try again"),
      (.processFiles, .tryAgain, "close some files or raise the limit (ulimit -n)"),
      (.systemFiles, .tryAgain, "close some files or raise the limit (ulimit -n)"),
      (.noMemory, .tryAgain, nil), (.again, .tryAgain, nil),
      (.denied, .noPermission, nil), (.notPermitted, .noPermission, nil),
      (.readOnly, .cannotCreate, nil), (.notDirectory, .cannotCreate, nil),
      (.isDirectory, .cannotCreate, nil),
      (.loop, .cannotCreate, nil), (.nameTooLong, .cannotCreate, nil), (.exists, .cannotCreate, nil),
      (.io, .io, nil), (.noEntry, .io, nil), (.invalid, .io, nil), (.notEmpty, .io, nil),
    ] as [(Errno, PostError.Kind, String?)])
  func anErrnoSetsKindCauseAndRemedy(errno: Errno, kind: PostError.Kind, remedy: String?) {
    let error = PostError(errno, "cannot open", "topics/orders")
    #expect(error.kind == kind)
    #expect(error.operation == "cannot open")
    #expect(error.place == "topics/orders")
    #expect(error.cause?.lowercased() == errno.description.lowercased())
    #expect(error.cause?.first?.isUppercase == false)
    #expect(error.remedy == remedy)
  }

  @Test func kindAndRemedyCanBeGiven() {
    let error = PostError(.noSpace, "cannot read", "a", kind: .notFound, remedy: "look again")
    #expect(error.kind == .notFound)
    #expect(error.message == "cannot read a: no space left on device; look again")
  }
}
