/**
 * Where the code of this program is. A built program has its modules joined into fewer files, so none of them knows from its
 * own address what lies beside it; this one is kept at the top of the folder that it is built into.
 */

/** False = built. */
export const RUNS_FROM_SOURCE = import.meta.url.endsWith('.ts');

/** Of a file or folder by its path below `src`; modules that were built end in `.js`. */
export function codeUrl(path: string): URL {
  return new URL(RUNS_FROM_SOURCE ? path : path.replace(/\.ts$/, '.js'), import.meta.url);
}
