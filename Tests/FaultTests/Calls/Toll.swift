import Testing

/// Counts what the faults of one scenario have done. Everything but `twice` must stay at zero.
final class Toll {
  enum Harm: String, CaseIterable {
    case lost
    case torn
    case half = "half delivered"
    case stuck
  }

  /// Letters that came twice, as they may when their holder dies between its work and its settlement.
  var twice = 0
  private var harms: [Harm: Int] = [:]

  /// Expects that something is so; if not, that harm is done.
  func expect(
    _ isSo: Bool, or harm: Harm, _ place: Comment, at location: SourceLocation = #_sourceLocation
  ) {
    if !isSo { harms[harm, default: 0] += 1 }
    #expect(isSo, "\(harm): \(place)", sourceLocation: location)
  }

  /// `lost 0, torn 0, half delivered 0, stuck 0, twice 3`.
  var words: String {
    Harm.allCases.map { "\($0.rawValue) \(harms[$0, default: 0]), " }.joined() + "twice \(twice)"
  }
}
