import Testing

@testable import PostOffice

@Suite struct BatchPolicyTests {
  @Test(
    arguments: [
      (.done, false), (.broken("exit 127"), false), (.retry("exit 1"), true), (.failed("exit 65"), true),
    ] as [(Verdict, Bool)])
  func aBatchThatFailedIsSplit(verdict: Verdict, splits: Bool) {
    #expect(BatchPolicy.splits(after: verdict) == splits)
  }

  @Test(
    arguments: [
      (.done, true, true), (.failed("exit 65"), true, true), (.retry("exit 1"), true, false),
      (.broken("exit 127"), false, false),
    ] as [(Verdict, Bool, Bool)])
  func theNextLetterFollowsUnlessItWouldOvertakeOrTheHandlerIsBroken(
    verdict: Verdict, inAnyOrder: Bool, inStrictOrder: Bool
  ) {
    #expect(BatchPolicy.goesOn(after: verdict, in: .any) == inAnyOrder)
    #expect(BatchPolicy.goesOn(after: verdict, in: .strict) == inStrictOrder)
  }
}
