/** Where the cache of compiled traces is and how large it may grow. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { ConfigurationError } from '../../replay/configuration-error.ts';
import { parseSize } from '../../replay/sizes.ts';

export interface CacheSettings {
  readonly folder: string;
  readonly limitBytes: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_LIMIT = '4GiB';

/** Null: no cache (a size of 0). */
export function cacheSettings(env: Environment, platform = process.platform, home = homedir()): CacheSettings | null {
  const text = env['GMEM_EVAL_CACHE_SIZE'] || DEFAULT_LIMIT;
  const limitBytes = parseSize(text);
  if (limitBytes === null) {
    throw new ConfigurationError(
      `GMEM_EVAL_CACHE_SIZE=${text}: not a size`,
      'give bytes or for example 4GiB; 0 = no cache',
    );
  }
  return limitBytes === 0 ? null : { folder: env['GMEM_EVAL_CACHE'] || usualFolder(env, platform, home), limitBytes };
}

function usualFolder(env: Environment, platform: NodeJS.Platform, home: string): string {
  const xdg = env['XDG_CACHE_HOME'];
  // A relative one is to be ignored, says the XDG specification.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'gmem-eval');
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'gmem-eval');
  if (platform === 'win32') return join(env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), 'gmem-eval', 'Cache');
  return join(home, '.cache', 'gmem-eval');
}
