import { resolve } from 'node:path';
import { ConfigurationError } from '../replay/configuration-error.ts';

/** No two outputs, and no output and input, may be one file. */
export function mustDiffer(files: readonly { readonly option: string; readonly path: string }[]): void {
  for (const [i, { option, path }] of files.entries()) {
    const other = files.slice(0, i).find((f) => f.path !== '-' && resolve(f.path) === resolve(path));
    if (other === undefined) continue;
    throw new ConfigurationError(`${other.option} and ${option} name the same file`, 'give each a name of its own');
  }
}
