/** Which report formats there are: the files of `formats/`, one each. */

import { codeUrl } from '../code.ts';
import { ConfigurationError, didYouMean } from '../replay/configuration-error.ts';
import { defaultExport, modulesOf } from '../replay/registry.ts';
import type { Result } from './result.ts';

export interface ReportFormat {
  readonly name: string;
  readonly title: string;
  /** Of the file that `--out DIR` writes. */
  readonly extension: string;
  /** `color`: the text goes to a terminal that shows colours. */
  render(result: Result, options: { readonly color: boolean }): string;
}

const FORMATS = codeUrl('./report/formats/');

export function formatNames(): string[] {
  return [...modulesOf(FORMATS).keys()];
}

export async function loadFormat(name: string): Promise<ReportFormat> {
  const url = modulesOf(FORMATS).get(name);
  if (url === undefined) {
    const known = formatNames();
    throw new ConfigurationError(
      `--format ${name}: no such format`,
      `${didYouMean(name, known)}known are ${known.join(', ')}`,
    );
  }
  return defaultExport(url);
}
