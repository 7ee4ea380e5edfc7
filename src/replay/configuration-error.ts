/** What the user asked for cannot be done as asked: exit status 2 on the command line. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
  constructor(
    what: string,
    /** What to do about it. */
    readonly advice: string,
    options?: ErrorOptions,
  ) {
    super(what, options);
  }
}

/** `did you mean "x"? ` for the nearest of the known names, nothing when none is near. */
export function didYouMean(text: string, known: readonly string[]): string {
  let nearest = '';
  let least = Math.max(1, Math.floor(text.length * 0.4)) + 1;
  for (const name of known) {
    const distance = editDistance(text.toLowerCase(), name.toLowerCase());
    if (distance < least) {
      least = distance;
      nearest = name;
    }
  }
  return nearest === '' ? '' : `did you mean "${nearest}"? `;
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 8) return 9;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}
