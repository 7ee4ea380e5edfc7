/** Which reports of a comparison there are: the files of `formats/`, one each. */

import { codeUrl } from '../../code.ts';
import { ConfigurationError, didYouMean } from '../../replay/configuration-error.ts';
import { defaultExport, modulesOf } from '../../replay/registry.ts';
import type { Comparison } from './comparison.ts';

export interface ComparisonFormat {
  readonly name: string;
  readonly title: string;
  /** Of the file that `--out DIR` writes. */
  readonly extension: string;
  /** `color`: the text goes to a terminal that shows colours. */
  render(comparison: Comparison, options: { readonly color: boolean }): string;
}

const FORMATS = codeUrl('./report/compare/formats/');

export function comparisonFormatNames(): string[] {
  return [...modulesOf(FORMATS).keys()];
}

export async function loadComparisonFormat(name: string): Promise<ComparisonFormat> {
  const url = modulesOf(FORMATS).get(name);
  if (url === undefined) {
    const known = comparisonFormatNames();
    throw new ConfigurationError(
      `--format ${name}: no such format for a comparison`,
      `${didYouMean(name, known)}known are ${known.join(', ')}`,
    );
  }
  return defaultExport(url);
}
