/** A metric got worse: exit status 1. */
export class RegressionError extends Error {
  override name = 'RegressionError';
}
